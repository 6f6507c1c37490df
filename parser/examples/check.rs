//! Judges configuration files: `cargo run -p parser --example check -- [--json|--lines|--flat] FILE...`.

use std::process::ExitCode;

use parser::{Machine, Options};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, files): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| argument.starts_with("--"));
    let reading = parser::read(&Machine, &files, &Options::default());
    let text = match options.first() {
        Some(&"--json") => reading.report.json(&reading.sources),
        Some(&"--lines") => {
            let lines = reading
                .report
                .mistakes
                .iter()
                .map(|mistake| mistake.one_line(&reading.sources) + "\n");
            lines.collect()
        }
        Some(&"--flat") => reading.tree.into_text(),
        _ => reading.report.render(&reading.sources, false),
    };
    print!("{text}");
    ExitCode::from(reading.report.exit_status() as u8)
}
