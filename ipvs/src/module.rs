//! Having the kernel load the module `ip_vs`.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

/// Where the kernel names the program that loads modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";

/// The module could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The kernel's setting is empty.
    #[error("loading modules is switched off ({LOADER} is empty)")]
    Off,
    /// The program that loads modules does not start.
    #[error("cannot run {program}: {source}")]
    Loader {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It says no: the kernel has no such module, or loading is forbidden.
    #[error("{program} ip_vs: {words}")]
    Refused {
        /// The program.
        program: String,
        /// What it says.
        words: String,
    },
}

/// Loads the module with the program that the kernel itself would call; waits for it.
pub(crate) fn load() -> Result<(), ModuleError> {
    let program =
        fs::read_to_string(LOADER).map_or("/sbin/modprobe".to_owned(), |path| path.trim().to_owned());
    if program.is_empty() {
        return Err(ModuleError::Off);
    }
    let output = Command::new(&program).arg("ip_vs").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(ModuleError::Refused {
            program,
            words: match String::from_utf8_lossy(&output.stderr).trim() {
                "" => output.status.to_string(),
                words => words.to_owned(),
            },
        }),
        Err(source) => Err(ModuleError::Loader { program, source }),
    }
}
