//! `holdfast status`, `events`, `plan` and `reload`: asking the running daemon.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{PathBuf, absolute};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::Value;

use crate::control::client::{Client, ClientError};
use crate::control::server::epoch;
use crate::control::table::{Color, Table, paint};
use crate::control::{Request, socket_path};
use crate::sub_command;
use crate::sys;

/// Show how everything stands: instances, servers, sessions, and why something is down
#[derive(Debug, Parser)]
#[command(name = "holdfast status")]
struct Status {
    #[command(flatten)]
    daemon: Daemon,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show what happens, as it happens, until interrupted
#[derive(Debug, Parser)]
#[command(name = "holdfast events")]
struct Events {
    #[command(flatten)]
    daemon: Daemon,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
}

/// Show what a reload would change, without reloading
#[derive(Debug, Parser)]
#[command(name = "holdfast plan")]
struct Plan {
    #[command(flatten)]
    daemon: Daemon,
    /// Read this file instead of the daemon's own
    #[arg(short = 'f', long = "use-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reload the configuration; returns when it is in force, or refused
#[derive(Debug, Parser)]
#[command(name = "holdfast reload")]
struct Reload {
    #[command(flatten)]
    daemon: Daemon,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which daemon is asked.
#[derive(Debug, clap::Args)]
struct Daemon {
    /// The pid file of the daemon (its control socket is beside it)
    #[arg(short = 'p', long, value_name = "FILE", default_value = "/run/keepalived.pid")]
    pid: PathBuf,
    /// The control socket of the daemon
    #[arg(long, value_name = "SOCKET", conflicts_with = "pid")]
    socket: Option<PathBuf>,
}

impl Daemon {
    fn call(&self) -> Result<Client, Trouble> {
        let socket = self.socket.clone().unwrap_or_else(|| socket_path(&self.pid));
        Ok(Client::connect(&socket)?)
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// What may follow `holdfast status`.
pub fn status_grammar() -> clap::Command {
    Status::command()
}

/// What may follow `holdfast events`.
pub fn events_grammar() -> clap::Command {
    Events::command()
}

/// What may follow `holdfast plan`.
pub fn plan_grammar() -> clap::Command {
    Plan::command()
}

/// What may follow `holdfast reload`.
pub fn reload_grammar() -> clap::Command {
    Reload::command()
}

/// Runs `holdfast status`.
pub fn status(arguments: Vec<OsString>) -> ExitCode {
    command("holdfast status", arguments, |status: Status| {
        let answer = status.daemon.call()?.ask(&Request::Status)?;
        if status.json {
            return print(&format!("{answer:#}\n"));
        }
        print(&describe(&answer, colors()))
    })
}

/// Runs `holdfast events`.
pub fn events(arguments: Vec<OsString>) -> ExitCode {
    command("holdfast events", arguments, |events: Events| {
        let mut client = events.daemon.call()?;
        client.ask(&Request::Events)?;
        loop {
            let event = client.next_event()?;
            if event["reply"] == "error" {
                let text = event["error"].as_str().unwrap_or_default().to_owned();
                return Err(ClientError::Refused { text, answer: event }.into());
            }
            let line = if events.json {
                event.to_string()
            } else {
                one_line(&event, colors())
            };
            print(&format!("{line}\n"))?;
        }
    })
}

/// Runs `holdfast plan`.
pub fn plan(arguments: Vec<OsString>) -> ExitCode {
    command("holdfast plan", arguments, |plan: Plan| {
        let file = match &plan.file {
            None => None,
            Some(file) => Some(absolute(file)?.to_string_lossy().into_owned()),
        };
        let asked = plan.daemon.call()?.ask(&Request::Plan { file });
        print_judged(asked, plan.json, describe_plan)
    })
}

/// Runs `holdfast reload`.
pub fn reload(arguments: Vec<OsString>) -> ExitCode {
    command("holdfast reload", arguments, |reload: Reload| {
        let asked = reload.daemon.call()?.ask(&Request::Reload);
        print_judged(asked, reload.json, describe_reload)
    })
}

/// Prints the answer about a configuration. One that is refused is shown with every mistake: as the JSON that was answered, or in the
/// form of `-t`, on standard error.
fn print_judged(
    asked: Result<Value, ClientError>,
    json: bool,
    describe: fn(&Value, bool) -> String,
) -> Result<(), Trouble> {
    match asked {
        Ok(answer) if json => print(&format!("{answer:#}\n")),
        Ok(answer) => print(&describe(&answer, colors())),
        Err(ClientError::Refused { text, answer }) => {
            if json {
                print(&format!("{answer:#}\n"))?;
            } else {
                io::stderr().write_all(answer["report"].as_str().unwrap_or_default().as_bytes())?;
            }
            Err(ClientError::Refused { text, answer }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn command<A: Parser>(
    name: &str,
    arguments: Vec<OsString>,
    run: impl FnOnce(A) -> Result<(), Trouble>,
) -> ExitCode {
    let outcome = match sub_command::read(name, arguments) {
        Ok(arguments) => run(arguments),
        Err(status) => return status,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has gone away wants no more.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(trouble) => {
            let _ = writeln!(io::stderr(), "{name}: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), Trouble> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}

fn colors() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn describe(answer: &Value, colors: bool) -> String {
    let now = answer["time"].as_f64().unwrap_or_else(epoch);
    let mut parts = vec![format!(
        "Holdfast {}, pid {}, {}\n",
        text(answer, "holdfast"),
        answer["pid"],
        text(answer, "phase")
    )];
    parts.push(instances(&answer["vrrp"], now, colors));
    parts.push(groups(&answer["vrrp"], colors));
    parts.push(servers(&answer["checkers"], colors));
    parts.push(sessions(&answer["bfd"], colors));
    for role in ["checkers", "vrrp", "bfd"] {
        if let Some(error) = answer[role]["error"].as_str() {
            parts.push(format!("{role}: {}\n", paint(error, Color::Bad, colors)));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn instances(vrrp: &Value, now: f64, colors: bool) -> String {
    let mut table = Table::new(&[
        "INSTANCE",
        "STATE",
        "PRIO",
        "SINCE",
        "INTERFACE",
        "VRID",
        "ADDRESSES",
        "REMARKS",
    ]);
    for instance in items(vrrp, "instances") {
        let plain = |text: String| (text, Color::Plain);
        let (priority, base) = (&instance["priority"], &instance["base_priority"]);
        let priority = if priority == base {
            priority.to_string()
        } else {
            format!("{priority} ({base})")
        };
        let addresses: Vec<&str> = items(instance, "addresses")
            .iter()
            .map(|one| text(one, "address"))
            .collect();
        let addresses = match addresses.as_slice() {
            [first, _, _, _, rest @ ..] => format!("{first} and {} more", rest.len() + 3),
            few => few.join(" "),
        };
        let remarks = remarks(instance);
        let state = text(instance, "state");
        let since = instance["since"].as_f64().unwrap_or(now);
        let color = state_color(state);
        table.row([
            plain(text(instance, "name").to_owned()),
            (state.to_owned(), color),
            plain(priority),
            plain(ago(now - since)),
            plain(text(instance, "interface").to_owned()),
            plain(instance["virtual_router_id"].to_string()),
            plain(addresses),
            (
                remarks.join("; "),
                if state == "FAULT" {
                    Color::Bad
                } else {
                    Color::Faint
                },
            ),
        ]);
    }
    table.render(colors)
}

/// Why an instance is in FAULT, whom it follows, whom it does not believe, and what others take away from it.
fn remarks(instance: &Value) -> Vec<String> {
    let mut remarks: Vec<String> = items(instance, "faults")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if text(instance, "state") == "BACKUP" && instance["master"].is_object() {
        let master = &instance["master"];
        remarks.push(format!(
            "master {} priority {}",
            text(master, "address"),
            master["priority"]
        ));
    }
    for rejected in items(instance, "rejected") {
        let from = rejected["from"].as_str().unwrap_or("others");
        remarks.push(format!(
            "rejected {} adverts from {from}: {}",
            rejected["count"],
            text(rejected, "cause")
        ));
    }
    match instance["objects_lost"].as_u64() {
        None | Some(0) => {}
        Some(1) => remarks.push("others took something of it away".to_owned()),
        Some(times) => remarks.push(format!("others took something of it away {times} times")),
    }
    remarks
}

fn groups(vrrp: &Value, colors: bool) -> String {
    let mut table = Table::new(&["GROUP", "STATE", "MEMBERS"]);
    for group in items(vrrp, "groups") {
        let members: Vec<&str> = items(group, "members").iter().filter_map(Value::as_str).collect();
        let state = text(group, "state");
        table.row([
            (text(group, "name").to_owned(), Color::Plain),
            (state.to_owned(), state_color(state)),
            (members.join(" "), Color::Plain),
        ]);
    }
    table.render(colors)
}

fn sessions(bfd: &Value, colors: bool) -> String {
    let mut table = Table::new(&["BFD SESSION", "STATE", "NEIGHBOUR", "REMARKS"]);
    for session in items(bfd, "sessions") {
        let state = text(session, "state");
        let is_up = state == "Up";
        let why = if is_up { "" } else { text(session, "diagnostic") };
        table.row([
            (text(session, "name").to_owned(), Color::Plain),
            (state.to_owned(), if is_up { Color::Good } else { Color::Bad }),
            (text(session, "neighbor").to_owned(), Color::Plain),
            (why.to_owned(), Color::Faint),
        ]);
    }
    table.render(colors)
}

fn servers(checkers: &Value, colors: bool) -> String {
    let mut table = Table::new(&["SERVER", "STATE", "WEIGHT", "REMARKS"]);
    for service in items(checkers, "virtual_servers") {
        let up = service["quorum"] == true;
        let why = match (service["suspended"] == true, up) {
            (true, _) => "suspended: the address is not here".to_owned(),
            (false, false) => "quorum lost".to_owned(),
            (false, true) => String::new(),
        };
        let (why, color) = match service["fwmark"].as_u64() {
            Some(mark) if why.is_empty() => (format!("firewall mark {mark}"), Color::Faint),
            Some(mark) => (format!("{why}; firewall mark {mark}"), Color::Bad),
            None => (why, Color::Bad),
        };
        let state = if up { "UP" } else { "DOWN" };
        table.row([
            (text(service, "name").to_owned(), Color::Strong),
            (state.to_owned(), if up { Color::Good } else { Color::Bad }),
            (String::new(), Color::Plain),
            (why, color),
        ]);
        for server in items(service, "real_servers") {
            let alive = server["alive"] == true;
            let failing: Vec<&str> = items(server, "failing")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let why = if failing.is_empty() {
                String::new()
            } else {
                format!("{} failed", failing.join(", "))
            };
            let state = if alive { "UP" } else { "DOWN" };
            table.row([
                (format!("  {}", text(server, "name")), Color::Plain),
                (state.to_owned(), if alive { Color::Good } else { Color::Bad }),
                (server["weight"].to_string(), Color::Plain),
                (why, Color::Bad),
            ]);
        }
        for server in items(service, "draining") {
            let left = match server["connections"].as_u64() {
                None => String::new(),
                Some(1) => "1 connection, ".to_owned(),
                Some(count) => format!("{count} connections, "),
            };
            table.row([
                (format!("  {}", text(server, "name")), Color::Plain),
                ("DRAINING".to_owned(), Color::Faint),
                ("0".to_owned(), Color::Plain),
                (format!("{left}{} s left", server["seconds_left"]), Color::Faint),
            ]);
        }
    }
    table.render(colors)
}

fn state_color(state: &str) -> Color {
    match state {
        "MASTER" => Color::Good,
        "FAULT" => Color::Bad,
        "BACKUP" => Color::Plain,
        _ => Color::Faint,
    }
}

/// `12s`, `3m 4s`, `5h 6m`, `7d 8h`.
fn ago(seconds: f64) -> String {
    let seconds = std::time::Duration::try_from_secs_f64(seconds)
        .unwrap_or_default()
        .as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn one_line(event: &Value, colors: bool) -> String {
    let time = event["time"].as_f64().unwrap_or_default();
    let time = std::time::Duration::try_from_secs_f64(time).unwrap_or_default();
    let local = sys::LocalTime::at(time.as_secs(), time.subsec_nanos())
        .syslog()
        .to_string();
    let when = paint(
        &format!("{local}.{:03}", time.subsec_millis()),
        Color::Faint,
        colors,
    );
    if text(event, "event") == "transition" {
        let state = text(event, "state");
        let of = text(event, "of");
        let priority = if of == "instance" {
            format!(", priority {}", event["priority"])
        } else {
            String::new()
        };
        let state = paint(state, state_color(state), colors);
        return format!("{when}  {of} {} is {state}{priority}", text(event, "subject"));
    }
    format!("{when}  {}", text(event, "text"))
}

fn describe_reload(answer: &Value, _: bool) -> String {
    let remark = match items(answer, "mistakes").len() {
        0 => String::new(),
        1 => ", with 1 mistake: see holdfast -t".to_owned(),
        more => format!(", with {more} mistakes: see holdfast -t"),
    };
    format!("The configuration is in force{remark}\n")
}

fn describe_plan(answer: &Value, colors: bool) -> String {
    let mut lines = Vec::new();
    let mut kept = 0;
    for object in items(answer, "objects") {
        let (sign, color) = match text(object, "change") {
            "added" => ("+", Color::Good),
            "removed" => ("-", Color::Bad),
            "changed" => ("~", Color::Strong),
            _ => {
                kept += 1;
                continue;
            }
        };
        let name = format!("{sign} {} {}", text(object, "kind"), text(object, "name"));
        let effect = match text(object, "effect") {
            "" => String::new(),
            effect => format!("  ({effect})"),
        };
        lines.push(format!("{}{effect}", paint(name.trim_end(), color, colors)));
        for (key, sign, color) in [("removed", "-", Color::Bad), ("added", "+", Color::Good)] {
            let words = items(object, key).iter().filter_map(Value::as_str);
            lines.extend(
                words.map(|words| format!("    {}", paint(&format!("{sign} {words}"), color, colors))),
            );
        }
    }
    if lines.is_empty() {
        lines.push("A reload would change nothing.".to_owned());
    }
    lines.push(format!("{kept} objects stay as they are."));
    let mistakes = items(answer, "mistakes").len();
    if mistakes > 0 {
        lines.push(format!("The file has {mistakes} mistakes: see holdfast -t."));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::remarks;

    #[test]
    fn the_remarks_say_what_an_operator_should_know() {
        let quiet = json!({"state": "MASTER", "objects_lost": 0});
        assert_eq!(remarks(&quiet), [""; 0]);
        let fought_over = json!({
            "state": "MASTER",
            "rejected": [{"from": "10.0.0.3", "cause": "authentication mismatch", "count": 812}],
            "objects_lost": 3,
        });
        assert_eq!(
            remarks(&fought_over),
            [
                "rejected 812 adverts from 10.0.0.3: authentication mismatch",
                "others took something of it away 3 times"
            ]
        );
        let follower =
            json!({"state": "BACKUP", "master": {"address": "10.0.0.1", "priority": 150}, "objects_lost": 1});
        assert_eq!(
            remarks(&follower),
            ["master 10.0.0.1 priority 150", "others took something of it away"]
        );
    }
}
