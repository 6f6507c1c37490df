//! `config_save_dir`: a copy of each configuration that came into force, for whoever looks into a series of reloads.
//!
//! The names are keepalived's. Absent: the states around a reload, which it dumps there too.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::dump::Writer;
use crate::supervisor::configuration::Usable;

/// How many were made since the daemon began.
#[derive(Debug, Default)]
pub(super) struct Copies(u32);

impl Copies {
    /// Makes one more, where that is wished. What goes wrong is told in the log.
    pub(super) fn make(&mut self, configuration: &Usable, writer: &mut Writer) {
        let Some(directory) = configuration.global.config_save_dir.as_deref() else {
            return;
        };
        let directory = Path::new(directory);
        if let Err(error) = provide(directory) {
            tracing::error!("config_save_dir {}: {error}", directory.display());
            return;
        }
        let name = format!("keepalived.conf.{}.{}", std::process::id(), self.0);
        let text = configuration.text.clone();
        writer.write(directory.join(name), move || text);
        self.0 += 1;
    }
}

/// The directory above it must be there.
fn provide(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        // Whatever the umask.
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o700)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
