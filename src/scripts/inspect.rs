//! Preparing all scripts of a configuration, saying what is wrong with them, and what that means for the daemon.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parser::config::{RunAs, Script};
use tracing::{error, warn};

use super::{FileError, Identity, Policy, Prepared, ScriptRefusal, UserError, Warning, prepare};

/// Prepares the scripts of a configuration one by one; each distinct script is looked at, and complained about, once.
pub struct Inspector {
    policy: Policy,
    known: HashMap<Key, Result<Arc<Prepared>, ScriptRefusal>>,
    /// Scripts that were refused; each was said in the log.
    pub refused: usize,
}

type Key = (String, Option<(String, Option<String>, bool)>);

impl Inspector {
    /// Nothing prepared yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            known: HashMap::new(),
            refused: 0,
        }
    }

    /// The script, ready to run; `None` if it is refused, which is said in the log after `what` it was to be
    /// (`track script chk`, `(VI_1) notify_master script`).
    pub fn admit(&mut self, what: &str, script: &Script) -> Option<Arc<Prepared>> {
        let (prepared, is_new) = self.judge(script);
        match &prepared {
            Ok(prepared) if is_new => {
                for warning in &prepared.warnings {
                    warn!("{warning}");
                }
            }
            Err(refusal) if is_new => {
                warn!("{refusal}");
                warn!("Disabling {what} {}", reason(refusal));
                self.refused += 1;
            }
            Ok(_) | Err(_) => {}
        }
        prepared.ok()
    }

    /// The script, ready to run, or why it is refused, and whether it is looked at for the first time. Says nothing.
    pub fn judge(&mut self, script: &Script) -> (Result<Arc<Prepared>, ScriptRefusal>, bool) {
        let run_as = |run_as: &RunAs| {
            (
                run_as.user.clone(),
                run_as.group.clone(),
                run_as.supplementary_groups,
            )
        };
        match self
            .known
            .entry((script.text.clone(), script.run_as.as_ref().map(run_as)))
        {
            Entry::Occupied(known) => (known.get().clone(), false),
            Entry::Vacant(place) => {
                let prepared = prepare(script, &self.policy).map(Arc::new);
                (place.insert(prepared).clone(), true)
            }
        }
    }

    /// Who a script or a file would belong to that names this user, or none.
    pub fn identity(&self, run_as: Option<&RunAs>) -> Result<Identity, UserError> {
        run_as.map_or_else(|| self.policy.default_user.clone(), Identity::look_up)
    }

    /// What keepalived says when it runs scripts without `enable_script_security`, and what makes its configuration
    /// test end with status 6; `None` if security is on or no script runs.
    pub fn violation(&self) -> Option<&'static str> {
        let mut running = self.known.values().flatten().peekable();
        if self.policy.security || running.peek().is_none() {
            return None;
        }
        let is_unsafe = |warning: &Warning| matches!(warning, Warning::Unsafe { .. });
        Some(if running.any(|script| script.warnings.iter().any(is_unsafe)) {
            "SECURITY VIOLATION - scripts are being executed but script_security not enabled. There are insecure \
             scripts."
        } else {
            "SECURITY VIOLATION - scripts are being executed but script_security not enabled."
        })
    }

    /// Says the violation in the log, once in the life of a process.
    pub fn say_violation(&self) {
        static SAID: AtomicBool = AtomicBool::new(false);
        if let Some(violation) = self.violation()
            && !SAID.swap(true, Ordering::Relaxed)
        {
            error!("{violation}");
        }
    }
}

/// In keepalived's words.
fn reason(refusal: &ScriptRefusal) -> &'static str {
    match refusal {
        ScriptRefusal::User(_) => "since its user is not known",
        ScriptRefusal::File(FileError::NotAFile { .. }) | ScriptRefusal::Unsafe { .. } => "due to insecure",
        ScriptRefusal::File(_) | ScriptRefusal::Unchecked { .. } => "since not found/accessible",
        ScriptRefusal::NulByte(_) => "since it cannot be executed",
    }
}
