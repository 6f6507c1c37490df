//! `-t`: judges the configuration, reports every mistake, and exits. Nothing is started, nothing is logged.

mod machine;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{ConfigTest, Format, Options};
use crate::supervisor::configuration::Configuration;

/// Runs the test; answers with keepalived's exit status for it.
pub fn run(options: &Options, to: &ConfigTest) -> ExitCode {
    let (mut destination, color): (Box<dyn Write>, bool) = match to {
        ConfigTest::ToStderr => (Box::new(io::stderr()), wants_color(&io::stderr())),
        ConfigTest::ToFile(path) => match open(path) {
            Ok(file) => (Box::new(file), false),
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_default();
                let path = path.display();
                let _ = writeln!(
                    io::stderr(),
                    "Unable to open config-test log file {path} {number} - {error}"
                );
                return ExitCode::FAILURE;
            }
        },
    };
    let mut configuration = Configuration::read(options);
    machine::judge(&mut configuration.reading, options);
    match destination.write_all(configuration.report(options.format, color).as_bytes()) {
        Ok(()) => configuration.test_status().into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "Unable to write the report: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Judges a configuration against the machine too, and adds the report to a file; answers with the exit status.
pub(crate) fn put_to(configuration: &mut Configuration, options: &Options, log: &Path) -> io::Result<u8> {
    // It asks the kernel on a runtime of its own, and there is one on this thread.
    let judged = std::thread::scope(|scope| {
        let reading = &mut configuration.reading;
        scope.spawn(move || machine::judge(reading, options)).join()
    });
    judged.map_err(|_| io::Error::other("the test broke off"))?;
    let report = configuration.report(Format::Text, false);
    open(log)?.write_all(report.as_bytes())?;
    Ok(configuration.test_status())
}

/// Whether a report there is coloured (<https://no-color.org>).
pub(crate) fn wants_color(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}

/// Earlier reports stay; a link that somebody laid there is not followed.
fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}
