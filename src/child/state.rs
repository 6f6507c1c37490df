//! A child's saved state: a memfd that the supervisor holds open, so that it outlives the child.
//!
//! Two records at the start say where a text lies and what it sums to; the valid one with the higher count is the state.
//! A save writes its text beside the present one, then the other record: a process killed anywhere in between leaves the
//! present state whole. Absent: what the text says.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Bytes of a record: count, offset, length and sum of the text, and the sum of these four; little-endian.
const RECORD: usize = 40;

/// Where the texts begin: after both records.
const TEXTS: u64 = 2 * RECORD as u64;

/// A saved state.
pub struct SavedState {
    file: File,
}

#[derive(Clone, Copy)]
struct Record {
    count: u64,
    offset: u64,
    length: u64,
    sum: u64,
}

impl SavedState {
    /// The memfd for a state, empty.
    pub fn create() -> io::Result<OwnedFd> {
        Ok(memfd_create(c"holdfast-state", MFdFlags::MFD_CLOEXEC)?)
    }

    /// The state kept in `memfd`.
    pub fn new(memfd: OwnedFd) -> SavedState {
        SavedState { file: memfd.into() }
    }

    /// The text last saved whole; empty if none was.
    pub fn load(&self) -> String {
        self.present().map(|(_, text)| text).unwrap_or_default()
    }

    /// Saves `text` in place of what was there.
    pub fn save(&self, text: &str) -> io::Result<()> {
        let length = text.len() as u64;
        let (count, offset) = match self.present() {
            None => (1, TEXTS),
            Some((present, _)) if TEXTS + length <= present.offset => (present.count + 1, TEXTS),
            Some((present, _)) => (present.count + 1, present.offset + present.length),
        };
        self.file.write_all_at(text.as_bytes(), offset)?;
        let record = Record {
            count,
            offset,
            length,
            sum: sum(text.as_bytes()),
        };
        self.file
            .write_all_at(&record.encode(), (count % 2) * RECORD as u64)
    }

    fn present(&self) -> Option<(Record, String)> {
        let mut bytes = [0; 2 * RECORD];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let mut records: Vec<Record> = bytes.chunks_exact(RECORD).filter_map(Record::decode).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.count));
        records
            .into_iter()
            .find_map(|record| Some((record, self.text(record)?)))
    }

    fn text(&self, record: Record) -> Option<String> {
        let end = record.offset.checked_add(record.length)?;
        if record.offset < TEXTS || end > self.file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(record.length).ok()?];
        self.file.read_exact_at(&mut bytes, record.offset).ok()?;
        (sum(&bytes) == record.sum)
            .then(|| String::from_utf8(bytes).ok())
            .flatten()
    }
}

impl Record {
    fn encode(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let fields = [self.count, self.offset, self.length, self.sum];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let (fields, last) = bytes.split_at_mut(RECORD - 8);
        last.copy_from_slice(&sum(fields).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Record> {
        let field = |index: usize| {
            Some(u64::from_le_bytes(
                bytes.get(index * 8..index * 8 + 8)?.try_into().ok()?,
            ))
        };
        let record = Record {
            count: field(0)?,
            offset: field(1)?,
            length: field(2)?,
            sum: field(3)?,
        };
        (record.encode() == bytes).then_some(record)
    }
}

/// FNV-1a: tells a torn write from a whole one; nobody forges these bytes.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> SavedState {
        SavedState::new(SavedState::create().unwrap())
    }

    #[test]
    fn the_last_text_is_found_again() {
        let state = empty();
        assert_eq!(state.load(), "");
        for text in [
            "MASTER",
            "",
            "a longer one\n",
            "b",
            &"long ".repeat(10_000),
            "short",
        ] {
            state.save(text).unwrap();
            assert_eq!(state.load(), text);
        }
    }

    #[test]
    fn the_file_does_not_grow_with_the_number_of_saves() {
        let state = empty();
        for round in 0..1000 {
            state.save(&"x".repeat(100 + round % 7)).unwrap();
        }
        assert!(state.file.metadata().unwrap().len() < 1000);
    }

    #[test]
    fn a_save_torn_anywhere_leaves_the_state_before_it() {
        // What a whole save changes, byte by byte in the order it is written; then the same cut off at every byte.
        for earlier in [
            &["first"][..],
            &["first", "second"],
            &["a long first text", "b", "c"],
        ] {
            let next = "the next text";
            let before = empty();
            for text in earlier {
                before.save(text).unwrap();
            }
            let image = |state: &SavedState| {
                let mut bytes = vec![0; usize::try_from(state.file.metadata().unwrap().len()).unwrap()];
                state.file.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            };
            let old = image(&before);
            before.save(next).unwrap();
            let new = image(&before);
            let texts = 2 * RECORD;
            let written: Vec<usize> = (texts..new.len()).chain(0..texts).collect();
            for cut in 0..written.len() {
                let mut torn = old.clone();
                torn.resize(old.len().max(new.len()), 0);
                for &place in &written[..cut] {
                    torn[place] = new[place];
                }
                let state = empty();
                state.file.write_all_at(&torn, 0).unwrap();
                let found = state.load();
                let last = *earlier.last().unwrap();
                assert!(
                    found == last || found == next && torn == new,
                    "cut at {cut}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_of_anything_is_an_empty_state_and_can_be_saved_to() {
        for junk in [vec![0xff; 10], vec![0xff; 4096], b"{}".repeat(100)] {
            let state = empty();
            state.file.write_all_at(&junk, 0).unwrap();
            assert_eq!(state.load(), "");
            state.save("fresh").unwrap();
            assert_eq!(state.load(), "fresh");
        }
    }
}
