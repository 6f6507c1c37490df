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

/// Words to underline in a message: a place, the whole line as it was understood, and the bytes of it that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<'a> {
    /// File and line.
    pub place: Place,
    /// The line after definitions were replaced, without its end.
    pub text: &'a str,
    /// First byte of `text` to underline.
    pub start: usize,
    /// How many bytes to underline; 0 for a place between words.
    pub length: usize,
}
