//! What 10,000 real servers, checked every second over TCP, cost the engine: time per check, memory per real server.
//!
//! Nothing is sampled: the figures are of one run on simulated time, and what the shell would do is not in them.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use checkers::{Action, Engine, Event, Instant};

const SERVERS: u32 = 10_000;
const SECONDS: u64 = 20;

fn main() {
    let text = configuration();
    let config = Arc::new(parser::parse_text(&parser::Machine, &text).config);
    drop(text);
    let before = resident();
    let mut now = Instant::default();
    let mut engine = Engine::new(config, "", 1, now);
    let mut checks = 0_u64;
    answer(&mut engine, now, &mut checks);
    let memory = resident().saturating_sub(before);
    let end = now + Duration::from_secs(SECONDS);
    let clock = std::time::Instant::now();
    while let Some(next) = engine.next_deadline().filter(|next| *next <= end) {
        now = next;
        engine.handle_timeout(now);
        answer(&mut engine, now, &mut checks);
    }
    let spent = clock.elapsed();
    let each = spent.as_nanos() / u128::from(checks.max(1));
    println!("{checks} checks of {SERVERS} real servers in {spent:.2?}: {each} ns each");
    println!(
        "the engine's memory: {} bytes a real server",
        memory / u64::from(SERVERS)
    );
}

/// Servers that open at once; actions are dropped as the shell would drop them.
fn answer(engine: &mut Engine, now: Instant, checks: &mut u64) {
    while let Some(action) = engine.next_action() {
        if let Action::Open(opening) = action {
            *checks += 1;
            engine.handle(Event::Opened(opening.conversation), now);
        }
    }
}

fn configuration() -> String {
    let mut text =
        "virtual_server 10.0.0.1 80 {\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n delay_loop 1\n"
            .to_owned();
    for number in 0..SERVERS {
        let (high, low) = (number / 250, number % 250 + 1);
        writeln!(
            text,
            " real_server 10.1.{high}.{low} 80 {{\n TCP_CHECK {{\n }}\n }}"
        )
        .unwrap();
    }
    text + "}\n"
}

/// Bytes of memory that the process has in use.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
