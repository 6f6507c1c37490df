//! `show`: reading what it writes gives the configuration back, and the text is one a person would write.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

mod common;

use std::path::Path;

use parser::source::Memory;
use parser::{Config, Secrets, parse_text, show};

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
    let file = common::read(&shown);
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
        let reading = common::read(text);
        assert_round_trip(&reading.config, name);
    }
}
