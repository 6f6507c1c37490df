//! Equal values in one allocation: thousands of real servers say the same.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Values that many blocks have in common.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized> {
    known: HashSet<Arc<T>>,
    /// The next value is mostly the one before again.
    last: Option<Arc<T>>,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            last: None,
        }
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    /// The one allocation of a value.
    pub(super) fn get(&mut self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == *value.borrow()) {
            return Arc::clone(last);
        }
        let one = self.known.get(value.borrow()).cloned().unwrap_or_else(|| {
            let new = value.into();
            self.known.insert(Arc::clone(&new));
            new
        });
        self.last = Some(Arc::clone(&one));
        one
    }
}
