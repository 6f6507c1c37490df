//! Where something stands: in which file, on which line, which words.

/// Where something stands in the configuration, for messages. Two places always compare equal, so that configurations
/// compare by meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Index of the file in the source map.
    pub file: u32,
    /// Line, from 1; 0 means nowhere.
    pub line: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

/// Words to underline in a message: a place, the line as it was understood, and the bytes of it that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<'a> {
    /// File and line.
    pub place: Place,
    /// The line after definitions were replaced, without its end; of a very long line the part around the words.
    pub text: &'a str,
    /// Bytes of the line before `text`.
    pub text_start: usize,
    /// First byte of the line to underline.
    pub start: usize,
    /// How many bytes to underline; 0 for a place between words.
    pub length: usize,
}

impl<'a> At<'a> {
    /// Bytes kept of a line on either side of where the words meant begin.
    pub(crate) const KEPT: usize = 512;

    /// Some bytes of a line.
    pub(crate) fn new(place: Place, line: &'a str, start: usize, length: usize) -> Self {
        let text_start = line.floor_char_boundary(start.saturating_sub(Self::KEPT));
        let text_end = line.floor_char_boundary(start + Self::KEPT);
        Self {
            place,
            text: &line[text_start..text_end],
            text_start,
            start,
            length,
        }
    }

    /// All of a line but the blanks around it.
    pub(crate) fn whole(place: Place, line: &'a str) -> Self {
        let start = line.len() - line.trim_ascii_start().len();
        Self::new(place, line, start, line.trim_ascii().len())
    }
}
