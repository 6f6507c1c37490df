//! keepalived.conf: text to typed configuration, with a report of every mistake.
//!
//! Nothing here opens a socket, runs a program, or asks the machine anything beyond the files, the host name and the
//! environment variables that it is lent through a host trait.

pub mod config;
mod lint;
mod place;
pub mod report;
pub mod show;
pub mod source;
pub mod tree;
pub mod units;
pub mod value;

pub use config::Config;
pub use lint::{lint, named};
pub use place::{At, Place};
pub use report::Report;
pub use show::{Secrets, show};
pub use source::{Host, Machine, Options, Sources};

use tree::Tree;

/// Everything that reading a configuration gives.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What the configuration means, as far as it could be understood.
    pub config: Config,
    /// Every mistake.
    pub report: Report,
    /// The blocks, lines and words. [`Tree::text`] is the files as one text: includes, conditions, definitions and
    /// sequences applied. [`parse_text`] of it gives the same configuration.
    pub tree: Tree,
    /// The files.
    pub sources: Sources,
}

/// Reads the configuration that `patterns` name on a host: file names, with wildcards and braces, relative to the
/// current directory.
pub fn read(host: &impl Host, patterns: &[&str], options: &Options) -> Reading {
    let mut report = Report::default();
    let (flattened, sources) = source::flatten(host, patterns, options, &mut report);
    let tree = Tree::read(flattened, &mut report);
    let config = config::read(&tree, host, &mut report);
    report.sort(&sources);
    Reading {
        config,
        report,
        tree,
        sources,
    }
}

/// Reads a flattened text, the message format between processes. Nothing in it is replaced any more, and `#` begins no
/// comment.
pub fn parse_text(host: &impl Host, text: &str) -> Reading {
    let mut report = Report::default();
    let mut tree = Tree::read(text.to_owned(), &mut report);
    let config = config::read(&tree, host, &mut report);
    let sources = Sources::named(tree.take_files());
    report.sort(&sources);
    Reading {
        config,
        report,
        tree,
        sources,
    }
}
