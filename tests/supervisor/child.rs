//! The child of the stories. It tells what it lives through in log lines, and does what its instance is called.

use std::process::{Command, ExitCode};

use holdfast::child::{Child, Order, Role};
use holdfast::message::{BEAT_INTERVAL, BfdReport};

macro_rules! tell {
    ($($words:tt)*) => { tracing::info!(target: "holdfast", $($words)*) };
}

pub(crate) fn work(child: Child) -> ExitCode {
    match child.role {
        Role::Vrrp | Role::Checkers => behave(child),
        Role::Bfd => report(child),
    }
}

/// The BFD process of the stories: its one session is up from the start; `SIGUSR1` takes it down.
fn report(mut child: Child) -> ExitCode {
    let tell = |child: &Child, up| {
        child.tell_bfd(BfdReport {
            session: "b1".to_owned(),
            up,
        });
    };
    tell(&child, true);
    child.ready();
    runtime().block_on(async {
        let mut beats = tokio::time::interval(BEAT_INTERVAL);
        loop {
            tokio::select! {
                _ = beats.tick() => child.beat(),
                order = child.next_order() => match order {
                    Order::Data => tell(&child, false),
                    Order::Reload(_) => child.reloaded(),
                    Order::Stop => break tell!("BFD child stops"),
                    order => tell!("BFD child is ordered {order:?}"),
                },
            }
        }
    });
    tell(&child, false); // as a session that goes with its process
    child.stopped();
    ExitCode::SUCCESS
}

fn behave(mut child: Child) -> ExitCode {
    let behaviour = instance(&child.take_config_text());
    let found = child.saved_state();
    child.save_state(&format!("left by {}", std::process::id()));
    tell!("child {behaviour} finds '{found}'");
    if let Some(variable) = ["HOLDFAST_CHILD", "NOTIFY_SOCKET", "WATCHDOG_USEC"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some())
    {
        tell!("child has {variable} in its environment");
    }
    if behaviour == "PARENT" && found.is_empty() {
        leave_a_process_behind();
    }
    if let Some(status) = behaviour.strip_prefix("EXIT_") {
        return ExitCode::from(status.parse::<u8>().unwrap_or(99));
    }
    assert_ne!(behaviour, "PANIC", "the child's last words");
    runtime().block_on(obey(&mut child, &behaviour));
    child.stopped();
    ExitCode::SUCCESS
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn obey(child: &mut Child, behaviour: &str) {
    child.ready();
    let mut thoughtful = false; // confirms a reload when reminded
    let mut beats = tokio::time::interval(BEAT_INTERVAL);
    loop {
        tokio::select! {
            _ = beats.tick() => child.beat(),
            order = child.next_order() => match order {
                Order::Stop if behaviour == "STUBBORN" => tokio::time::sleep(BEAT_INTERVAL).await,
                Order::Stop => return tell!("child stops"),
                Order::Reload(text) => {
                    tell!("child reloads {}", instance(&text));
                    thoughtful = instance(&text) == "THOUGHTFUL";
                    if !thoughtful {
                        child.reloaded();
                    }
                }
                Order::Bfd(report) => tell!("{} child hears {} {}", child.role, report.session, report.up),
                Order::Data if thoughtful => child.reloaded(),
                Order::Data if behaviour == "ENDLESS" => loop {
                    std::hint::spin_loop();
                },
                order => tell!("child is ordered {order:?}"),
            },
        }
    }
}

#[expect(clippy::zombie_processes, reason = "the story is about who waits for it then")]
fn leave_a_process_behind() {
    let orphan = Command::new("sleep").arg("60").spawn().unwrap();
    tell!("child has a child {}", orphan.id());
}

fn instance(text: &str) -> String {
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "vrrp_instance");
    words.nth(1).unwrap_or("NOTHING").to_owned()
}
