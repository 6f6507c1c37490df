//! A command that the configuration asks to run (`notify*`, `script`, `misc_path`, ...): its words and its user.

use crate::Place;

/// A command as written, split into words; whether it exists and may run is judged on the machine, not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Program and arguments after unquoting. Never empty.
    pub words: Vec<String>,
    /// The script text as it stands in the file after the first unquoting: what a shell is given when the program has
    /// neither an ELF header nor `#!`.
    pub text: String,
    /// User written beside the script; `None` means `script_user`.
    pub run_as: Option<RunAs>,
    /// Where it stands.
    pub place: Place,
}

/// `<user> [:][<group>]` as written; names are looked up on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// User name or number.
    pub user: String,
    /// Group name or number; `None` means the user's own primary group.
    pub group: Option<String>,
    /// A `:` was written: the user's supplementary groups are set too.
    pub supplementary_groups: bool,
}
