//! The network namespace in which something is: the process's own, or another one (`net_namespace_ipvs`).
//!
//! Absent: which; the supervisor opens it, so that it is the same one for as long as the daemon runs.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use netlink::namespace::{Error, Resident};
use tokio::runtime::Handle;

/// A way to open sockets and files of a network namespace. The default is the process's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetPlace(Option<Arc<Resident>>);

impl NetPlace {
    /// In this namespace, if one is given. That takes `CAP_SYS_ADMIN`; what is opened later does not.
    pub(crate) fn enter(namespace: Option<OwnedFd>) -> Result<Self, Error> {
        let resident = namespace.map(Resident::enter).transpose()?;
        Ok(Self(resident.map(Arc::new)))
    }

    /// Runs `open` there, on a thread that belongs to the current runtime, and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        open: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Some(resident) = &self.0 else {
            return Ok(open());
        };
        let runtime = Handle::current();
        resident.run(move || {
            let _runtime = runtime.enter();
            open()
        })
    }
}
