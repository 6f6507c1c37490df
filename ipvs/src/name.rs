//! Names as the kernel keeps them: of schedulers, persistence engines and interfaces.

use std::fmt;
use std::str::FromStr;

/// `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN`, `IP_VS_IFNAME_MAXLEN`: 16 with the closing zero.
const SIZE: usize = 16;

/// A name of 1 to 15 bytes without a zero byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; SIZE]);

/// What is no name for the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name that the kernel can keep: it takes 1 to 15 bytes, none of them zero")]
pub struct NameError(pub String);

impl Name {
    /// A name that the kernel reported: what stands before the first zero byte, at most 15 bytes.
    pub(crate) fn reported(bytes: &[u8]) -> Self {
        let mut name = [0; SIZE];
        let text = bytes.iter().take(SIZE - 1).take_while(|byte| **byte != 0);
        for (to, from) in name.iter_mut().zip(text) {
            *to = *from;
        }
        Self(name)
    }

    /// The bytes with one closing zero.
    pub(crate) fn with_zero(&self) -> &[u8] {
        let length = self.0.iter().take_while(|byte| **byte != 0).count();
        &self.0[..=length]
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() >= SIZE || bytes.contains(&0) {
            return Err(NameError(text.to_owned()));
        }
        Ok(Self::reported(bytes))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.with_zero();
        f.write_str(&String::from_utf8_lossy(&text[..text.len() - 1]))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_fifteen_bytes() {
        assert_eq!("wlc".parse::<Name>().unwrap().with_zero(), b"wlc\0");
        let longest = "a".repeat(15);
        assert_eq!(longest.parse::<Name>().unwrap().to_string(), longest);
        for bad in ["", &"a".repeat(16), "w\0c"] {
            assert_eq!(bad.parse::<Name>(), Err(NameError(bad.to_owned())));
        }
    }

    #[test]
    fn what_the_kernel_reports_ends_at_the_zero() {
        assert_eq!(Name::reported(b"rr\0junk").to_string(), "rr");
        assert_eq!(Name::reported(&[b'x'; 40]).to_string(), "x".repeat(15));
        assert_eq!(Name::reported(b"").to_string(), "");
    }
}
