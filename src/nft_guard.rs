//! Keeps nftables tables of our own as they should be: others may change them at any time.
//!
//! Absent: what is in them. The VRRP process has its firewall, the checker process its marks.

use std::time::{Duration, Instant};

use netlink::nftables::{Family, Named, Nftables, Table, Touched, Watch};
use netlink::{Error, OpenError};
use tracing::{error, info};

use crate::net_place::NetPlace;

/// A repair waits so long, as changes come in bursts.
const BURST: Duration = Duration::from_millis(5);

/// The second repair in a row waits so long, each after it twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// No repair waits longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// So long after a repair nobody may have touched anything for the next to be the first again; or twice the last wait.
const CALM: Duration = Duration::from_secs(10);

/// The tables, once there have been any.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What the log says is not done if the tables cannot be written.
    purpose: &'static str,
    /// Where the tables are.
    place: NetPlace,
    open: Option<Open>,
    wanted: Vec<Table>,
    repaired: Option<Instant>,
    /// How long the last repair waited.
    wait: Duration,
    /// When the next repair is made.
    due: Option<Instant>,
    /// What the log was told last is wrong.
    complaint: Option<String>,
}

#[derive(Debug)]
struct Open {
    nftables: Nftables,
    watch: Watch,
}

impl Guard {
    /// A guard of nothing yet; `purpose` goes on after "Unable to".
    pub(crate) fn new(purpose: &'static str, place: NetPlace) -> Self {
        Self {
            purpose,
            place,
            open: None,
            wanted: Vec::new(),
            repaired: None,
            wait: Duration::ZERO,
            due: None,
            complaint: None,
        }
    }

    /// Makes the tables what they should be, and keeps them so.
    pub(crate) async fn keep(&mut self, tables: Vec<Table>) {
        if self.open.is_none() {
            match self.open() {
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    self.wanted = tables;
                    return self.complain(&error.to_string());
                }
            }
        }
        self.write(tables).await;
    }

    /// The same, but their sets keep what else is in them now.
    pub(crate) async fn widen(&mut self, tables: &[Table]) {
        self.keep(tables.iter().map(|table| self.widened(table)).collect())
            .await;
    }

    /// Whether the tables could not be written last.
    pub(crate) fn is_wrong(&self) -> bool {
        self.complaint.is_some()
    }

    /// Removes the tables of this name.
    pub(crate) async fn remove(&mut self, name: &str) {
        self.wanted.clear();
        let Some(mut open) = self.open.take() else {
            return;
        };
        for family in [Family::V4, Family::V6] {
            if let Err(error) = open.nftables.remove(family, name).await {
                self.complain(&error.to_string());
            }
        }
    }

    /// Removes the tables that a killed run of this owner has left. Those that are wanted have been replaced.
    pub(crate) async fn clean(&mut self, owner: &str) {
        let Ok(Ok(mut nftables)) = self.place.run(Nftables::open) else {
            return;
        };
        // A kernel without nftables has no tables either.
        for table in nftables.list().await.unwrap_or_default() {
            if table.comment != owner || self.is_wanted(&table) {
                continue;
            }
            match nftables.remove(table.family, &table.name).await {
                Ok(()) => info!("Removed the nftables table {} of an earlier run", table.name),
                Err(error) => error!("Unable to remove the nftables table {}: {error}", table.name),
            }
        }
    }

    /// Waits until somebody else has changed a table of ours and the repair is due: soon, and later and later against
    /// someone who does it again and again. Nothing is lost when this future is dropped.
    pub(crate) async fn touched(&mut self) {
        let Some(Open { nftables, watch }) = &mut self.open else {
            return std::future::pending().await;
        };
        loop {
            let next = watch.next(nftables.port());
            let told = match self.due {
                None => next.await,
                Some(due) => {
                    let left = due.saturating_duration_since(Instant::now());
                    let Ok(told) = tokio::time::timeout(left, next).await else {
                        self.due = None;
                        return;
                    };
                    told
                }
            };
            if hear(nftables, &self.wanted, &told) && self.due.is_none() {
                self.wait = wait_after(self.wait, self.repaired.map(|repaired| repaired.elapsed()));
                self.due = Some(Instant::now() + self.wait);
            }
        }
    }

    /// Writes anew what was changed.
    pub(crate) async fn repair(&mut self) {
        self.repaired = Some(Instant::now());
        if let Some(table) = self.wanted.first() {
            info!(
                "nftables table {} was changed by another program, writing it anew",
                table.name
            );
        }
        self.write(self.wanted.clone()).await;
    }

    fn open(&self) -> Result<Open, OpenError> {
        self.place.run(|| {
            Ok(Open {
                nftables: Nftables::open()?,
                watch: Watch::open()?,
            })
        })?
    }

    fn is_wanted(&self, found: &Named) -> bool {
        let mut wanted = self.wanted.iter();
        wanted.any(|table| table.family == found.family && table.name == found.name)
    }

    async fn write(&mut self, tables: Vec<Table>) {
        let Some(open) = &mut self.open else {
            return;
        };
        let mut wrong: Option<Error> = None;
        for table in &tables {
            wrong = open.nftables.apply(table).await.err().or(wrong);
        }
        self.wanted = tables;
        self.due = None;
        match wrong {
            Some(error) => self.complain(&error.to_string()),
            None => self.complaint = None,
        }
    }

    fn widened(&self, table: &Table) -> Table {
        let mut table = table.clone();
        let written = self.wanted.iter().find(|it| it.family == table.family);
        for set in &mut table.sets {
            let old = written.and_then(|table| table.sets.iter().find(|old| old.name == set.name));
            for (key, data) in old.map(|old| &old.elements).into_iter().flatten() {
                set.elements.entry(key.clone()).or_insert_with(|| data.clone());
            }
        }
        table
    }

    fn complain(&mut self, complaint: &str) {
        if self.complaint.as_deref() != Some(complaint) {
            error!("Unable to {}: {complaint}", self.purpose);
            self.complaint = Some(complaint.to_owned());
        }
    }
}

/// How long a repair waits: `before` is what the last one waited, and `since` how long ago that was.
fn wait_after(before: Duration, since: Option<Duration>) -> Duration {
    match since {
        Some(since) if since < CALM.max(before * 2) => (before * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
        _ => BURST,
    }
}

/// Whether a table of ours is not what it was.
fn hear(nftables: &mut Nftables, wanted: &[Table], told: &Result<Touched, Error>) -> bool {
    let ours = wanted.iter().filter(|table| match told {
        Ok(Touched::Table(family, name)) => table.family == *family && table.name == *name,
        Ok(Touched::Any) | Err(_) => true,
    });
    let mut any = false;
    for table in ours {
        any |= nftables.written(table.family, &table.name).is_some();
        nftables.touched(table.family, &table.name);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_fought_over_waits_longer_and_longer_and_in_calm_hardly_at_all() {
        let mut wait = wait_after(Duration::ZERO, None);
        assert_eq!(wait, BURST);
        let mut waits = Vec::new();
        for _ in 0..10 {
            wait = wait_after(wait, Some(Duration::from_millis(1)));
            waits.push(wait.as_millis());
        }
        assert_eq!(
            waits,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
        assert_eq!(wait_after(wait, Some(Duration::from_secs(119))), LONGEST_WAIT);
        assert_eq!(wait_after(wait, Some(Duration::from_mins(2))), BURST);
        assert_eq!(wait_after(FIRST_WAIT, Some(CALM)), BURST);
    }
}
