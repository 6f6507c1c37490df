//! Mangled configurations: whatever the bytes, reading ends, soon, without a panic, and the flattened text means what
//! the files mean.
//!
//! Each input is a file of `corpus/config`, or of the parser's samples and `conf-examples`, changed at random:
//! `HOLDFAST_FUZZ_SECONDS` says for how long (default 5), `HOLDFAST_FUZZ_SEED` from which seed. A failure names the
//! seed of its input and prints it.

#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

mod mutate;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use mutate::Chance;
use parser::source::Memory;
use parser::{Options, Reading};

/// What one input may take, in a build without optimisation on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What the process may take at most, in kB: the limits of the reader bound it, not the input.
const MEMORY: u64 = 2 << 20;

#[test]
fn whatever_is_read_ends_and_means_the_same_read_again() {
    let seconds = from_environment("HOLDFAST_FUZZ_SECONDS").unwrap_or(5);
    let first_seed = from_environment("HOLDFAST_FUZZ_SEED").unwrap_or(1);
    let corpus = corpus();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = first_seed;
    while Instant::now() < end || seed < first_seed + 50 {
        let mut chance = Chance::new(seed);
        let input = mutate::mutated(&corpus, &mut chance);
        let started = Instant::now();
        let outcome = panic::catch_unwind(|| read(&input));
        let took = started.elapsed();
        let text = || {
            String::from_utf8_lossy(&input)
                .chars()
                .take(4000)
                .collect::<String>()
        };
        assert!(outcome.is_ok(), "seed {seed}: reading panics:\n{}", text());
        assert!(took < LIMIT, "seed {seed}: reading takes {took:?}:\n{}", text());
        assert!(
            peak() < MEMORY,
            "seed {seed}: reading has taken {} kB:\n{}",
            peak(),
            text()
        );
        if let Ok(reading) = outcome {
            let again = parser::parse_text(&machine(), reading.tree.text()).config;
            assert!(
                again == reading.config,
                "seed {seed}: the flattened text means something else:\n{}\n--- flattened\n{}",
                text(),
                reading.tree.text().chars().take(4000).collect::<String>()
            );
        }
        seed += 1;
    }
    println!("{} inputs, at most {} kB", seed - first_seed, peak());
}

#[test]
fn what_has_no_end_is_refused() {
    let stories = [
        (
            "a sequence of a million lines",
            "~SEQ(i, 1, 100000000) foo $i\n".to_owned(),
        ),
        (
            "sequences within one another",
            "~SEQ(i, 1, 100000) ~SEQ(j, 1, 100000) foo\n".to_owned(),
        ),
        (
            "braces without end",
            format!("~SEQ(i, 1, 1000000) a {}\n", "{".repeat(1000)),
        ),
        (
            "definitions without end",
            "~SEQ(i, 1, 1000) ~SEQ(j, 1, 1000) $A${i}_${j}=x\n$A= \\\n".to_owned() + &"x \\\n".repeat(1000),
        ),
        ("a definition of itself", "$A=${A}\n${A}\n".to_owned()),
        (
            "two definitions of each other",
            "$A=${B}\n$B=${A}\n${A}\n".to_owned(),
        ),
        ("lines of themselves", "$A= \\\n x \\\n ${A}\n${A}\n".to_owned()),
        ("definitions that double", doubling()),
        ("a file that includes itself", "include /fuzz.conf\n".to_owned()),
    ];
    for (story, text) in stories {
        let started = Instant::now();
        let reading = read(text.as_bytes());
        assert!(!reading.report.mistakes.is_empty(), "{story}");
        assert!(started.elapsed() < LIMIT, "{story}: {:?}", started.elapsed());
    }
    for (story, text) in [
        ("blocks within blocks", "vrrp_instance V {\n".repeat(100_000)),
        (
            "blocks within blocks, and their ends",
            "a {\n".repeat(100_000) + &"}\n".repeat(100_000) + "use_pid_dir\n",
        ),
        ("ends of blocks", "}".repeat(1_000_000)),
        ("a line without end", "global_defs ".repeat(1_000_000)),
    ] {
        let started = Instant::now();
        let reading = read(text.as_bytes());
        assert!(
            parser::parse_text(&machine(), reading.tree.text()).config == reading.config,
            "{story}"
        );
        assert!(started.elapsed() < LIMIT, "{story}: {:?}", started.elapsed());
    }
    assert!(peak() < MEMORY, "{} kB", peak());
}

fn doubling() -> String {
    let define = |n: u32| format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1);
    format!("$A0=x\n{}${{A40}}\n", (0..40).map(define).collect::<String>())
}

fn read(text: &[u8]) -> Reading {
    let mut host = machine();
    host.files.insert("/fuzz.conf".into(), text.to_vec());
    parser::read(&host, &["/fuzz.conf"], &Options::default())
}

fn machine() -> Memory {
    Memory::new([("/other.conf", "global_defs {\nrouter_id other\n}\n")])
}

fn corpus() -> Vec<Vec<u8>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "tests/fuzz/corpus/config",
        "conf-examples",
        "parser/tests/samples",
    ];
    let paths: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| files(&repository.join(folder)))
        .collect();
    let corpus: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() > 10, "the corpus is not there");
    corpus
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

fn from_environment(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Most memory that this process has held, in kB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
