//! `track_file`: a file whose number moves the priority of the instances that track it.

use crate::Place;
use crate::config::tracked::{Limit, Trackable, Weight};
use crate::report::{Reason, Report};
use crate::tree::{Block, Line, Word};

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &["file", "weight", "init_file"];

/// One `track_file` (or `vrrp_track_file`) block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackFile {
    /// The word after `track_file`.
    pub name: String,
    /// `file`: whether it can be watched is asked on the machine.
    pub path: String,
    /// `weight`, -254 to 254: what the number in the file is multiplied by; 1 by default. With 0 a number other than 0
    /// is a fault. Default for those who track it.
    pub weight: i16,
    /// `weight N reverse`: the product counts the other way round.
    pub reverse: bool,
    /// `init_file`: how the file is made when the daemon starts.
    pub init: Option<InitFile>,
    /// Where the block starts.
    pub place: Place,
}

/// `init_file [<INT>] [overwrite]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitFile {
    /// The number that is written; 0 by default.
    pub value: i32,
    /// It is written also where the file is there already.
    pub overwrite: bool,
}

/// What a `track_file` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    path: Option<String>,
    weight: Option<Weight>,
    init: Option<InitFile>,
}

/// Reads a `track_file` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let name = block.name(report)?;
    let mut draft = Draft {
        block,
        name,
        path: None,
        weight: None,
        init: None,
    };
    for line in block.lines() {
        match line.keyword() {
            "file" => report.keep_first(line, &mut draft.path, path),
            "weight" => report.keep_first(line, &mut draft.weight, |line, report| {
                let weight = Weight::of_line(line, Limit::Full, report);
                weight.weight.map(|_| weight)
            }),
            "init_file" => draft.init = Some(init_file(line, report)),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    Some(draft)
}

fn path(line: Line<'_>, report: &mut Report) -> Option<String> {
    let word = report.option_value(line.keyword_word(), line.words().next())?;
    line.no_block(report);
    Some(word.text().to_owned())
}

/// Numbers that make sense in a file, whatever its weight.
const SENSIBLE: std::ops::RangeInclusive<i32> = -254..=254;

fn init_file(line: Line<'_>, report: &mut Report) -> InitFile {
    line.no_block(report);
    let mut init = InitFile::default();
    for word in line.words() {
        match word.text() {
            "overwrite" => init.overwrite = true,
            text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                init.value = init_value(word, report).unwrap_or(init.value);
            }
            _ => report.unknown_option(word, line.keyword(), &["overwrite"]),
        }
    }
    init
}

/// A number far from what any priority can use is reported, and written.
fn init_value(word: Word<'_>, report: &mut Report) -> Option<i32> {
    let value = word.number(i32::MIN..=i32::MAX, report)?;
    if !SENSIBLE.contains(&value) {
        let (got, range) = (word.text().to_owned(), "a number from -254 to 254".to_owned());
        report.add(word.at(), Reason::OutOfRange { got, range });
    }
    Some(value)
}

impl<'t> Draft<'t> {
    /// Its name, and what those who track it need to know.
    pub(super) fn trackable(&self) -> (&'t str, Trackable<'t>) {
        let (weight, reverse) = self.weight();
        (
            self.name,
            Trackable {
                weight,
                reverse,
                defined: self.block.head,
            },
        )
    }

    /// Gives the defaults. A block without `file` is reported and dropped.
    pub(super) fn resolve(self, report: &mut Report) -> Option<TrackFile> {
        let (weight, reverse) = self.weight();
        Some(TrackFile {
            name: self.name.to_owned(),
            path: report.require(self.block, "file", self.path)?,
            weight,
            reverse,
            init: self.init,
            place: self.block.head.place(),
        })
    }

    fn weight(&self) -> (i16, bool) {
        let weight = self.weight.unwrap_or_default();
        (weight.weight.unwrap_or(1), weight.reverse.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{good, read, says};

    #[test]
    fn a_file_counts_once_unless_its_weight_says_otherwise() {
        let file = |body: &str| {
            good(&format!("track_file f {{\nfile /x\n{body}\n}}\n"))
                .track_files
                .remove(0)
        };
        let plain = file("");
        assert_eq!((plain.name.as_str(), plain.path.as_str()), ("f", "/x"));
        assert_eq!((plain.weight, plain.reverse, plain.init), (1, false, None));
        assert_eq!(file("weight 254").weight, 254);
        let reversed = file("weight -254 reverse");
        assert_eq!((reversed.weight, reversed.reverse), (-254, true));
        assert_eq!(
            file("init_file").init,
            Some(InitFile {
                value: 0,
                overwrite: false
            })
        );
        assert_eq!(
            file("init_file overwrite 5").init,
            Some(InitFile {
                value: 5,
                overwrite: true
            })
        );
        assert_eq!(
            file("init_file -254").init,
            Some(InitFile {
                value: -254,
                overwrite: false
            })
        );
    }

    #[test]
    fn the_old_name_of_the_block_is_the_same() {
        let old = good("vrrp_track_file f {\nfile /x\n}\n").track_files;
        assert_eq!(old, good("track_file f {\nfile /x\n}\n").track_files);
    }

    #[test]
    fn mistakes_in_lines() {
        says(
            "track_file f",
            "file /x",
            &[
                ("file /y", &["`file` is already specified; the first one is kept"]),
                ("weight 255", &["`255` is out of range"]),
                ("weight -255", &["`-255` is out of range"]),
                ("weight x", &["`x` is not a number"]),
                ("weight", &["`weight` needs a value"]),
                ("weight 5 noreverse", &["unknown option `noreverse` of `weight`"]),
                (
                    "weight 5\nweight 6",
                    &["`weight` is already specified; the first one is kept"],
                ),
                ("init_file 255", &["`255` is out of range"]),
                ("init_file 2147483648", &["`2147483648` is out of range"]),
                ("init_file foo", &["unknown option `foo` of `init_file`"]),
                ("foo", &["unknown keyword `foo` in `track_file`"]),
            ],
        );
    }

    #[test]
    fn a_block_without_a_file_is_dropped() {
        let (config, titles) = read("track_file f {\nweight 5\n}\n");
        assert_eq!(
            (config.track_files, titles),
            (vec![], vec!["`track_file` has no `file`".to_owned()])
        );
        let (config, titles) = read("track_file f {\nfile\n}\n");
        assert_eq!(
            (config.track_files, titles),
            (vec![], vec!["`file` needs a value".to_owned()])
        );
    }
}
