//! The text of a configuration on its way to a child: a sealed memfd, which nobody can change under the reader.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Puts `text` into a new memfd and seals it.
pub fn seal(text: &str) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"holdfast-configuration", flags)?);
    file.write_all(text.as_bytes())?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
    Ok(file.into())
}

/// Reads the whole text. The position of the descriptor, which others may share, is left alone.
pub fn read(sealed: OwnedFd) -> io::Result<String> {
    let found = fcntl(&sealed, FcntlArg::F_GET_SEALS).map(SealFlag::from_bits_retain);
    if !found.is_ok_and(|found| found.contains(seals())) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the configuration is not in a sealed memfd",
        ));
    }
    let file = File::from(sealed);
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    // One more, so that the end is seen without asking for room.
    let mut bytes = Vec::with_capacity(length.saturating_add(1));
    FromStart { file, offset: 0 }.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

struct FromStart {
    file: File,
    offset: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_read_as_often_as_wanted_and_never_changed() {
        let text = "vrrp_instance VI_1 {\n}\n".repeat(10_000);
        let sealed = seal(&text).unwrap();
        for _ in 0..2 {
            assert_eq!(read(sealed.try_clone().unwrap()).unwrap(), text);
        }
        assert!(File::from(sealed.try_clone().unwrap()).write_all(b"x").is_err());
        assert!(File::from(sealed).set_len(0).is_err());
    }

    #[test]
    fn what_is_not_sealed_is_refused() {
        let open = memfd_create(c"open", MFdFlags::MFD_CLOEXEC).unwrap();
        assert_eq!(read(open).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read(tempfile::tempfile().unwrap().into()).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
