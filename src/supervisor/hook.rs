//! `startup_script` and `shutdown_script`: run once, before the first child and after the last. The daemon waits for them.

use std::io;
use std::time::Duration;

use parser::config::{GlobalDefs, Script};
use vrrp::ScriptOutcome;

use crate::scripts::{Inspector, Policy, Runner};

/// Runs `startup_script`, if there is one.
pub(super) fn startup(global: &GlobalDefs) {
    run(
        "startup_script",
        global.startup_script.as_ref(),
        global.startup_script_timeout,
        global,
    );
}

/// Runs `shutdown_script`, if there is one.
pub(super) fn shutdown(global: &GlobalDefs) {
    run(
        "shutdown_script",
        global.shutdown_script.as_ref(),
        global.shutdown_script_timeout,
        global,
    );
}

fn run(keyword: &str, script: Option<&Script>, limit: Duration, global: &GlobalDefs) {
    let Some(script) = script else { return };
    let mut inspector = Inspector::new(Policy::new(global));
    let Some(prepared) = inspector.admit(keyword, script) else {
        return;
    };
    if inspector.violation().is_some() {
        tracing::error!(
            "SECURITY VIOLATION - start/shutdown scripts are being executed but script_security not enabled."
        );
    }
    tracing::info!("Running {keyword} {prepared}");
    let wait = || -> io::Result<ScriptOutcome> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { Ok(Runner::new()?.run(&prepared, &[], limit).await) })
    };
    match wait() {
        // The runner has said why it was not started.
        Ok(ScriptOutcome::Exited(0) | ScriptOutcome::NotStarted(_)) => {}
        Ok(ScriptOutcome::Exited(status)) => {
            tracing::warn!("{keyword} {prepared} exited with status {status}");
        }
        Ok(ScriptOutcome::Signalled(signal)) => {
            tracing::warn!("{keyword} {prepared} ended due to signal {signal}");
        }
        Ok(ScriptOutcome::TimedOut) => {
            let limit = limit.as_secs();
            tracing::warn!("{keyword} {prepared} took longer than {limit} s and was ended");
        }
        Err(error) => tracing::error!("Unable to run {keyword} {prepared}: {error}"),
    }
}
