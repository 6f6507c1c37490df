//! Severity classes of mistakes and the exit status they give a config test.

/// Severity of a mistake, in keepalived's order: the exit status of a config test follows from the highest class seen,
/// so that an ordinary error hides a [`Class::Fatal`] one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Worth knowing; the file is accepted.
    Note,
    /// A file that had to be there is not.
    FileNotFound,
    /// An interface that does not exist.
    BadInterface,
    /// What keepalived calls fatal.
    Fatal,
    /// `-f` matched several files.
    MultipleFiles,
    /// A word that is no keyword where it stands.
    UnknownKeyword,
    /// `{` where no block begins.
    UnexpectedOpening,
    /// No `{` where a block must begin.
    MissingOpening,
    /// `}` without its `{`.
    UnexpectedClosing,
    /// `{` without its `}`.
    MissingClosing,
    /// An odd number of quotes.
    UnmatchedQuote,
    /// A value left out.
    MissingParameter,
    /// A number that is none or out of range.
    InvalidNumber,
    /// Any other mistake.
    General,
    /// Legal, but not what was meant.
    Warning,
    /// An old form that has a successor.
    Deprecated,
    /// Scripts or secrets that others can reach.
    Security,
    /// keepalived ends at once with status 2 (a keyword without its parameter).
    Exit,
    /// No configuration could be read, or an include check failed.
    NoConfig,
}

/// How a config test ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitStatus {
    /// Nothing but notes.
    Ok = 0,
    /// A keyword without its parameter.
    MissingParameter = 2,
    /// Only fatal classes were seen.
    Fatal = 4,
    /// Ordinary errors or warnings.
    Errors = 5,
    /// A security violation, or no configuration at all.
    SecurityOrNoConfig = 6,
}

impl ExitStatus {
    /// The status that these classes give together.
    pub fn of(classes: impl Iterator<Item = Class>) -> Self {
        match classes.max() {
            None | Some(Class::Note) => Self::Ok,
            Some(Class::FileNotFound | Class::BadInterface | Class::Fatal) => Self::Fatal,
            Some(Class::Security | Class::NoConfig) => Self::SecurityOrNoConfig,
            Some(Class::Exit) => Self::MissingParameter,
            Some(_) => Self::Errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_error_hides_a_fatal_one_and_security_hides_both() {
        let of = |classes: &[Class]| ExitStatus::of(classes.iter().copied());
        assert_eq!(of(&[]), ExitStatus::Ok);
        assert_eq!(of(&[Class::Note]), ExitStatus::Ok);
        assert_eq!(of(&[Class::BadInterface]), ExitStatus::Fatal);
        assert_eq!(of(&[Class::BadInterface, Class::General]), ExitStatus::Errors);
        assert_eq!(of(&[Class::Deprecated]), ExitStatus::Errors);
        assert_eq!(
            of(&[Class::UnknownKeyword, Class::Security]),
            ExitStatus::SecurityOrNoConfig
        );
        assert_eq!(of(&[Class::Exit, Class::Security]), ExitStatus::MissingParameter);
    }
}
