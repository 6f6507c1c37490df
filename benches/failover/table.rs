//! What was measured, as a table for people (Markdown) or as JSON.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// One thing that was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// What it says, the same for both daemons.
    pub(crate) what: &'static str,
    pub(crate) value: Value,
    /// The most that Holdfast may have, where the project demands something.
    pub(crate) demand: Option<Value>,
}

/// A measured value; the smaller the better.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Value {
    Milliseconds(f64),
    /// Share of one core in percent.
    Percent(f64),
    Mebibytes(f64),
    Count(u64),
}

/// The lines of the table, in the order of the scenes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    scene: &'static str,
    what: &'static str,
    /// Holdfast's value, keepalived's.
    values: [Option<Value>; 2],
    demand: Option<Value>,
}

impl Figure {
    /// Something of which nothing is demanded.
    pub(crate) fn new(what: &'static str, value: Value) -> Self {
        Self {
            what,
            value,
            demand: None,
        }
    }

    /// The same, with what is demanded of Holdfast.
    pub(crate) fn at_most(self, demand: Value) -> Self {
        Self {
            demand: Some(demand),
            ..self
        }
    }
}

impl Value {
    /// A duration in milliseconds.
    pub(crate) fn ms(duration: Duration) -> Self {
        Self::Milliseconds(duration.as_secs_f64() * 1e3)
    }

    fn number(self) -> f64 {
        match self {
            Self::Milliseconds(number) | Self::Percent(number) | Self::Mebibytes(number) => number,
            // A count of adverts or writes is far below 2^53.
            Self::Count(count) => u32::try_from(count).map_or(f64::INFINITY, f64::from),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds(number) => write!(f, "{number:.2} ms"),
            Self::Percent(number) => write!(f, "{number:.1} %"),
            Self::Mebibytes(number) => write!(f, "{number:.1} MiB"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

impl Table {
    /// Writes what a daemon (0 Holdfast, 1 keepalived) has shown in a scene.
    pub(crate) fn add(&mut self, scene: &'static str, column: usize, figures: Vec<Figure>) {
        for Figure { what, value, demand } in figures {
            let known = self
                .rows
                .iter()
                .position(|row| (row.scene, row.what) == (scene, what));
            let at = known.unwrap_or_else(|| {
                self.rows.push(Row {
                    scene,
                    what,
                    values: [None, None],
                    demand,
                });
                self.rows.len() - 1
            });
            if let Some(cell) = self.rows.get_mut(at).and_then(|row| row.values.get_mut(column)) {
                *cell = Some(value);
            }
        }
    }

    /// The table in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut lines =
            vec![["scene", "what", "Holdfast", "keepalived", "ratio", "demanded"].map(str::to_owned)];
        for row in &self.rows {
            let cell = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            let [ours, theirs] = row.values;
            let ratio = row
                .ratio()
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
            let demand = row.demand.map_or_else(String::new, |demand| {
                let verdict = if row.is_met() { "met" } else { "NOT MET" };
                format!("<= {demand}: {verdict}")
            });
            lines.push([
                row.scene.to_owned(),
                row.what.to_owned(),
                cell(ours),
                cell(theirs),
                ratio,
                demand,
            ]);
        }
        let widths: [usize; 6] = std::array::from_fn(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        });
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            // Writing to a String cannot fail.
            for (cell, width) in line.iter().zip(widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text += "|\n";
            if number == 0 {
                for width in widths {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                }
                text += "|\n";
            }
        }
        text
    }

    /// The same as an array of objects.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| {
                let [ours, theirs] = row.values.map(|value| value.map(|value| value.to_string()));
                serde_json::json!({
                    "scene": row.scene,
                    "what": row.what,
                    "holdfast": ours,
                    "keepalived": theirs,
                    "ratio": row.ratio(),
                    "demanded": row.demand.map(|demand| demand.to_string()),
                    "met": row.demand.map(|_| row.is_met()),
                })
            })
            .collect();
        format!("{:#}\n", serde_json::Value::from(rows))
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let [Some(ours), Some(theirs)] = self.values else {
            return None;
        };
        (theirs.number() > 0.0).then(|| ours.number() / theirs.number())
    }

    fn is_met(&self) -> bool {
        match (self.values[0], self.demand) {
            (Some(value), Some(demand)) => value <= demand,
            _ => false,
        }
    }
}
