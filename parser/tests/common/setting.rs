//! The project's table of keywords: each with a plain use, in the smallest configuration that it can stand in.
//!
//! Two forms: `keywords.tsv` has a row `BLOCK, KEYWORD, ARGUMENTS, STATUS` for each edge of what is allowed (`\n`: next line);
//! `every_keyword/*.txt` have a line `KEYWORD | SAMPLE | WRONG` for each keyword, whose sample stands in the text of the
//! lines before it that begin with `>`, in place of `%`. There a keyword with `!` behind it is old or pointless: its use
//! is understood and reported. `-` says that nothing can be wrong with it.

use std::fs;
use std::path::Path;

use crate::lvs;

/// One use of a keyword.
pub(crate) struct Setting {
    /// The block in `keywords.tsv`, or the file in `every_keyword`.
    pub(crate) table: String,
    pub(crate) keyword: String,
    /// The lines around, with `%` where the lines of the use go.
    pub(crate) around: String,
    /// A use that is in order, the keyword included.
    pub(crate) sample: String,
    /// A use that is wrong.
    pub(crate) wrong: Option<String>,
    /// The exit status of a config test with the sample.
    pub(crate) status: u8,
}

impl Setting {
    /// The whole configuration with other lines in place of the sample.
    pub(crate) fn with(&self, lines: &str) -> String {
        self.around.replacen('%', lines, 1)
    }
}

/// Every row of `keywords.tsv`; `folder` is that of the parser's tests.
pub(crate) fn of_edges(folder: &Path) -> Vec<Setting> {
    let text = fs::read_to_string(folder.join("keywords.tsv")).unwrap();
    let rows = text.lines().filter(|row| !row.starts_with('#'));
    let rows = rows.map(|row| {
        let [block, keyword, arguments, status] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {row}")
        };
        let keyword = keyword.strip_prefix("(address)").unwrap_or(keyword);
        let sample = format!("{keyword} {}", arguments.replace("\\n", "\n"));
        Setting {
            table: block.to_owned(),
            keyword: keyword.to_owned(),
            around: around(block, keyword),
            sample,
            wrong: None,
            status: status.parse().unwrap(),
        }
    });
    rows.collect()
}

/// Every line of a file of `every_keyword`.
pub(crate) fn of_file(folder: &Path, file: &str) -> Vec<Setting> {
    let text = fs::read_to_string(folder.join("every_keyword").join(file)).unwrap();
    let mut settings = Vec::new();
    let mut around = String::new();
    let mut in_around = false;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
    {
        if let Some(line) = line.strip_prefix('>') {
            if !in_around {
                around.clear();
            }
            around.push_str(line);
            around.push('\n');
            in_around = true;
            continue;
        }
        in_around = false;
        let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [keyword, sample, wrong] = columns[..] else {
            panic!("{file}: {line}")
        };
        settings.push(Setting {
            table: file.to_owned(),
            keyword: keyword.trim_end_matches(" !").to_owned(),
            around: around.clone(),
            sample: sample.replace("\\n", "\n"),
            wrong: (wrong != "-").then(|| wrong.replace("\\n", "\n")),
            status: if keyword.ends_with(" !") { 5 } else { 0 },
        });
    }
    settings
}

/// The configuration around a setting of a block.
fn around(block: &str, keyword: &str) -> String {
    let instance = |inside: &str| {
        format!(
            "vrrp_script chk {{\nscript /x\n}}\ntrack_file f {{\nfile /x\n}}\n\
             vrrp_track_process p {{\nprocess x\n}}\nbfd_instance b {{\nneighbor_ip 10.0.0.2\n}}\n\
             vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 90\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n{inside}\n}}\n"
        )
    };
    match block {
        "top" => "%\n".to_owned(),
        "vrrp_script" => "vrrp_script S {\nscript /x\n%\n}\n".to_owned(),
        "vrrp_instance" => instance("%"),
        "authentication" => instance("authentication {\nauth_type PASS\nauth_pass y\n%\n}"),
        "auth_hmac" => {
            instance("auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n%\n}")
        }
        "virtual_ipaddress" => {
            // A peer has the prefix itself.
            let prefix = if keyword == "peer" { "" } else { "/24" };
            instance(&format!("virtual_ipaddress {{\n10.0.0.10{prefix} %\n}}"))
        }
        "static_ipaddress" => {
            "track_group g {\ngroup {\nV\n}\n}\nstatic_ipaddress {\n10.0.0.10/24 %\n}\n".to_owned()
        }
        "virtual_server" => {
            "virtual_server 10.0.0.1 80 {\nprotocol UDP\nlvs_sched sh\nlvs_method NAT\nsorry_server 10.0.0.9 80\n\
             %\nreal_server 10.0.0.2 80 {\nweight 2147483647\n}\n}\n"
                .to_owned()
        }
        other => lvs::around(other, &format!("{}%", needed(other, keyword)))
            .unwrap_or_else(|| format!("{other} {{\n%\n}}\n")),
    }
}

/// The setting that a checker cannot do without.
fn needed(block: &str, keyword: &str) -> &'static str {
    match (block, keyword) {
        (_, "path" | "misc_path" | "name" | "track_file") => "",
        ("url" | "ssl_url", _) => "path /\n",
        ("misc_check", _) => "misc_path /x\n",
        ("bfd_check", _) => "name b\n",
        ("file_check", _) => "track_file f\n",
        _ => "",
    }
}
