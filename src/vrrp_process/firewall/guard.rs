//! Keeps the tables as they should be, on the thread that writes: others may change them at any time.

use std::time::{Duration, Instant};

use super::{Firewall, Subject};
use crate::vrrp_process::vmac::make::Created;
use netlink::nftables::{Family, Nftables, Table, Touched, Watch};
use netlink::{Error, OpenError};
use tracing::{error, info};

/// Repairs come no closer to each other than this.
const PAUSE: Duration = Duration::from_millis(250);

/// A burst of changes is over when none comes for so long.
const CALM: Duration = Duration::from_millis(5);

/// What is to become of the tables.
#[derive(Debug)]
pub(in crate::vrrp_process) enum Order {
    /// They are to be about this.
    Keep { firewall: Firewall, subject: Subject },
    /// Those of this name are to go.
    Remove(String),
}

impl Order {
    /// Interfaces that have just been made.
    pub(in crate::vrrp_process) fn learn(&mut self, created: &Created) {
        if let Self::Keep { subject, .. } = self {
            subject.learn(created.macvlans.clone());
        }
    }
}

/// The tables, once there have been any.
#[derive(Debug, Default)]
pub(in crate::vrrp_process) struct Guard {
    open: Option<Open>,
    wanted: Vec<Table>,
    repaired: Option<Instant>,
    /// What the log was told last is wrong.
    complaint: Option<String>,
}

#[derive(Debug)]
struct Open {
    nftables: Nftables,
    watch: Watch,
}

impl Guard {
    /// Before addresses change: nothing is let in that will be refused or was.
    pub(in crate::vrrp_process) async fn before(&mut self, order: &Order) {
        let Order::Keep { firewall, subject } = order else {
            return;
        };
        if self.open.is_none() {
            match open() {
                Ok(open) => self.open = Some(open),
                Err(error) => return self.complain(&error.to_string()),
            }
        }
        let tables = firewall.tables(subject);
        let widened = tables.iter().map(|table| self.widened(table)).collect();
        self.write(widened).await;
    }

    /// After addresses have changed.
    pub(in crate::vrrp_process) async fn after(&mut self, order: Order) {
        match order {
            Order::Keep { firewall, subject } => self.write(firewall.tables(&subject).into()).await,
            Order::Remove(name) => {
                self.wanted.clear();
                let Some(mut open) = self.open.take() else {
                    return;
                };
                for family in [Family::V4, Family::V6] {
                    if let Err(error) = open.nftables.remove(family, &name).await {
                        self.complain(&error.to_string());
                    }
                }
            }
        }
    }

    /// Removes the tables that a killed run of this owner has left. Those of the present configuration are replaced anyway.
    pub(in crate::vrrp_process) async fn clean(&mut self, owner: &str) {
        let Ok(mut nftables) = Nftables::open() else {
            return;
        };
        // A kernel without nftables has no tables either.
        for table in nftables.list().await.unwrap_or_default() {
            if table.comment != owner {
                continue;
            }
            match nftables.remove(table.family, &table.name).await {
                Ok(()) => info!("Removed the nftables table {} of an earlier run", table.name),
                Err(error) => error!("Unable to remove the nftables table {}: {error}", table.name),
            }
        }
    }

    /// Waits until somebody else has changed a table of ours. Nothing is lost when this future is dropped.
    pub(in crate::vrrp_process) async fn touched(&mut self) {
        let Some(Open { nftables, watch }) = &mut self.open else {
            return std::future::pending().await;
        };
        loop {
            let told = watch.next(nftables.port()).await;
            if hear(nftables, &self.wanted, &told) {
                return;
            }
        }
    }

    /// Writes anew what was changed.
    pub(in crate::vrrp_process) async fn repair(&mut self) {
        if let Some(repaired) = self.repaired {
            tokio::time::sleep(PAUSE.saturating_sub(repaired.elapsed())).await;
        }
        self.repaired = Some(Instant::now());
        if let Some(Open { nftables, watch }) = &mut self.open {
            // A burst of changes is one.
            while let Ok(told) = tokio::time::timeout(CALM, watch.next(nftables.port())).await {
                hear(nftables, &self.wanted, &told);
            }
        }
        if let Some(table) = self.wanted.first() {
            info!(
                "nftables table {} was changed by another program, writing it anew",
                table.name
            );
        }
        self.write(self.wanted.clone()).await;
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
            error!("Unable to keep virtual addresses from accepting packets: {complaint}");
            self.complaint = Some(complaint.to_owned());
        }
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

fn open() -> Result<Open, OpenError> {
    Ok(Open {
        nftables: Nftables::open()?,
        watch: Watch::open()?,
    })
}
