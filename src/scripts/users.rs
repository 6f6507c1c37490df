//! Who a script runs as: the names and numbers of the configuration, looked up in the machine's user database.

use std::ffi::CString;
use std::fmt;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};
use parser::config::RunAs;

use crate::sys::exec::Credentials;

/// The user that scripts run as where the configuration names none, if it exists.
pub const DEFAULT_USER: &str = "keepalived_script";

/// A user to run scripts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Ids and supplementary groups. The list is empty unless the configuration asks for the user's groups.
    pub(crate) credentials: Credentials,
    /// It is what the daemon is already and, not being root, cannot but be: nothing is to be switched.
    pub(crate) unchanged: bool,
}

/// Why there is no user to run a script as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such user.
    #[error("Script user '{0}' does not exist: create it, or name another user")]
    UnknownUser(String),
    /// No such group.
    #[error("Script group '{0}' does not exist: create it, or name another group")]
    UnknownGroup(String),
    /// A number without an entry in the user database has no primary group.
    #[error(
        "Script user '{0}' is not in the user database, so its group is unknown: write the group after it"
    )]
    NoPrimaryGroup(String),
    /// `enable_script_security` forbids to fall back to the daemon's own user.
    #[error(
        "Unable to set default user {DEFAULT_USER} for script: with enable_script_security a script does not run as \
         the daemon's own user unless told to; create the user {DEFAULT_USER}, or write script_user"
    )]
    NoDefault,
    /// The user database could not be asked.
    #[error("Script user or group '{name}' could not be looked up: {errno}")]
    Lookup {
        /// What was asked for.
        name: String,
        /// Why.
        errno: Errno,
    },
}

impl Identity {
    /// The user and group as written, names first: a name made of digits is still a name.
    pub fn look_up(run_as: &RunAs) -> Result<Self, UserError> {
        let user = find_user(&run_as.user)?;
        let gid = match (&run_as.group, &user) {
            (Some(group), _) => find_group(group)?,
            (None, Found::Entry(user)) => user.gid,
            (None, Found::Number(_)) => return Err(UserError::NoPrimaryGroup(run_as.user.clone())),
        };
        let groups = match &user {
            Found::Entry(user) if run_as.supplementary_groups => supplementary_groups(user, gid)?,
            _ => Vec::new(),
        };
        let uid = match user {
            Found::Entry(user) => user.uid,
            Found::Number(number) => Uid::from_raw(number),
        };
        Ok(Self::new(uid, gid, groups))
    }

    /// What a script runs as that names no user while there is no `script_user`.
    pub fn default_user(security: bool) -> Result<Self, UserError> {
        match user_by_name(DEFAULT_USER)? {
            Some(user) => Ok(Self::new(user.uid, user.gid, Vec::new())),
            None if security => Err(UserError::NoDefault),
            None => Ok(Self::new(geteuid(), getegid(), Vec::new())),
        }
    }

    /// Whether what it runs could do to the machine what root can.
    pub fn is_root(&self) -> bool {
        self.credentials.uid == 0 || self.credentials.gid == 0
    }

    fn new(uid: Uid, gid: Gid, groups: Vec<Gid>) -> Self {
        let ours = geteuid();
        Self {
            unchanged: !ours.is_root() && uid == ours && gid == getegid() && groups.is_empty(),
            credentials: Credentials {
                uid: uid.as_raw(),
                gid: gid.as_raw(),
                groups: groups.into_iter().map(Gid::as_raw).collect(),
            },
        }
    }
}

impl fmt::Display for Identity {
    /// `uid:gid`, as keepalived shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.credentials.uid, self.credentials.gid)
    }
}

enum Found {
    Entry(User),
    Number(u32),
}

fn find_user(name: &str) -> Result<Found, UserError> {
    if let Some(user) = user_by_name(name)? {
        return Ok(Found::Entry(user));
    }
    let number: u32 = name
        .parse()
        .map_err(|_| UserError::UnknownUser(name.to_owned()))?;
    match User::from_uid(Uid::from_raw(number)) {
        Ok(Some(user)) => Ok(Found::Entry(user)),
        Ok(None) => Ok(Found::Number(number)),
        Err(errno) => Err(UserError::Lookup {
            name: name.to_owned(),
            errno,
        }),
    }
}

fn find_group(name: &str) -> Result<Gid, UserError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => match name.parse() {
            Ok(number) => Ok(Gid::from_raw(number)),
            Err(_) => Err(UserError::UnknownGroup(name.to_owned())),
        },
        Err(errno) => Err(UserError::Lookup {
            name: name.to_owned(),
            errno,
        }),
    }
}

fn user_by_name(name: &str) -> Result<Option<User>, UserError> {
    User::from_name(name).map_err(|errno| UserError::Lookup {
        name: name.to_owned(),
        errno,
    })
}

fn supplementary_groups(user: &User, gid: Gid) -> Result<Vec<Gid>, UserError> {
    let lookup = |errno| UserError::Lookup {
        name: user.name.clone(),
        errno,
    };
    let name = CString::new(user.name.as_str()).map_err(|_| lookup(Errno::EINVAL))?;
    getgrouplist(&name, gid).map_err(lookup)
}
