//! Keeps the tables of `nftables_ipvs` as they should be, in a task beside the loop, which does not wait for it.

use std::future::pending;
use std::time::Duration;

use netlink::nftables::Table;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::net_place::NetPlace;
use crate::nft_guard::Guard;

/// How soon tables that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The task.
pub(super) struct Marker {
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

enum Order {
    /// The tables are to be these.
    Keep(Vec<Table>),
    /// They are to go.
    Remove,
}

impl Marker {
    /// Begins, where IPVS sees the packets. With the first order the tables go that a killed run of this owner has left,
    /// unless they are wanted.
    pub(super) fn start(owner: String, place: NetPlace) -> Self {
        let (orders, waiting) = unbounded_channel();
        Self {
            orders,
            task: tokio::spawn(work(waiting, owner, place)),
        }
    }

    /// Makes the tables what is wanted; none, if none ever were.
    pub(super) fn keep(&self, tables: Option<[Table; 2]>) {
        let tables = tables.into_iter().flatten().collect();
        // The task takes orders as long as we give them.
        let _ = self.orders.send(Order::Keep(tables));
    }

    /// Ends when what was asked for is done; removes the tables if they are to be.
    pub(super) async fn finish(self, removes: bool) {
        if removes {
            let _ = self.orders.send(Order::Remove);
        }
        drop(self.orders);
        let _ = self.task.await;
    }
}

async fn work(mut orders: UnboundedReceiver<Order>, owner: String, place: NetPlace) {
    let mut guard = Guard::new(
        "have nftables mark the packets to groups of virtual servers",
        place,
    );
    let mut wanted: Vec<Table> = Vec::new();
    let mut is_first = true;
    loop {
        let is_wrong = guard.is_wrong();
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Keep(tables)) => {
                    wanted = tables;
                    if !wanted.is_empty() {
                        guard.keep(wanted.clone()).await;
                    }
                    if std::mem::take(&mut is_first) {
                        guard.clean(&owner).await;
                    }
                }
                Some(Order::Remove) => {
                    if let Some(table) = wanted.first() {
                        guard.remove(&table.name).await;
                    }
                }
                None => return,
            },
            () = guard.touched(|_| {}) => guard.repair().await,
            () = again(is_wrong) => guard.keep(wanted.clone()).await,
        }
    }
}

/// Waits until what is wrong is to be tried again.
async fn again(is_wrong: bool) {
    if is_wrong {
        tokio::time::sleep(RETRY).await;
    } else {
        pending::<()>().await;
    }
}
