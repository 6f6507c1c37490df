//! `key <ID> file:PATH` of `auth_hmac`: the bytes of the file in place of its path. The engine reads no file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::HmacSecret;
use tracing::error;

/// Bytes of a key, as `auth_hmac` asks for.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=64;
/// Group and others: nobody of them may read a key.
const OTHERS: u32 = 0o077;

/// Why a file is no key.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("its mode {0:03o} lets others at it; make it 600")]
    Exposed(u32),
    #[error("it has {0} bytes without the line's end; a key has 32 to 64")]
    Length(usize),
}

/// Reads the keys of an instance that are in files. One that cannot be read is said, and stays unknown to the engine.
pub(super) fn load(instance: &mut VrrpInstance) {
    let name = &instance.name;
    for key in instance.auth_hmac.iter_mut().flat_map(|hmac| &mut hmac.keys) {
        let HmacSecret::File(path) = &key.secret else {
            continue;
        };
        match read(path) {
            Ok(bytes) => key.secret = HmacSecret::Inline(bytes),
            Err(reason) => error!(
                "({name}) HMAC key {} cannot be read from {path}: {reason}",
                key.id
            ),
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, KeyError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    if mode & OTHERS != 0 {
        return Err(KeyError::Exposed(mode & 0o777));
    }
    let mut bytes = Vec::new();
    // More than a key and its line's end is no key, however long.
    file.take(128).read_to_end(&mut bytes)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if LENGTH.contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(KeyError::Length(bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[test]
    fn a_key_is_the_file_without_the_end_of_the_line() {
        let (_folder, path) = file("0123456789abcdef0123456789abcdef\n", 0o600);
        assert_eq!(read(&path).unwrap(), b"0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_too_short_is_none() {
        let (_folder, path) = file("0123456789abcdef0123456789abcdef", 0o640);
        assert!(matches!(read(&path), Err(KeyError::Exposed(0o640))));
        let (_folder, path) = file("0123456789abcdef", 0o600);
        assert!(matches!(read(&path), Err(KeyError::Length(16))));
        assert!(matches!(read("/no/such/key"), Err(KeyError::Io(_))));
    }
}
