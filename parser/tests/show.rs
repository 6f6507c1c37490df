//! `show`: reading what it writes gives the configuration back, and the text is one a person would write.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

use std::path::Path;

use parser::source::Memory;
use parser::{Config, Options, Reading, Secrets, parse_text, show};
use proptest::prelude::*;

fn read(text: &str) -> Reading {
    parser::read(
        &Memory::new([("/k.conf", text)]),
        &["k.conf"],
        &Options::default(),
    )
}

/// The configuration without the places of its blocks, which a rewritten file has elsewhere.
fn without_places(config: &Config) -> String {
    let text = format!("{config:#?}");
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.trim_end().ends_with("place: Place {");
        if !inside {
            lines.push(line);
        }
        inside &= line.trim() != "},";
    }
    lines.join("\n")
}

/// Reads what is shown of a configuration, as a message between processes and as a file.
fn assert_round_trip(config: &Config, what: &str) {
    let shown = show(config, Secrets::Shown);
    let again = parse_text(&Memory::new([]), &shown);
    assert_eq!(
        without_places(&again.config),
        without_places(config),
        "{what}\n{shown}"
    );
    // Secrets have no `Debug`, but they are in the text.
    assert_eq!(show(&again.config, Secrets::Shown), shown, "{what}");
    let file = read(&shown);
    assert_eq!(show(&file.config, Secrets::Shown), shown, "{what}");

    let masked = show(config, Secrets::Masked);
    let again = parse_text(&Memory::new([]), &masked);
    assert_eq!(show(&again.config, Secrets::Masked), masked, "{what}");
}

/// Every file below a folder that ends like this.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
    found
}

#[test]
fn every_example_comes_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = files(&root.join("../conf-examples"), ".conf");
    assert!(examples.len() > 5, "where are the examples?");
    for (name, text) in examples.iter().chain(&files(&root.join("tests"), ".conf")) {
        let reading = read(text);
        assert_round_trip(&reading.config, name);
    }
}

/// Lines that may stand in a `vrrp_instance`, from the table of keywords.
fn instance_lines() -> Vec<String> {
    let rows = include_str!("keywords.tsv")
        .lines()
        .map(|row| row.split('\t').collect::<Vec<_>>());
    let lines = rows.filter_map(|row| match row[..] {
        ["vrrp_instance", keyword, value, ..] => Some(format!("{keyword} {value}")),
        _ => None,
    });
    lines.collect()
}

proptest! {
    #[test]
    fn generated_instances_come_back(
        lines in prop::collection::vec(prop::sample::select(instance_lines()), 0..12),
        script in "[ -~]{1,20}",
        word in "[!#-~]{1,8}",
    ) {
        let script = script.replace(['"', '\'', '\\', '$', '{', '}'], "x");
        let text = format!(
            "global_defs {{\nrouter_id \"{word}\"\nstartup_script \"/x {script}\" a :b\n}}\n\
             vrrp_instance V {{\ninterface e\nvirtual_router_id 5\nnotify '{script} \\x22'\n{}\n}}\n",
            lines.join("\n")
        );
        // As a message, where `#` and `$` are nothing special.
        let reading = parse_text(&Memory::new([]), &text);
        assert_round_trip(&reading.config, &text);
    }
}

#[test]
fn the_pair_s_master_reads_like_this() {
    let text = include_str!("../../conf-examples/pair/node1.conf");
    let shown = show(&read(text).config, Secrets::Masked);
    let instance = shown
        .split("\n\n")
        .find(|block| block.starts_with("vrrp_instance"))
        .unwrap();
    assert_eq!(
        instance.trim_end(),
        include_str!("shown_instance.conf").trim_end()
    );
    assert!(!shown.contains("1111"), "{shown}");
}
