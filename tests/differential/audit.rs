//! Every keyword of the project's table, put to both programs in each way that can be right or wrong: at the bound and
//! around it, of the wrong type, missing, repeated, misplaced and in the wrong block.
//!
//! The variants are made of the table's plain uses, so a new keyword is audited as soon as it is in the table. Where the
//! verdicts differ, `known.tsv` must say so: table, keyword, way (`*`: any), both statuses, reason. Its rows are
//! facts about 2.4.3 or departures that `docs/differences.md` lists; a row that nothing needs any more is a fault too.

#[path = "../../parser/tests/common/setting.rs"]
mod setting;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use self::setting::Setting;
use crate::case::Case;
use crate::judge::Verdicts;

/// One keyword used in one way.
pub(crate) struct Variant {
    table: String,
    keyword: String,
    way: &'static str,
    written: String,
    pub(crate) case: Case,
}

/// Every keyword in every way; the files are written to `scratch`.
pub(crate) fn variants(repository: &Path, scratch: &Path) -> Vec<Variant> {
    let tests = repository.join("parser/tests");
    let mut files: Vec<_> = fs::read_dir(tests.join("every_keyword"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file != "directive.txt") // judged by the samples of the language, with their files
        .collect();
    files.sort();
    let mut settings: Vec<_> = files
        .iter()
        .flat_map(|file| setting::of_file(&tests, file))
        .collect();
    settings.extend(setting::of_edges(&tests));
    let mut audited = HashSet::new();
    let mut seen = HashSet::new();
    let mut variants = Vec::new();
    for setting in &settings {
        let is_new = audited.insert((reader(&setting.table), &setting.keyword));
        for (way, written, text) in ways(setting) {
            let text = runnable(&text);
            if !is_new && !OF_EACH_SAMPLE.contains(&way) {
                continue;
            }
            if !seen.insert(text.clone()) {
                continue;
            }
            let path = scratch.join(format!("audit{}.conf", variants.len()));
            fs::write(&path, text).unwrap();
            variants.push(Variant {
                table: setting.table.clone(),
                keyword: setting.keyword.clone(),
                way,
                case: Case {
                    name: format!("{} {} {way}: `{written}`", setting.table, setting.keyword),
                    path,
                    expected: (way == "plain").then_some(setting.status),
                    theirs: None,
                },
                written,
            });
        }
    }
    variants
}

/// Ways in which each sample is tried; the others are the same for all samples of a keyword.
const OF_EACH_SAMPLE: &[&str] = &["plain", "wrong", "one more", "one less", "cut off"];

/// What tables of settings have in common: the blocks whose settings are read alike.
fn reader(table: &str) -> &str {
    match table.trim_end_matches(".txt") {
        "authentication" | "auth_hmac" => "vrrp_instance",
        "virtual_ipaddress" | "static_ipaddress" => "address",
        "top" => "outside",
        "http_get" | "ssl_get" | "smtp_check_host" => "check",
        "ssl_url" => "url",
        other if other.ends_with("_check") => "check",
        other => other,
    }
}

/// Every script is one that is there, and may be run.
fn runnable(text: &str) -> String {
    let mut text = text.to_owned();
    for script in SCRIPTS {
        for (before, after) in [(' ', '\n'), (' ', ' '), ('"', ' '), ('"', '"')] {
            text = text.replace(
                &format!("{before}{script}{after}"),
                &format!("{before}/usr/bin/true{after}"),
            );
        }
    }
    format!("global_defs {{\nenable_script_security\nscript_user root\n}}\n{text}")
}

const SCRIPTS: &[&str] = &[
    "/x",
    "/bin/true",
    "/usr/bin/curl",
    "/usr/bin/n",
    "/usr/bin/reader",
    "/usr/bin/setup",
    "/usr/bin/teardown",
];

/// Way, what is written, and the whole configuration.
fn ways(setting: &Setting) -> Vec<(&'static str, String, String)> {
    let lines: Vec<&str> = setting.sample.split('\n').collect();
    let Some((at, line, place)) = find(&lines, &setting.keyword) else {
        // What has no word of its own, such as an address.
        let written = setting.sample.clone();
        return vec![("plain", written.clone(), setting.with(&written))];
    };
    let mut inside = Vec::new();
    let mut elsewhere = Vec::new();
    let mut add = |way, written: String| inside.push((way, written));
    let replaced = |new: &str| {
        let mut lines = lines.clone();
        lines[at] = new;
        lines.join("\n")
    };
    add("plain", setting.sample.clone());
    if let Some(wrong) = &setting.wrong {
        add("wrong", wrong.clone());
    }
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let is_block = setting.sample.contains('{');
    if !is_block {
        for (number, word) in words.iter().enumerate().skip(place + 1).take(3) {
            let with = |new: &str| {
                let mut words = words.clone();
                words[number] = new;
                replaced(&words.join(" "))
            };
            for (way, new) in around_the_bound(word) {
                add(way, with(&new));
            }
            add("wrong type", with("wrong_type"));
            add("an empty word", with("\"\""));
            add("cut off", replaced(&words[..number].join(" ")));
        }
        add("more words", replaced(&format!("{line} extra words")));
        add("a block", replaced(&format!("{line} {{\n}}")));
    }
    add("repeated", format!("{0}\n{0}", setting.sample));
    add("no brace", replaced(&line.replace('{', "")));
    if place == 0 {
        add("in capitals", replaced(&line.to_uppercase()));
        for &(way, around) in WRONG_BLOCKS {
            elsewhere.push((way, setting.sample.clone(), around.replace('%', &setting.sample)));
        }
        let around = setting.with("");
        elsewhere.push((
            "outside, before",
            setting.sample.clone(),
            format!("{}\n{around}", setting.sample),
        ));
        elsewhere.push((
            "outside, behind",
            setting.sample.clone(),
            format!("{around}\n{}", setting.sample),
        ));
    } else {
        let option = words[place..].join(" ");
        for &(way, around) in WRONG_LISTS {
            elsewhere.push((way, option.clone(), around.replace('%', &option)));
        }
        add(
            "first",
            replaced(&format!("{option} {}", words[..place].join(" "))),
        );
    }
    let inside = inside.into_iter().map(|(way, written)| {
        let text = setting.with(&written);
        (way, written, text)
    });
    inside.chain(elsewhere).collect()
}

/// The line that has the keyword, and which of its words it is.
fn find<'a>(lines: &[&'a str], keyword: &str) -> Option<(usize, &'a str, usize)> {
    lines.iter().enumerate().find_map(|(at, line)| {
        let place = line
            .split(' ')
            .filter(|word| !word.is_empty())
            .position(|word| word == keyword)?;
        Some((at, *line, place))
    })
}

/// Neighbours of a number, and what is nearly one.
fn around_the_bound(word: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Ok(number) = word.parse::<i128>() {
        found.push(("one more", (number + 1).to_string()));
        found.push(("one less", (number - 1).to_string()));
    } else if word.parse::<f64>().is_err() {
        return found;
    }
    for (way, new) in [
        ("zero", "0"),
        ("below zero", "-1"),
        ("32 bits", "4294967296"),
        ("beyond 64 bits", "99999999999999999999"),
        ("a fraction", "1.5"),
        ("many decimals", "1.0000001"),
        ("half a number", "5x"),
        ("hexadecimal", "0x10"),
        ("with a sign", "+5"),
    ] {
        found.push((way, new.to_owned()));
    }
    found
}

const WRONG_BLOCKS: &[(&str, &str)] = &[
    ("in global_defs", "global_defs {\n%\n}\n"),
    (
        "in vrrp_instance",
        "vrrp_instance W {\ninterface eth0\nvirtual_router_id 52\nvirtual_ipaddress {\n10.9.0.9\n}\n%\n}\n",
    ),
    (
        "in real_server",
        "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.2 80 {\n%\n}\n}\n",
    ),
];

const WRONG_LISTS: &[(&str, &str)] = &[
    ("of an address", "static_ipaddress {\n10.0.0.1/24 dev eth0 %\n}\n"),
    ("of a route", "static_routes {\n10.0.0.0/8 dev eth0 %\n}\n"),
    ("of a rule", "static_rules {\npriority 5 table 5 %\n}\n"),
];

/// What is wrong with the verdicts of all variants.
pub(crate) fn faults(repository: &Path, variants: &[Variant], verdicts: &[Verdicts]) -> Vec<String> {
    let known = Known::read(&repository.join("tests/differential/known.tsv"));
    let mut needed = vec![false; known.len()];
    let mut faults = Vec::new();
    for (variant, verdict) in variants.iter().zip(verdicts) {
        let (Some(ours), theirs) = (verdict.holdfast, verdict.keepalived) else {
            faults.push(format!("{}: holdfast crashed", variant.case.name));
            continue;
        };
        if variant.case.expected.is_some_and(|expected| expected != ours) && Some(ours) != theirs {
            faults.push(format!(
                "{}: holdfast {ours}, the table says otherwise",
                variant.case.name
            ));
            continue;
        }
        let Some(theirs) = theirs.filter(|theirs| *theirs != ours) else {
            continue; // keepalived sometimes ends by a signal; that is no verdict
        };
        match known.iter().position(|row| row.explains(variant, ours, theirs)) {
            Some(row) => needed[row] = true,
            None => faults.push(format!(
                "{}\t{}\t{}\t{ours}\t{theirs}\t`{}`",
                variant.table,
                variant.keyword,
                variant.way,
                variant.written.replace('\n', "|")
            )),
        }
    }
    let idle = known.iter().zip(needed).filter(|(_, needed)| !needed);
    faults.extend(idle.map(|(row, _)| format!("known.tsv: nothing needs `{}`", row.text)));
    faults
}

/// A row of `known.tsv`.
struct Known {
    table: String,
    keywords: Vec<String>,
    ways: Vec<String>,
    ours: String,
    theirs: String,
    text: String,
}

impl Known {
    fn read(path: &Path) -> Vec<Self> {
        let text = fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|row| !row.starts_with('#'));
        let list = |words: &str| words.split(',').map(|word| word.trim().to_owned()).collect();
        rows.map(|row| {
            let [table, keywords, ways, ours, theirs, _reason] = row.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("not six columns: {row}")
            };
            Self {
                table: table.to_owned(),
                keywords: list(keywords),
                ways: list(ways),
                ours: ours.to_owned(),
                theirs: theirs.to_owned(),
                text: row.to_owned(),
            }
        })
        .collect()
    }

    fn explains(&self, variant: &Variant, ours: u8, theirs: u8) -> bool {
        let says = |pattern: &str, word: &str| pattern == "*" || pattern == word;
        says(&self.table, &variant.table)
            && self
                .keywords
                .iter()
                .any(|keyword| says(keyword, &variant.keyword))
            && self.ways.iter().any(|way| says(way, variant.way))
            && says(&self.ours, &ours.to_string())
            && says(&self.theirs, &theirs.to_string())
    }
}
