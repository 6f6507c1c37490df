//! The stories, and what they share.

mod clocks;
mod daemons;
mod ipvs;
mod links;
mod lvs;
mod places;
mod uppers;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread;

use crate::Story;

/// All stories, in the order in which they are played.
pub(crate) fn all() -> Vec<Story> {
    [
        ipvs::stories(),
        links::stories(),
        daemons::stories(),
        lvs::stories(),
        places::stories(),
        clocks::stories(),
        uppers::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Lists the stories of a file: `stories![one, another];`, or `stories![sociable: one, another];`.
macro_rules! stories {
    (sociable: $($name:ident),* $(,)?) => { stories![@ true $($name)*]; };
    (@ $sociable:literal $($name:ident)*) => {
        pub(crate) fn stories() -> Vec<$crate::Story> {
            let file = module_path!().rsplit_once("stories::").map_or("", |(_, file)| file);
            let all: Vec<(&str, fn())> = vec![$((stringify!($name), $name)),*];
            all.into_iter()
                .map(|(name, play)| $crate::Story {
                    name: format!("{file}::{name}").leak(),
                    play,
                    sociable: $sociable,
                })
                .collect()
        }
    };
    ($($name:ident),* $(,)?) => { stories![@ false $($name)*]; };
}
use stories;

/// What the command prints; it must succeed. Words are separated by blanks.
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_ascii_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs async work to its end.
pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Somebody must: a daemon whose words nobody takes writes them to the console, which is slow here.
pub(crate) fn listen_to_the_log() {
    // An earlier story's.
    let _ = fs::remove_file("/dev/log");
    let log = UnixDatagram::bind("/dev/log").unwrap();
    thread::spawn(move || while log.recv(&mut [0; 2048]).is_ok() {});
}
