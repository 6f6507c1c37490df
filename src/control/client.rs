//! Asking a running daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::control::Request;

/// Longer than a reload may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing serves the socket.
    #[error("no daemon answers at {}: is holdfast running? ({error})", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The socket is not for this user.
    #[error("permission denied for {}: ask as root", .0.display())]
    Permission(PathBuf),
    /// The conversation broke off.
    #[error("the daemon at {} ended the conversation: {error}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The daemon answered that it cannot.
    #[error("{text}")]
    Refused {
        /// Its words.
        text: String,
        /// The whole answer.
        answer: Value,
    },
}

/// A conversation.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Calls the daemon with this socket.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let path = path.to_owned();
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Client {
                path,
                stream: BufReader::new(stream),
            }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(ClientError::Permission(path))
            }
            Err(error) => Err(ClientError::NoDaemon { path, error }),
        }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Value, ClientError> {
        let asked = self
            .stream
            .get_ref()
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| self.stream.get_mut().write_all(request.line().as_bytes()));
        asked.map_err(|error| self.broken(error))?;
        let answer = self.next()?;
        if answer["reply"] == "error" {
            let text = answer["error"]
                .as_str()
                .unwrap_or("the daemon cannot do it")
                .to_owned();
            return Err(ClientError::Refused { text, answer });
        }
        Ok(answer)
    }

    /// Waits for events, however long it takes, after [`Request::Events`].
    pub fn next_event(&mut self) -> Result<Value, ClientError> {
        let set = self.stream.get_ref().set_read_timeout(None);
        set.map_err(|error| self.broken(error))?;
        self.next()
    }

    fn next(&mut self) -> Result<Value, ClientError> {
        let mut line = String::new();
        let read = match self.stream.read_line(&mut line) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        let parsed = read.and_then(|_| serde_json::from_str(&line).map_err(io::Error::from));
        parsed.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: io::Error) -> ClientError {
        ClientError::Broken {
            path: self.path.clone(),
            error,
        }
    }
}
