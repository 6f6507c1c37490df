//! Reports of broken configurations, word by word. After a wanted change: `UPDATE_GOLDEN=1 cargo test -p parser --test
//! golden`, and read the difference as the person who will get it.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

use std::path::{Path, PathBuf};

use parser::source::{FileKind, Memory};
use parser::{Options, Reading};

#[test]
fn reports_read_as_written_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut host = Memory::new([]);
    load(&folder, Path::new("/"), &mut host);
    host.kinds.insert(PathBuf::from("/d"), FileKind::Directory);
    let names: Vec<String> = host
        .files
        .keys()
        .filter_map(|path| path.to_str()?.strip_prefix('/'))
        .map(str::to_owned)
        .collect();
    for name in names.iter().filter(|name| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "conf")
    }) {
        let reading = parser::read(&host, &[name], &Options::default());
        let golden = folder.join(name).with_extension("report");
        let report = text(&reading);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, report).unwrap();
        } else {
            assert_eq!(
                std::fs::read_to_string(&golden).unwrap_or_default(),
                report,
                "{name}"
            );
        }
    }
}

/// What a person sees, then what the log gets.
fn text(reading: &Reading) -> String {
    let mut text = reading.report.render(&reading.sources, false);
    for mistake in &reading.report.mistakes {
        text.push_str(&mistake.one_line(&reading.sources));
        text.push('\n');
    }
    let status = reading.report.exit_status() as u8;
    text.extend(["exit status ", &status.to_string(), "\n"]);
    text
}

fn load(folder: &Path, at: &Path, host: &mut Memory) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = at.join(path.file_name().unwrap());
        if path.is_dir() {
            load(&path, &name, host);
        } else if path.extension().is_none_or(|extension| extension != "report") {
            host.files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}
