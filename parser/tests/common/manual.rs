//! holdfast.conf(5) tells of every keyword, and of nothing that is none.
//!
//! The page is `man/holdfast.conf.5.in`, prose by hand, with the rows of `man/keywords.txt` where a line `@@BLOCK` stands. With
//! `HOLDFAST_WRITE=1` this test writes it, else it fails if the page is not what would be written.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::setting::{self, Setting};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const MAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../man");

struct Row {
    block: String,
    /// Keyword and arguments.
    usage: String,
    default: String,
    range: String,
    meaning: String,
}

impl Row {
    fn keyword(&self) -> &str {
        self.usage.split(' ').next().unwrap()
    }

    fn is_keyword(&self) -> bool {
        !["ADDRESS", "RANGE"].contains(&self.keyword())
    }
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(Path::new(MAN).join("keywords.txt")).unwrap();
    let mut block = String::new();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        if let Some(name) = line.strip_prefix("== ") {
            name.clone_into(&mut block);
            continue;
        }
        let [usage, default, range, meaning] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("not four columns: {line}")
        };
        rows.push(Row {
            block: block.clone(),
            usage: usage.to_owned(),
            default: default.to_owned(),
            range: range.to_owned(),
            meaning: meaning.to_owned(),
        });
    }
    rows
}

#[test]
fn the_page_is_up_to_date() {
    let rows = rows();
    let prose = fs::read_to_string(Path::new(MAN).join("holdfast.conf.5.in")).unwrap();
    let mut page = String::from(
        ".\\\" Written by parser/tests/common/manual.rs from holdfast.conf.5.in and keywords.txt\n",
    );
    let mut told = BTreeSet::new();
    for line in prose.lines() {
        let Some(block) = line.strip_prefix("@@") else {
            page += line;
            page.push('\n');
            continue;
        };
        told.insert(block);
        for row in rows.iter().filter(|row| row.block == block) {
            page += &entry(row);
        }
    }
    let blocks: BTreeSet<_> = rows.iter().map(|row| row.block.as_str()).collect();
    assert_eq!(told, blocks);
    let path = Path::new(MAN).join("holdfast.conf.5");
    if std::env::var_os("HOLDFAST_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|written| written == page),
        "man/holdfast.conf.5 is out of date: run this test with HOLDFAST_WRITE=1"
    );
}

/// A keyword as a tagged paragraph.
fn entry(row: &Row) -> String {
    let escaped = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let (keyword, arguments) = row.usage.split_once(' ').unwrap_or((&row.usage, ""));
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!(" \\fI{}\\fR", escaped(arguments))
    };
    let mut text = format!(
        ".TP\n\\fB{}\\fR{arguments}\n{}\n",
        escaped(keyword),
        escaped(&row.meaning)
    );
    if !row.range.is_empty() {
        let is_range = row
            .range
            .starts_with(|first: char| first.is_ascii_digit() || first == '-');
        let label = if is_range { "Range" } else { "Note" };
        writeln!(text, "{label}: {}.", escaped(&row.range)).unwrap();
    }
    if !row.default.is_empty() {
        writeln!(text, "Default: {}.", escaped(&row.default)).unwrap();
    }
    text
}

#[test]
fn every_keyword_is_told_of_and_nothing_else() {
    let rows = rows();
    let told: BTreeSet<(String, String)> = rows
        .iter()
        .filter(|row| row.is_keyword())
        .map(|row| {
            let block = row.block.split(' ').next().unwrap(); // global_defs has several lists
            (block.to_owned(), row.keyword().to_owned())
        })
        .collect();
    let mut settings = setting::of_edges(Path::new(TESTS));
    for file in fs::read_dir(Path::new(TESTS).join("every_keyword")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        settings.extend(setting::of_file(Path::new(TESTS), &file));
    }
    let mut known: BTreeSet<(String, String)> = settings
        .iter()
        .filter(|setting| setting.table != "directive.txt") // told in prose
        .filter(|setting| {
            setting
                .keyword
                .starts_with(|first: char| first.is_ascii_alphabetic() || first == '-')
        })
        .map(|setting| (home(setting), setting.keyword.clone()))
        .collect();
    let blocks = ["virtual_server", "virtual_server_group", "SSL"]; // tried by what is in them
    known.extend(blocks.map(|block| ("top".to_owned(), block.to_owned())));
    let checks = ["BFD_CHECK", "FILE_CHECK"];
    known.extend(checks.map(|check| ("real_server".to_owned(), check.to_owned())));
    let is_told = |block: &str, keyword: &str| {
        let common = block.ends_with("_CHECK") || block == "HTTP_GET";
        let has = |block: &str| told.contains(&(block.to_owned(), keyword.to_owned()));
        has(block) || common && has("checker")
    };
    let untold: Vec<_> = known
        .iter()
        .filter(|(block, keyword)| !is_told(block, keyword))
        .collect();
    assert!(untold.is_empty(), "untold: {untold:?}");
    let unknown: Vec<_> = told
        .iter()
        .filter(|(block, keyword)| {
            let is_known = |(own, known): &(String, String)| {
                known == keyword && (own == block || block == "checker" && own.ends_with("_CHECK"))
            };
            !known.iter().any(is_known)
        })
        .collect();
    assert!(unknown.is_empty(), "unknown: {unknown:?}");
}

/// The block of the page that tells of a setting.
fn home(setting: &Setting) -> String {
    let table = setting.table.trim_end_matches(".txt");
    let block = match (table, setting.keyword.as_str()) {
        ("outside", _) => "top",
        ("vrrp_instance", "auth_type" | "auth_pass") => "authentication",
        ("vrrp_instance", "key" | "active_key" | "time_window" | "anti_replay" | "mode") => "auth_hmac",
        ("virtual_ipaddress" | "static_ipaddress", _) => "address",
        ("http_get" | "ssl_get", _) => "HTTP_GET",
        ("ssl_url", _) => "url",
        ("smtp_check_host", _) => "TCP_CHECK", // has the settings of a connection
        ("ssl", _) => "SSL",
        (check, _) if check.ends_with("_check") => return check.to_uppercase(),
        (same, _) => same,
    };
    block.to_owned()
}
