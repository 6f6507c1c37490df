//! Keeps nftables tables of our own as they should be: others may change them at any time.
//!
//! Absent: what is in them. The VRRP process has its firewall, the checker process its marks.

use std::time::Duration;

use netlink::nftables::{Family, Named, Nftables, Table, Touched, Watch};
use netlink::{Error, OpenError};
use tracing::{error, info};

use crate::net_place::NetPlace;
use crate::repair::Repairs;
use crate::timer::now;

/// A repair waits so long, as changes come in bursts.
const BURST: Duration = Duration::from_millis(5);

/// The tables, once there have been any.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What the log says is not done if the tables cannot be written.
    purpose: &'static str,
    /// Where the tables are.
    place: NetPlace,
    open: Option<Open>,
    wanted: Vec<Table>,
    /// Of tables, by their family.
    repairs: Repairs<Family>,
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
            repairs: Repairs::new(BURST),
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
        self.write(&tables).await;
        self.wanted = tables;
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

    /// Waits until the repair is due of a table of ours that somebody else has changed: soon, and later and later against
    /// someone who does it again and again. `tell` hears of each such loss. Nothing is lost when this future is dropped.
    pub(crate) async fn touched(&mut self, tell: impl Fn(Family)) {
        let Some(Open { nftables, watch }) = &mut self.open else {
            return std::future::pending().await;
        };
        loop {
            let next = watch.next(nftables.port());
            let told = match self.repairs.next_deadline() {
                None => next.await,
                Some(due) => {
                    let Ok(told) = tokio::time::timeout(due - now(), next).await else {
                        return;
                    };
                    told
                }
            };
            for table in hear(nftables, &self.wanted, &told) {
                let loss = self.repairs.lost(table.family, now());
                // After lost events all that is known is that nothing is.
                if matches!(told, Ok(Touched::Table(..))) {
                    let family = match table.family {
                        Family::V4 => "ip",
                        Family::V6 => "ip6",
                    };
                    let name = &table.name;
                    info!("nftables table {family} {name} was changed by another program, {loss}");
                    tell(table.family);
                }
            }
        }
    }

    /// Writes anew what was changed and is due.
    pub(crate) async fn repair(&mut self) {
        let due = self.repairs.due(now());
        let tables = self.wanted.clone().into_iter();
        let tables: Vec<Table> = tables.filter(|table| due.contains(&table.family)).collect();
        self.write(&tables).await;
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

    async fn write(&mut self, tables: &[Table]) {
        let Some(open) = &mut self.open else {
            return;
        };
        let mut wrong: Option<Error> = None;
        for table in tables {
            wrong = open.nftables.apply(table).await.err().or(wrong);
        }
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

/// The tables of ours that are not what they were.
fn hear<'a>(nftables: &mut Nftables, wanted: &'a [Table], told: &Result<Touched, Error>) -> Vec<&'a Table> {
    let ours = wanted.iter().filter(|table| match told {
        Ok(Touched::Table(family, name)) => table.family == *family && table.name == *name,
        Ok(Touched::Any) | Err(_) => true,
    });
    let mut changed = Vec::new();
    for table in ours {
        changed.extend(nftables.written(table.family, &table.name).map(|_| table));
        nftables.touched(table.family, &table.name);
    }
    changed
}
