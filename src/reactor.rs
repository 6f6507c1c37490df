//! Descriptors that join the runtime when first waited for, so that they can be made, and used, before one exists.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A non-blocking descriptor, registered with the runtime at its first wait.
pub struct Watched {
    descriptor: Arc<OwnedFd>,
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Watched {
    /// Keeps `descriptor`, which must be non-blocking.
    pub fn new(descriptor: OwnedFd) -> Watched {
        Watched {
            descriptor: Arc::new(descriptor),
            registered: None,
        }
    }

    /// Waits until `read` answers anything but `WouldBlock`. Cancelling the wait loses nothing.
    pub async fn ready<R>(&mut self, read: impl Fn(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        let registered = match &mut self.registered {
            Some(registered) => registered,
            none => none.insert(sys::watch(Arc::clone(&self.descriptor))?),
        };
        registered
            .async_io(Interest::READABLE, |descriptor| read(descriptor.as_fd()))
            .await
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
