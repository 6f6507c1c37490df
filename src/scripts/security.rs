//! Who else could change what a root script is: owner and mode of every directory, link and file on its way.
//!
//! keepalived looks at the written path and at the resolved one, and calls a link a wrong file type. Here the path is
//! walked as the kernel walks it, through every link, so links are as good as the directories they stand in, and a
//! directory that only an intermediate link leads through is looked at too.

use std::ffi::OsString;
use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// Looks at a script once more when it is run: with `enable_script_security`, what could be changed since the configuration was read is
/// not run as root.
///
/// The way is walked downwards, and the file itself is looked at where it is open. What stands in a directory that only root can
/// change is replaced by root alone, so between this look and the execution nobody else can lay something else there; and the path can
/// be executed as it is written, which scripts that look at their own name rely on.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    path: PathBuf,
    /// It runs as root. Another one is looked at only if the file makes itself root.
    as_root: bool,
}

/// Why a script is not run now that was fit to be run before.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Someone other than root can change it.
    Exposed(Vec<Exposure>),
    /// It cannot be looked at: the execution will tell why.
    Unknown,
}

impl Guard {
    pub(super) fn new(path: &Path, as_root: bool) -> Self {
        Self {
            path: path.to_owned(),
            as_root,
        }
    }

    /// Looks.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let unknown = |_| Unfit::Unknown;
        let file = OpenOptions::new()
            .read(true) // O_PATH: only to be looked at
            .custom_flags(libc::O_PATH)
            .open(&self.path)
            .map_err(unknown)?;
        let opened = file.metadata().map_err(unknown)?;
        if !self.as_root && !super::is_set_id_root(&opened) {
            return Ok(());
        }
        let mut exposures = exposures(&self.path).map_err(unknown)?;
        // What is open may be another file than the one at the end of the way, if somebody is at it right now.
        let flaw = exposure(self.path.clone(), &opened);
        exposures.extend(flaw.filter(|_| exposures.is_empty()));
        if exposures.is_empty() {
            Ok(())
        } else {
            Err(Unfit::Exposed(exposures))
        }
    }
}

/// Something on the way to a script that someone other than root can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The component.
    pub path: PathBuf,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
}

/// Why a component can be changed by someone other than root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It belongs to someone else, who can do with it what he likes.
    Owner,
    /// Everyone may write it.
    WorldWritable,
    /// A group other than root's may write it.
    GroupWritable,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let (what, fix) = match self.flaw {
            Flaw::Owner => ("does not belong to root", "chown -h root"),
            Flaw::WorldWritable => ("can be written by everyone", "chmod o-w"),
            Flaw::GroupWritable => ("can be written by its group", "chmod g-w"),
        };
        let (uid, gid, mode) = (self.uid, self.gid, self.mode);
        write!(
            f,
            "'{path}' {what} (owner {uid}:{gid}, mode {mode:04o}; fix: {fix} '{path}')"
        )
    }
}

/// Everything on the way to `path` that someone other than root can change, in the order in which it is met.
///
/// A relative path starts at the working directory.
pub fn exposures(path: &Path) -> io::Result<Vec<Exposure>> {
    let mut exposures = Vec::new();
    for component in way_to(path)? {
        let data = component.symlink_metadata()?;
        exposures.extend(exposure(component, &data));
    }
    Ok(exposures)
}

fn exposure(path: PathBuf, data: &Metadata) -> Option<Exposure> {
    let kind = match data.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::File,
    };
    let (uid, gid, mode) = (data.uid(), data.gid(), data.mode() & 0o7777);
    judge(kind, uid, gid, mode).map(|flaw| Exposure {
        path,
        flaw,
        uid,
        gid,
        mode,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    Link,
    File,
}

fn judge(kind: Kind, uid: u32, gid: u32, mode: u32) -> Option<Flaw> {
    const STICKY: u32 = 0o1000;
    if uid != 0 {
        return Some(Flaw::Owner);
    }
    match kind {
        Kind::Link => None,                            // the mode of a link means nothing
        Kind::Directory if mode & STICKY != 0 => None, // only the owner can replace what stands in it
        _ if mode & 0o002 != 0 => Some(Flaw::WorldWritable),
        _ if mode & 0o020 != 0 && gid != 0 => Some(Flaw::GroupWritable),
        _ => None,
    }
}

/// Every directory, link and file that the kernel looks at on its way to `path`, once each, from `/` on.
fn way_to(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut ahead = backwards(&std::path::absolute(path)?);
    let mut here = PathBuf::new();
    let mut way = Vec::new();
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        if step == ".." {
            here.pop();
            continue;
        }
        here.push(step); // `/` starts over
        if !way.contains(&here) {
            way.push(here.clone());
        }
        if here.is_symlink() {
            links += 1;
            if links > LINKS_AT_MOST {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            ahead.extend(backwards(&here.read_link()?));
            here.pop();
        }
    }
    Ok(way)
}

/// As the kernel's own limit (`path_resolution(7)`).
const LINKS_AT_MOST: u32 = 40;

fn backwards(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|component| *component != Component::CurDir)
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn owner_and_mode_decide_as_keepalived_documents() {
        use Flaw::{GroupWritable, Owner, WorldWritable};
        use Kind::{Directory, File, Link};
        let table = [
            (Directory, 0, 0, 0o755, None),
            (Directory, 0, 0, 0o775, None), // group root may write
            (Directory, 0, 50, 0o775, Some(GroupWritable)),
            (Directory, 0, 50, 0o755, None),
            (Directory, 0, 0, 0o777, Some(WorldWritable)),
            (Directory, 0, 0, 0o1777, None), // sticky: /tmp
            (Directory, 0, 50, 0o1770, None),
            (Directory, 1000, 0, 0o1777, Some(Owner)),
            (Directory, 1000, 1000, 0o700, Some(Owner)),
            (File, 0, 0, 0o755, None),
            (File, 0, 0, 0o775, None),
            (File, 0, 50, 0o770, Some(GroupWritable)),
            (File, 0, 0, 0o757, Some(WorldWritable)),
            (File, 0, 0, 0o1757, Some(WorldWritable)), // sticky means nothing on a file
            (File, 65534, 0, 0o555, Some(Owner)),
            (Link, 0, 0, 0o777, None),
            (Link, 1000, 0, 0o777, Some(Owner)),
        ];
        for (kind, uid, gid, mode, flaw) in table {
            assert_eq!(
                judge(kind, uid, gid, mode),
                flaw,
                "uid {uid} gid {gid} mode {mode:o}"
            );
        }
    }

    #[test]
    fn the_way_goes_through_every_link() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/bin")).unwrap();
        std::fs::create_dir(root.join("middle")).unwrap();
        std::fs::write(root.join("real/bin/script"), "").unwrap();
        symlink("../real/bin", root.join("middle/bin")).unwrap();
        symlink(root.join("middle/bin"), root.join("bin")).unwrap();
        let way = way_to(&root.join("bin/./script")).unwrap();
        let below: Vec<_> = way
            .iter()
            .filter_map(|path| path.strip_prefix(&root).ok())
            .collect();
        let expected = [
            "",
            "bin",
            "middle",
            "middle/bin",
            "real",
            "real/bin",
            "real/bin/script",
        ]
        .map(Path::new);
        assert_eq!(below, expected);
    }

    #[test]
    fn links_that_go_in_circles_end() {
        let directory = tempfile::tempdir().unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        let error = way_to(&directory.path().join("a")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn an_exposure_names_component_owner_mode_and_fix() {
        let exposure = Exposure {
            path: "/srv/ha".into(),
            flaw: Flaw::GroupWritable,
            uid: 0,
            gid: 50,
            mode: 0o2775,
        };
        assert_eq!(
            exposure.to_string(),
            "'/srv/ha' can be written by its group (owner 0:50, mode 2775; fix: chmod g-w '/srv/ha')"
        );
    }
}
