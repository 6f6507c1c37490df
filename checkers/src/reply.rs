//! A page as it comes: head, status and length, and the MD5 of its body. Reads as it streams and keeps little.
//!
//! Nothing here decides whether a page is good; `HTTP_GET`, `SSL_GET` and `genhash` do.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use parser::config::checker::HttpProtocol;
use thiserror::Error;

/// A head longer than this is no head.
pub const LONGEST_HEAD: usize = 65_536;

/// A page so far.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Status line and header lines as received, with the empty line at their end once it is there.
    pub head: Vec<u8>,
    /// The head is whole: what follows is the body.
    pub in_body: bool,
    /// The number in the status line; known with the head.
    pub status: Option<u16>,
    /// `Content-Length`; known with the head.
    pub content_length: Option<u64>,
    /// Bytes of the body so far.
    pub received: u64,
    md5: Option<Md5>,
}

/// There are 65536 bytes and the head has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the head of the page does not end")]
pub struct EndlessHead;

impl Reply {
    /// Nothing has come yet. Without `digest` no MD5 is computed.
    pub fn new(digest: bool) -> Self {
        Self {
            md5: digest.then(Md5::new),
            ..Self::default()
        }
    }

    /// Takes what came and gives those of the bytes that are of the body.
    pub fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], EndlessHead> {
        let body = if self.in_body {
            bytes
        } else {
            self.take_head(bytes)?
        };
        // keepalived: the digest is of no more than Content-Length says.
        let counted = self.content_length.map_or(body.len(), |length| {
            let left = length.saturating_sub(self.received);
            usize::try_from(left).map_or(body.len(), |left| left.min(body.len()))
        });
        if let Some(md5) = &mut self.md5 {
            md5.update(&body[..counted]);
        }
        self.received = self.received.saturating_add(body.len() as u64);
        Ok(body)
    }

    /// The MD5 of the body so far; `None` if it was not asked for.
    pub fn digest(&self) -> Option<[u8; 16]> {
        self.md5.clone().map(|md5| md5.finalize().into())
    }

    fn take_head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], EndlessHead> {
        let known = self.head.len();
        let room = LONGEST_HEAD.saturating_sub(known);
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let Some(end) = end_of_head(&self.head, known.saturating_sub(3)) else {
            return if self.head.len() < LONGEST_HEAD {
                Ok(&[])
            } else {
                Err(EndlessHead)
            };
        };
        self.head.truncate(end);
        self.in_body = true;
        self.status = status(&self.head);
        self.content_length = content_length(&self.head);
        Ok(&bytes[end - known..])
    }
}

/// The request for a page. `host` is the `Host` header as it is sent.
pub fn request(path: &str, host: &str, protocol: HttpProtocol) -> Vec<u8> {
    let (minor, close) = match protocol {
        HttpProtocol::Http10 => (0, ""),
        HttpProtocol::Http10Close => (0, "Connection: close\r\n"),
        HttpProtocol::Http11 => (1, "Connection: close\r\n"),
    };
    let mut request = String::with_capacity(96 + path.len() + host.len());
    let _ = write!(
        request,
        "GET {path} HTTP/1.{minor}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n"
    );
    request.into_bytes()
}

/// Where the empty line ends. Line feeds alone count as ends of lines too.
fn end_of_head(head: &[u8], from: usize) -> Option<usize> {
    (from..head.len()).find_map(|at| match &head[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// `HTTP/1.1 200 OK`: what stands after the first blanks.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let word = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(1)?;
    if !line.starts_with(b"HTTP/") || word.len() != 3 {
        return None;
    }
    number(word).and_then(|status| u16::try_from(status).ok())
}

fn content_length(head: &[u8]) -> Option<u64> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"content-length")
            .then(|| number(value))?
    })
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)
        .and_then(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> (Reply, Vec<u8>) {
        let mut reply = Reply::new(true);
        let mut body = Vec::new();
        for piece in pieces {
            body.extend_from_slice(reply.take(piece).unwrap());
        }
        (reply, body)
    }

    #[test]
    fn a_page_is_read_whatever_its_pieces() {
        let page = b"HTTP/1.1 204 No\r\ncontent-LENGTH: 5 \r\n\r\nhello";
        for cut in 0..page.len() {
            let (reply, body) = read(&[&page[..cut], &page[cut..]]);
            assert_eq!(body, b"hello", "cut at {cut}");
            assert_eq!((reply.status, reply.content_length), (Some(204), Some(5)));
            assert_eq!(
                reply.digest().map(u128::from_be_bytes),
                Some(0x5d41_402a_bc4b_2a76_b971_9d91_1017_c592)
            );
        }
    }

    #[test]
    fn the_digest_ends_with_the_content_length() {
        let (reply, body) = read(&[b"HTTP/1.0 200 OK\nContent-Length: 5\n\nhello and ", b"more"]);
        assert_eq!(body, b"hello and more");
        assert_eq!(
            reply.digest().map(u128::from_be_bytes),
            Some(0x5d41_402a_bc4b_2a76_b971_9d91_1017_c592)
        );
    }

    #[test]
    fn a_status_that_is_none_is_none() {
        for line in [
            "HTTP/1.1",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20x",
            "200 OK",
            "SSH-2.0 200 OK",
        ] {
            let (reply, _) = read(&[line.as_bytes(), b"\r\n\r\n"]);
            assert_eq!(reply.status, None, "{line}");
        }
    }

    #[test]
    fn a_head_without_end_is_refused_and_kept_short() {
        let mut reply = Reply::new(false);
        let ended = (0..1000).find(|_| reply.take(&[b'x'; 1000]).is_err());
        assert_eq!(ended, Some(65));
        assert_eq!(reply.head.len(), LONGEST_HEAD);
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_pieces_confuse_it(bytes in any::<Vec<u8>>(), piece in 1_usize..40) {
            let mut whole = Reply::new(true);
            let body = whole.take(&bytes).unwrap().to_vec();
            let pieces: Vec<_> = bytes.chunks(piece).collect();
            let (reply, joined) = read(&pieces);
            prop_assert_eq!(body, joined);
            prop_assert_eq!(whole.digest(), reply.digest());
            prop_assert_eq!(whole.head, reply.head);
        }
    }
}
