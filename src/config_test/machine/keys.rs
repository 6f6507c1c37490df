//! The key files of `auth_hmac`: there, readable by nobody else, and of a length that a key may have.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use parser::config::vrrp_instance::HmacSecret;
use parser::config::{Config, VrrpInstance};
use parser::report::Class;

use super::Finding;

/// Adds what is wrong with the key files of the instances.
pub(super) fn judge(config: &Config) -> Vec<Finding> {
    config
        .vrrp_instances
        .iter()
        .flat_map(|instance| keys_of(instance))
        .collect()
}

fn keys_of(instance: &VrrpInstance) -> impl Iterator<Item = Finding> {
    let keys = instance.auth_hmac.iter().flat_map(|hmac| &hmac.keys);
    keys.filter_map(|key| {
        let HmacSecret::File(path) = &key.secret else {
            return None;
        };
        let wrong = wrong_with(path)?;
        Some(Finding {
            place: instance.place,
            word: format!("file:{path}"),
            class: wrong.class(),
            what: format!("({}) key {}: {wrong}", instance.name, key.id),
        })
    })
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
enum KeyFileError {
    #[error("`{path}` cannot be read: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("`{path}` is not a regular file")]
    NotAFile { path: String },
    #[error(
        "SECURITY VIOLATION - `{path}` has mode {mode:03o}: others than its owner can reach it; `chmod go= {path}` mends that"
    )]
    Open { path: String, mode: u32 },
    #[error("`{path}` holds {bytes} bytes; a key has 32 to 64")]
    Length { path: String, bytes: usize },
}

impl KeyFileError {
    fn class(&self) -> Class {
        match self {
            Self::Open { .. } => Class::Security,
            Self::Unreadable { .. } | Self::NotAFile { .. } | Self::Length { .. } => Class::General,
        }
    }
}

fn wrong_with(path: &str) -> Option<KeyFileError> {
    judge_file(path).unwrap_or_else(|error| {
        Some(KeyFileError::Unreadable {
            path: path.to_owned(),
            error,
        })
    })
}

fn judge_file(path: &str) -> io::Result<Option<KeyFileError>> {
    // More than a key's bytes and its line end would be too long anyway.
    const ENOUGH: u64 = 128;
    let name = path.to_owned();
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Some(KeyFileError::NotAFile { path: name })); // a pipe would be waited for
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.permissions().mode() & 0o777;
        return Ok(Some(KeyFileError::Open { path: name, mode }));
    }
    let mut key = Vec::new();
    file.take(ENOUGH).read_to_end(&mut key)?;
    // As the VRRP process reads it.
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    let bytes = key.len();
    Ok((!(32..=64).contains(&bytes)).then_some(KeyFileError::Length { path: name, bytes }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_there_private_and_of_a_key_s_length() {
        let key = tempfile::NamedTempFile::new().unwrap();
        let path = key.path().to_str().unwrap();
        let class = |text: &str, mode: u32| {
            std::fs::write(path, text).unwrap();
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).unwrap();
            wrong_with(path).map(|wrong| wrong.class())
        };
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(class(good, 0o600), None);
        assert_eq!(class(&format!("{good}\n"), 0o400), None);
        assert_eq!(class(good, 0o640), Some(Class::Security));
        assert_eq!(class(good, 0o604), Some(Class::Security));
        assert_eq!(class("short", 0o600), Some(Class::General));
        assert_eq!(class(&"x".repeat(65), 0o600), Some(Class::General));
        let elsewhere = wrong_with("/nonexistent/key").unwrap();
        assert!(matches!(elsewhere, KeyFileError::Unreadable { .. }));
        assert!(matches!(
            wrong_with("/dev/zero"),
            Some(KeyFileError::NotAFile { .. })
        ));
    }
}
