//! `SSL`: the client certificate and authorities of every `SSL_GET`.

use crate::Place;
use crate::report::Report;
use crate::tree::{Block, Line};

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &["password", "ca", "certificate", "key"];

/// The `SSL` block.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ssl {
    /// `password` of the private key.
    pub password: Option<String>,
    /// `ca`: file of the authorities, PEM.
    pub ca: Option<String>,
    /// `certificate`: file of the client certificate chain, PEM.
    pub certificate: Option<String>,
    /// `key`: file of the private key, PEM.
    pub key: Option<String>,
    /// Where the block starts.
    pub place: Place,
}

impl std::fmt::Debug for Ssl {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ssl")
            .field("password", &self.password.as_ref().map(|_| "****"))
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Reads an `SSL` block. Nothing in it has a default.
pub(super) fn parse(block: Block<'_>, report: &mut Report) -> Ssl {
    report.among_secrets(KEYWORDS, |report| read(block, report))
}

fn read(block: Block<'_>, report: &mut Report) -> Ssl {
    let mut ssl = Ssl {
        place: block.head.place(),
        ..Ssl::default()
    };
    for line in block.lines() {
        let setting = match line.keyword() {
            "password" => &mut ssl.password,
            "ca" => &mut ssl.ca,
            "certificate" => &mut ssl.certificate,
            "key" => &mut ssl.key,
            _ => {
                report.unknown_keyword(line, KEYWORDS);
                continue;
            }
        };
        report.keep_last(line, setting, text);
    }
    ssl
}

fn text(line: Line<'_>, report: &mut Report) -> Option<String> {
    line.value(report).map(|word| word.text().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reason;
    use crate::tree::Tree;

    fn read(body: &str) -> (Ssl, Vec<Reason>) {
        let mut report = Report::default();
        let tree = Tree::read(format!("SSL {{\n{body}\n}}\n"), &mut report);
        let ssl = parse(tree.lines().next().unwrap().block(), &mut report);
        (
            ssl,
            report
                .mistakes
                .into_iter()
                .map(|mistake| mistake.reason)
                .collect(),
        )
    }

    #[test]
    fn every_setting_is_a_text() {
        let (ssl, reasons) = read("password secret\nca /a\ncertificate /b\nkey /c");
        assert_eq!(reasons, []);
        let settings = [ssl.password, ssl.ca, ssl.certificate, ssl.key];
        assert_eq!(settings.map(Option::unwrap), ["secret", "/a", "/b", "/c"]);
    }

    #[test]
    fn each_setting_counts_once_and_needs_a_value() {
        for keyword in KEYWORDS {
            let (ssl, reasons) = read(&format!("{keyword} a\n{keyword} b"));
            assert!(matches!(&reasons[..], [Reason::Replaced { .. }]), "{keyword}");
            let settings = [ssl.password, ssl.ca, ssl.certificate, ssl.key];
            assert!(settings.contains(&Some("b".to_owned())), "{keyword}");
            assert!(
                matches!(&read(keyword).1[..], [Reason::NoValue { .. }]),
                "{keyword}"
            );
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let (ssl, _) = read("password secret");
        assert!(!format!("{ssl:?}").contains("secret"));
    }
}
