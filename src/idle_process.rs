//! The process of a role whose work is not written yet: it lives, obeys and does nothing.

use std::process::ExitCode;

use crate::child::{Child, Order};
use crate::message::BEAT_INTERVAL;

/// Runs until the supervisor says stop; answers with the exit status.
pub fn run(mut child: Child) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(obey(&mut child)),
        Err(error) => {
            tracing::error!("cannot start the {} process: {error}", child.role);
            return ExitCode::FAILURE;
        }
    }
    child.stopped();
    ExitCode::SUCCESS
}

async fn obey(child: &mut Child) {
    child.ready();
    let mut beat = tokio::time::interval(BEAT_INTERVAL);
    loop {
        tokio::select! {
            _ = beat.tick() => child.beat(),
            order = child.next_order() => match order {
                Order::Stop => return,
                Order::Reload(_) => child.reloaded(),
                Order::Status => child.tell_status("null"),
                Order::Data | Order::Stats | Order::StatsClear | Order::Json | Order::Bfd(_) => {}
            },
        }
    }
}
