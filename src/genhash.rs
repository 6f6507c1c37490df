//! `holdfast genhash`, also `holdfast -T` and the program under the name `genhash`: fetches a page as a check would and
//! prints the MD5 of its body, for the `digest` of `HTTP_GET` and `SSL_GET`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use checkers::event::CheckerId;
use checkers::reply::{Reply, request};
use checkers::{ConversationId, Opening, Transport};
use clap::{CommandFactory, Parser};
use parser::config::checker::{HttpProtocol, Source};
use tokio::time::timeout;

use crate::checker_process::conversations::{Conversations, Happened};
use crate::checker_process::tls::Tls;
use crate::sub_command;

/// The digest of a page, for checks with `digest`
#[derive(Debug, Parser)]
#[command(name = "genhash")]
struct Arguments {
    /// Talk TLS to the server
    #[arg(short = 'S', long)]
    use_ssl: bool,
    /// Send the virtual host's name in the TLS handshake
    #[arg(short = 'I', long, requires = "use_virtualhost")]
    use_sni: bool,
    /// Address of the server
    #[arg(short, long, value_name = "ADDRESS")]
    server: IpAddr,
    /// Port of the server
    #[arg(short, long)]
    port: u16,
    /// Path of the page
    #[arg(short, long, value_name = "PATH")]
    url: String,
    /// Name of the virtual host, for the Host header
    #[arg(short = 'V', long, value_name = "HOST")]
    use_virtualhost: Option<String>,
    /// Show what was received, and how long it took
    #[arg(short, long)]
    verbose: bool,
    /// Firewall mark of the packets
    #[arg(
        short = 'm',
        long,
        value_name = "MARK",
        default_value_t = 0,
        hide_default_value = true
    )]
    fwmark: u32,
    /// HTTP protocol: 1.0, 1.0c (with Connection: close) or 1.1
    #[arg(short = 'P', long, value_name = "VERSION", default_value = "1.0", value_parser = protocol)]
    protocol: HttpProtocol,
    /// Seconds to wait for the connection, and for each part of the page
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u16,
}

fn protocol(word: &str) -> Result<HttpProtocol, &'static str> {
    match word {
        "1.0" => Ok(HttpProtocol::Http10),
        "1.0c" | "1.0C" => Ok(HttpProtocol::Http10Close),
        "1.1" => Ok(HttpProtocol::Http11),
        _ => Err("it is 1.0, 1.0c or 1.1"),
    }
}

/// What may follow the name of the sub-command.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
enum GenhashError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("Connection failed: {0}")]
    Failed(checkers::Failure),
    #[error("no answer for {} s", .0.as_secs())]
    Silence(Duration),
    #[error(transparent)]
    Head(#[from] checkers::reply::EndlessHead),
    #[error("the server closed the connection before the page began")]
    NoPage,
}

/// Fetches the page that `arguments`, those after `genhash`, name. The exit status is 0 if its digest was printed.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Arguments = match sub_command::read("genhash", arguments) {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    let fetched = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(GenhashError::from)
        .and_then(|runtime| runtime.block_on(fetch(&arguments)));
    let (told, status) = match fetched {
        Ok(text) => (io::stdout().write_all(text.as_bytes()), ExitCode::SUCCESS),
        Err(reason) => (writeln!(io::stderr(), "genhash: {reason}"), ExitCode::FAILURE),
    };
    // A reader that has gone away wants no more.
    drop(told);
    status
}

/// What is to be printed: the digest, and all else if asked for.
async fn fetch(arguments: &Arguments) -> Result<String, GenhashError> {
    let begun = Instant::now();
    let patience = Duration::from_secs(arguments.timeout.into());
    let name = arguments.use_virtualhost.as_deref();
    let transport = if arguments.use_ssl {
        Transport::Tls {
            server_name: name.filter(|_| arguments.use_sni).map(Into::into),
            close_notify: true,
        }
    } else {
        Transport::Tcp
    };
    let conversation = ConversationId {
        checker: CheckerId(0),
        turn: 0,
    };
    let mut conversations = Conversations::new(Tls::new(None)?.0)?;
    conversations.open(Opening {
        conversation,
        transport,
        address: arguments.server,
        port: arguments.port,
        source: (arguments.fwmark != 0).then(|| {
            Box::new(Source {
                fwmark: arguments.fwmark,
                ..Source::default()
            })
        }),
    });

    let mut reply = Reply::new(true);
    let mut text = String::new();
    let mut heard = Vec::new();
    'page: loop {
        timeout(patience, conversations.next(&mut heard))
            .await
            .map_err(|_| GenhashError::Silence(patience))?;
        for (_, happened) in heard.drain(..) {
            match happened {
                Happened::Opened => {
                    let here = SocketAddr::new(arguments.server, arguments.port).to_string();
                    let host = name.unwrap_or(&here);
                    conversations.send(conversation, request(&arguments.url, host, arguments.protocol));
                }
                Happened::Received(bytes) => {
                    let body = reply.take(&bytes)?;
                    if arguments.verbose {
                        dump(&mut text, body);
                    }
                    if reply
                        .content_length
                        .is_some_and(|length| reply.received >= length)
                    {
                        break 'page;
                    }
                }
                Happened::Closed => break 'page,
                Happened::Failed(failure) => return Err(GenhashError::Failed(failure)),
            }
        }
    }
    conversations.close(conversation);
    let digest = reply
        .digest()
        .filter(|_| reply.in_body)
        .ok_or(GenhashError::NoPage)?;
    let digest = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(if arguments.verbose {
        let top = String::from_utf8_lossy(&reply.head).replace('\r', "");
        let took = begun.elapsed().as_micros();
        let url = &arguments.url;
        format!(
            "{}{top}{}{text}{}{digest}\n\nGlobal response time for [{url}] = {took} usecs\n",
            rule("HTTP header"),
            rule("HTML buffer"),
            rule("MD5 digest")
        )
    } else {
        format!("{digest}\n")
    })
}

fn rule(title: &str) -> String {
    format!("{:-^74}\n", format!("[ {title:^24} ]"))
}

/// Bytes as hexadecimal numbers and as letters, sixteen in a line.
fn dump(to: &mut String, bytes: &[u8]) {
    for (index, line) in bytes.chunks(16).enumerate() {
        let hex = line.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x} ");
            hex
        });
        let letters: String = line
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(to, "{:04x}  {hex:<48}  {letters}", index * 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_sixteen_in_a_line() {
        let mut text = String::new();
        dump(&mut text, b"hello, world\r\nxyzZ");
        assert_eq!(
            text,
            "0000  68 65 6c 6c 6f 2c 20 77 6f 72 6c 64 0d 0a 78 79   hello, world..xy\n\
             0010  7a 5a                                             zZ\n"
        );
    }

    #[test]
    fn the_virtual_host_is_needed_for_its_name_in_the_handshake() {
        let base = ["genhash", "-S", "-s", "192.0.2.1", "-p", "443", "-u", "/"];
        assert!(Arguments::try_parse_from(base.iter().chain(&["-I"])).is_err());
        assert!(Arguments::try_parse_from(base.iter().chain(&["-I", "-V", "www"])).is_ok());
        assert!(Arguments::try_parse_from(base.iter().chain(&["-P", "2"])).is_err());
    }
}
