//! Where dump files go, by keepalived's rules: `$TMPDIR` or `/tmp`; `state_dump_file` for the `.data` files;
//! `data_use_instance`. `stats_dump_file` and `json_dump_file` mean nothing, as with keepalived 2.4.3.

use std::path::{Path, PathBuf};

use parser::Config;

/// Which file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `keepalived.data`.
    Data,
    /// `keepalived_parent.data`.
    Parent,
    /// `keepalived_bfd.data`.
    Bfd,
    /// `keepalived_check.data`.
    Check,
    /// `keepalived.stats`.
    Stats,
    /// `keepalived.json`.
    Json,
}

/// The rules that a configuration gives.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    /// Of the statistics and the JSON.
    directory: PathBuf,
    /// Of the `.data` files.
    data_directory: PathBuf,
    /// `state_dump_file`, as far as it names a file.
    template: Option<String>,
    /// What `data_use_instance` puts into the names.
    insert: String,
}

impl Place {
    /// Reads the rules; `temporary` is `$TMPDIR`.
    pub(crate) fn of(config: &Config, temporary: Option<&Path>) -> Self {
        let usable = |path: &&Path| path.is_absolute() && path.is_dir();
        let directory = temporary.filter(usable).unwrap_or(Path::new("/tmp")).to_owned();
        let mut place = Place {
            data_directory: directory.clone(),
            directory,
            ..Place::default()
        };
        let daemon = &config.daemon;
        if config.global.data_use_instance {
            let parts = [&daemon.net_namespace, &daemon.instance];
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            if !parts.is_empty() {
                place.insert = format!(".{}", parts.join("_"));
            }
        }
        if let Some(written) = &config.global.state_dump_file {
            let (directory, file) = match written.rfind('/') {
                Some(slash) => (&written[..=slash], &written[slash + 1..]),
                None => ("", written.as_str()),
            };
            // A relative directory is one below the usual one; an absolute one takes its place.
            place.data_directory.push(directory);
            place.template = (!file.is_empty()).then(|| file.to_owned());
        }
        place
    }

    /// The path of a file.
    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        let suffix = match kind {
            Kind::Data => "",
            Kind::Parent => "_parent",
            Kind::Bfd => "_bfd",
            Kind::Check => "_check",
            Kind::Stats => return self.directory.join("keepalived.stats"),
            Kind::Json => return self.directory.join("keepalived.json"),
        };
        let name = self.template.as_deref().unwrap_or("keepalived.data");
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) => (stem, format!(".{extension}")),
            None => (name, String::new()),
        };
        let insert = &self.insert;
        self.data_directory
            .join(format!("{stem}{suffix}{insert}{extension}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str, temporary: Option<&str>) -> String {
        let config = parser::parse_text(&parser::Machine, text).config;
        let place = Place::of(&config, temporary.map(Path::new));
        let all = [
            Kind::Data,
            Kind::Parent,
            Kind::Bfd,
            Kind::Check,
            Kind::Stats,
            Kind::Json,
        ];
        all.map(|kind| place.path(kind).display().to_string()).join(" ")
    }

    #[test]
    fn files_are_where_keepalived_puts_them() {
        assert_eq!(
            paths("", None),
            "/tmp/keepalived.data /tmp/keepalived_parent.data /tmp/keepalived_bfd.data \
             /tmp/keepalived_check.data /tmp/keepalived.stats /tmp/keepalived.json"
        );
        assert!(paths("", Some("/usr")).starts_with("/usr/keepalived.data /usr/"));
        for unusable in ["usr", "/usr/not-there"] {
            assert!(paths("", Some(unusable)).starts_with("/tmp/"));
        }
    }

    #[test]
    fn a_template_names_the_data_files_alone() {
        let with = |file: &str| paths(&format!("global_defs {{\n    state_dump_file {file}\n}}\n"), None);
        assert!(with("/var/lib/").starts_with("/var/lib/keepalived.data /var/lib/keepalived_parent.data "));
        assert!(with("state.of.txt").starts_with("/tmp/state.of.txt /tmp/state.of_parent.txt "));
        assert!(with("/a/b/state").starts_with("/a/b/state /a/b/state_parent "));
        assert!(with("/a/b/state").ends_with("/tmp/keepalived.stats /tmp/keepalived.json"));
    }

    #[test]
    fn names_carry_the_instance_when_asked_to() {
        let text = "net_namespace ns\ninstance two\nglobal_defs {\n    data_use_instance\n}\n";
        assert!(
            paths(text, None).starts_with("/tmp/keepalived.ns_two.data /tmp/keepalived_parent.ns_two.data ")
        );
    }
}
