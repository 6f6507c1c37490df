//! `BFD_CHECK`: a BFD session says whether the real server can be reached.

use std::collections::HashSet;

use super::{Common, Surroundings, heritage::follow, set};
use crate::config::real_server::only_word;
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Word};

/// `BFD_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// `name` of a `bfd_instance`; once in a real server.
    pub name: Box<str>,
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 2] = ["name", "alpha"];

/// What the block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    name: Word<'t>,
}

/// Reads a `BFD_CHECK` block. One without `name` is reported and dropped.
pub(super) fn parse<'t>(block: Block<'t>, common: &mut Common, report: &mut Report) -> Option<Draft<'t>> {
    let mut name = None;
    for line in block.lines() {
        match line.keyword() {
            "name" => report.keep_first(line, &mut name, only_word),
            "alpha" => set(&mut common.alpha, line.boolean(report)),
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    Some(Draft {
        name: report.require(block, "name", name)?,
    })
}

impl<'t> Draft<'t> {
    /// Finds the session; `sessions` are those the real server follows already.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        surroundings: &Surroundings<'_, '_>,
        sessions: &mut HashSet<&'t str>,
        report: &mut Report,
    ) -> Option<Bfd> {
        follow(
            self.name,
            "bfd_instance",
            surroundings.bfds,
            block.head.order(),
            report,
        )?;
        let name = self.name.text();
        if !sessions.insert(name) {
            report.add(
                self.name.at(),
                LvsReason::BfdAgain {
                    name: name.to_owned(),
                }
                .into(),
            );
            return None;
        }
        Some(Bfd { name: name.into() })
    }
}
