//! The control socket: what it is called, what can be asked over it, and how. The protocol is in `docs/control.md`.
//!
//! Absent: what an answer is made of, which is the supervisor's and its children's.

pub mod client;
pub mod commands;
pub(crate) mod plan;
pub mod server;
pub(crate) mod status;
mod table;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Version of the protocol. What is added to answers does not change it; what is taken away or comes to mean something
/// else does.
pub const VERSION: u64 = 1;

/// The longest request, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// What can be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// How everything stands.
    Status,
    /// What happens from now on, line by line.
    Events,
    /// Take up the configuration files anew; the answer comes when they are in force, or refused.
    Reload,
    /// What a reload would change.
    Plan {
        /// The file to read instead of the daemon's own.
        file: Option<String>,
    },
}

/// Why a line is no request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// No JSON object.
    #[error("a request is a line with a JSON object")]
    Form,
    /// Another version of the protocol, or none.
    #[error("the request must say \"version\": {VERSION}")]
    Version,
    /// No such request.
    #[error("no such request; there are status, events, reload and plan")]
    Kind,
    /// `file` is not an absolute path.
    #[error("\"file\" must be an absolute path")]
    File,
}

impl Request {
    /// Reads a line.
    pub fn parse(line: &[u8]) -> Result<Self, RequestError> {
        let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
            return Err(RequestError::Form);
        };
        if object.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(RequestError::Version);
        }
        match object.get("request").and_then(Value::as_str) {
            Some("status") => Ok(Request::Status),
            Some("events") => Ok(Request::Events),
            Some("reload") => Ok(Request::Reload),
            Some("plan") => match object.get("file") {
                None | Some(Value::Null) => Ok(Request::Plan { file: None }),
                Some(Value::String(path)) if path.starts_with('/') => Ok(Request::Plan {
                    file: Some(path.clone()),
                }),
                Some(_) => Err(RequestError::File),
            },
            _ => Err(RequestError::Kind),
        }
    }

    /// Writes it as a line.
    pub fn line(&self) -> String {
        let mut object = serde_json::json!({ "version": VERSION });
        object["request"] = match self {
            Request::Status => "status",
            Request::Events => "events",
            Request::Reload => "reload",
            Request::Plan { .. } => "plan",
        }
        .into();
        if let Request::Plan { file: Some(file) } = self {
            object["file"] = file.as_str().into();
        }
        format!("{object}\n")
    }
}

/// The socket of the daemon with this pid file: beside it, `holdfast` in the name where that has `keepalived`.
pub fn socket_path(pid_file: &Path) -> PathBuf {
    let stem = pid_file.file_stem().unwrap_or_default().to_string_lossy();
    pid_file.with_file_name(format!("{}.sock", stem.replacen("keepalived", "holdfast", 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_request_is_read_as_it_was_written() {
        let file = Some("/etc/a \"b\".conf".to_owned());
        let plans = [Request::Plan { file: None }, Request::Plan { file }];
        for request in [Request::Status, Request::Events, Request::Reload]
            .into_iter()
            .chain(plans)
        {
            assert_eq!(Request::parse(request.line().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        for (line, error) in [
            ("", RequestError::Form),
            ("[1]", RequestError::Form),
            ("{\"request\":\"status\"}", RequestError::Version),
            ("{\"version\":2,\"request\":\"status\"}", RequestError::Version),
            ("{\"version\":1,\"request\":\"stop\"}", RequestError::Kind),
            (
                "{\"version\":1,\"request\":\"plan\",\"file\":\"a\"}",
                RequestError::File,
            ),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Err(error));
        }
    }

    #[test]
    fn the_socket_is_beside_the_pid_file() {
        for (pid_file, socket) in [
            ("/run/keepalived.pid", "/run/holdfast.sock"),
            (
                "/run/keepalived/keepalived_two.pid",
                "/run/keepalived/holdfast_two.sock",
            ),
            ("/tmp/x/mine", "/tmp/x/mine.sock"),
        ] {
            assert_eq!(socket_path(Path::new(pid_file)), Path::new(socket));
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_nothing_else_happens(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(request) = Request::parse(&line) {
                prop_assert_eq!(Request::parse(request.line().as_bytes()), Ok(request));
            }
        }
    }
}
