//! The compiled regular expressions of a configuration; equal ones are compiled once.

use std::collections::BTreeMap;
use std::sync::Arc;

use parser::Config;
use parser::config::checker::{Pattern, Probe, RegexOption};

use crate::matcher::Matcher;

/// The options, and the expression compiled with them.
type Compiled = (Box<[RegexOption]>, Arc<Matcher>);

/// Every expression of a configuration; those that cannot be compiled are missing.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    compiled: BTreeMap<Box<str>, Vec<Compiled>>,
}

impl Patterns {
    /// Compiles what is new; `refused` hears of what cannot be compiled: the expression, and why.
    pub(crate) fn of(config: &Config, known: &Self, mut refused: impl FnMut(&str, String)) -> Self {
        let mut patterns = Self::default();
        let mut bad: Vec<&Pattern> = Vec::new();
        for pattern in every_pattern(config) {
            if patterns.get(pattern).is_some() || bad.contains(&&**pattern) {
                continue;
            }
            let matcher = known
                .get(pattern)
                .map_or_else(|| Matcher::new(pattern).map(Arc::new), Ok);
            match matcher {
                Ok(matcher) => patterns
                    .compiled
                    .entry(pattern.text.clone())
                    .or_default()
                    .push((pattern.options.clone(), matcher)),
                Err(error) => {
                    bad.push(pattern);
                    refused(&pattern.text, error);
                }
            }
        }
        patterns
    }

    pub(crate) fn get(&self, pattern: &Pattern) -> Option<Arc<Matcher>> {
        let same_text = self.compiled.get(&pattern.text)?;
        same_text
            .iter()
            .find(|(options, _)| *options == pattern.options)
            .map(|(_, matcher)| Arc::clone(matcher))
    }
}

fn every_pattern(config: &Config) -> impl Iterator<Item = &Arc<Pattern>> {
    let servers = config
        .virtual_servers
        .iter()
        .flat_map(|service| &service.real_servers);
    let checkers = servers.flat_map(|server| &server.checkers);
    let urls = checkers.flat_map(|checker| match &checker.probe {
        Probe::Http(http) => &*http.urls,
        _ => &[],
    });
    urls.filter_map(|url| Some(&url.regex.as_ref()?.pattern))
}
