//! The flat text: how lines and their markers are written and recognised.

use crate::place::Place;

/// Writes the flat text.
#[derive(Default)]
pub(super) struct Flat {
    pub(super) text: String,
    /// The place the next line has if no marker comes before it.
    next: Place,
    /// Files whose names have been written, by number.
    named: Vec<bool>,
}

impl Flat {
    /// Writes one line with the place it comes from.
    pub(super) fn line(&mut self, place: Place, name: &str, text: &str) {
        self.go_to(place, name);
        if text.starts_with('#') {
            self.text.push(' '); // column 1 belongs to the markers
        }
        self.text.push_str(text);
        self.text.push('\n');
        self.next = Place {
            line: place.line + 1,
            ..place
        };
    }

    fn go_to(&mut self, place: Place, name: &str) {
        let skipped = place.line.checked_sub(self.next.line);
        let file = place.file as usize;
        if self.named.len() <= file {
            self.named.resize(file + 1, false);
        }
        let named = std::mem::replace(&mut self.named[file], true);
        match skipped {
            Some(lines @ 0..=4) if named && place.file == self.next.file => {
                self.text.extend(std::iter::repeat_n('\n', lines as usize));
            }
            _ => {
                let name = if named {
                    String::new()
                } else {
                    format!(" {}", name.replace(['\n', '\0'], "?"))
                };
                let marker = format!("# {} {}{name}\n", place.line, place.file);
                self.text.push_str(&marker);
            }
        }
    }
}

/// Reads a line as a marker: the place of the next line, and the file's name at its first mention.
pub(crate) fn marker(line: &str) -> Option<(Place, Option<&str>)> {
    let mut parts = line.strip_prefix("# ")?.splitn(3, ' ');
    let line = parts.next()?.parse().ok()?;
    let file = parts.next()?.parse().ok()?;
    Some((Place { file, line }, parts.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_stand_only_where_lines_jump() {
        let mut flat = Flat::default();
        let at = |file, line| Place { file, line };
        flat.line(at(0, 1), "a.conf", "one");
        flat.line(at(0, 2), "a.conf", "two");
        flat.line(at(0, 4), "a.conf", "four");
        flat.line(at(1, 1), "b.conf", "in b");
        flat.line(at(0, 6), "a.conf", "# not a marker");
        flat.line(at(0, 6), "a.conf", "the same line again");
        flat.line(at(0, 90), "a.conf", "far below");
        insta::assert_snapshot!(flat.text, @r"
        # 1 0 a.conf
        one
        two

        four
        # 1 1 b.conf
        in b
        # 6 0
         # not a marker
        # 6 0
        the same line again
        # 90 0
        far below
        ");
    }
}
