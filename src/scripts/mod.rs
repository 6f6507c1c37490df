//! Scripts: who they run as, whether they may run, and running them.
//!
//! [`prepare`] judges a script against the machine once, when the configuration is read; [`Runner`] runs what was
//! prepared, as often as asked. Nothing here knows what a script is for: tracking is the engine's, notification
//! [`crate::notify`]'s.

pub mod inspect;
pub mod locate;
pub mod runner;
pub mod security;
pub mod users;

mod child;
mod spawner;

use std::ffi::CString;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parser::config::{GlobalDefs, Script};

pub use inspect::Inspector;
pub use locate::FileError;
pub use runner::Runner;
pub use security::Exposure;
use security::Guard;
pub use users::{Identity, UserError};

/// What the configuration says about scripts in general.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who runs a script that names no user.
    pub default_user: Result<Identity, UserError>,
    /// `enable_script_security`: a root script that someone else can change is refused, not only warned of.
    pub security: bool,
}

impl Policy {
    /// Looks the default user up: `script_user`, else `keepalived_script` if it exists, else the daemon's own user
    /// unless `enable_script_security`.
    pub fn new(global: &GlobalDefs) -> Self {
        let security = global.enable_script_security;
        let default_user = match &global.script_user {
            Some(run_as) => Identity::look_up(run_as),
            None => Identity::default_user(security),
        };
        Self {
            default_user,
            security,
        }
    }
}

/// A script that may run, and how.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Who it runs as.
    pub identity: Identity,
    /// What to tell the user about it, although it runs.
    pub warnings: Vec<Warning>,
    form: Form,
    guard: Option<Guard>,
}

#[derive(Clone, Debug)]
enum Form {
    /// Executed itself: path, and words with the path in the first place.
    Direct(Vec<CString>),
    /// Handed to the shell as a quoted command line.
    Shell(String),
    /// `</path`: the shell succeeds if it can open the file. It takes no further words.
    OpenTest(CString),
}

/// A script runs, but its user should know something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// It was found in `PATH`.
    ResolvedBySearch {
        /// As written.
        word: String,
        /// What was found.
        path: PathBuf,
    },
    /// Someone other than root can change what root runs.
    Unsafe {
        /// The path as written.
        path: PathBuf,
        /// By changing these.
        exposures: Vec<Exposure>,
    },
    /// Neither a program nor `#!`: a shell interprets it.
    NoInterpreterLine(PathBuf),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResolvedBySearch { word, path } => write!(
                f,
                "WARNING - script `{word}` resolved by path search to `{}`. Please specify full path.",
                path.display()
            ),
            Self::Unsafe { path, exposures } => {
                write!(
                    f,
                    "Unsafe permissions found for script '{}'.{}",
                    path.display(),
                    Listed(exposures)
                )
            }
            Self::NoInterpreterLine(path) => write!(
                f,
                "Script {} begins neither with #! nor as a program: it is run through /bin/sh. Please add a #! line.",
                path.display()
            ),
        }
    }
}

/// Why a script does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptRefusal {
    /// Nobody to run it as.
    #[error(transparent)]
    User(#[from] UserError),
    /// No file to run.
    #[error(transparent)]
    File(#[from] FileError),
    /// `enable_script_security`, and someone other than root can change what root would run.
    #[error("Unsafe permissions found for script '{}' - disabling.{}", path.display(), Listed(exposures))]
    Unsafe {
        /// The path as written.
        path: PathBuf,
        /// By changing these.
        exposures: Vec<Exposure>,
    },
    /// The way to the script changed while it was looked at.
    #[error("Script {} could not be checked: {reason}", path.display())]
    Unchecked {
        /// The path as written.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A NUL byte cannot be handed to a program.
    #[error("Script '{0}' has a NUL byte in its words")]
    NulByte(String),
}

/// Exposures as the end of a sentence.
struct Listed<'a>(&'a [Exposure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, exposure) in self.0.iter().enumerate() {
            write!(f, "{} {exposure}", if index == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

/// Judges a script against the machine: whose it is, where it is, whether it may run. Says nothing in the log.
///
/// It looks at files and asks the user database, so it can take a while: for the reading of a configuration, not for
/// the running loop.
pub fn prepare(script: &Script, policy: &Policy) -> Result<Prepared, ScriptRefusal> {
    let identity = match &script.run_as {
        Some(run_as) => Identity::look_up(run_as)?,
        None => policy.default_user.clone()?,
    };
    let nul_byte = |_| ScriptRefusal::NulByte(script.text.clone());
    if script.text.starts_with("</") {
        let form = Form::OpenTest(CString::new(script.text.as_str()).map_err(nul_byte)?);
        return Ok(Prepared {
            identity,
            warnings: Vec::new(),
            form,
            guard: None,
        });
    }
    let (word, rest) = script
        .words
        .split_first()
        .map_or(("", &[][..]), |(word, rest)| (word, rest));
    let found = locate::locate(word, &identity)?;
    let mut warnings = Vec::new();
    if found.searched {
        warnings.push(Warning::ResolvedBySearch {
            word: word.to_owned(),
            path: found.path.clone(),
        });
    }
    if identity.is_root() || is_set_id_root(&found.metadata) {
        warnings.extend(unsafe_permissions(&found.path, policy)?);
    }
    let guard = policy
        .security
        .then(|| Guard::new(&found.path, identity.is_root()));
    let mut words = vec![CString::new(found.path.as_os_str().as_bytes()).map_err(nul_byte)?];
    for word in rest {
        words.push(CString::new(word.as_str()).map_err(nul_byte)?);
    }
    let form = if is_interpreted_by_shell(&found.path) {
        warnings.push(Warning::NoInterpreterLine(found.path));
        Form::Shell(
            words
                .iter()
                .map(|word| quoted(&word.to_string_lossy()))
                .collect::<Vec<_>>()
                .join(" "),
        )
    } else {
        Form::Direct(words)
    };
    Ok(Prepared {
        identity,
        warnings,
        form,
        guard,
    })
}

impl Prepared {
    /// Path to execute, and all words, with `extra` ones at the end.
    ///
    /// `None` if one of them contains a NUL byte.
    fn command(&self, extra: &[&str]) -> Option<(CString, Vec<CString>)> {
        let shell = |line| {
            (
                c"/bin/sh".to_owned(),
                vec![c"sh".to_owned(), c"-c".to_owned(), line],
            )
        };
        match &self.form {
            Form::Direct(words) => {
                let mut words = words.clone();
                for word in extra {
                    words.push(CString::new(*word).ok()?);
                }
                Some((words.first()?.clone(), words))
            }
            Form::Shell(line) => {
                let line = extra
                    .iter()
                    .fold(line.clone(), |line, word| line + " " + &quoted(word));
                Some(shell(CString::new(line).ok()?))
            }
            Form::OpenTest(line) => Some(shell(line.clone())),
        }
    }
}

impl fmt::Display for Prepared {
    /// The path, or the command line of the shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Direct(words) => {
                f.write_str(&words.first().map_or("".into(), |word| word.to_string_lossy()))
            }
            Form::Shell(line) => f.write_str(line),
            Form::OpenTest(line) => f.write_str(&line.to_string_lossy()),
        }
    }
}

fn unsafe_permissions(path: &Path, policy: &Policy) -> Result<Option<Warning>, ScriptRefusal> {
    let path = path.to_owned();
    match security::exposures(&path) {
        Ok(exposures) if exposures.is_empty() => Ok(None),
        Ok(exposures) if policy.security => Err(ScriptRefusal::Unsafe { path, exposures }),
        Ok(exposures) => Ok(Some(Warning::Unsafe { path, exposures })),
        Err(error) => Err(ScriptRefusal::Unchecked {
            path,
            reason: error.to_string(),
        }),
    }
}

/// Whoever executes it becomes root, or of root's group.
fn is_set_id_root(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    mode & libc::S_ISUID != 0 && metadata.uid() == 0 || mode & libc::S_ISGID != 0 && metadata.gid() == 0
}

/// Neither ELF nor `#!`: the kernel would refuse it. What cannot be read is left to the kernel to judge.
fn is_interpreted_by_shell(path: &Path) -> bool {
    let mut head = Vec::new();
    match File::open(path).and_then(|file| file.take(4).read_to_end(&mut head)) {
        Ok(_) => !head.starts_with(b"#!") && !head.starts_with(b"\x7fELF"),
        Err(_) => false,
    }
}

/// One word for the shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
