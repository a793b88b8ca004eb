//! Takes parked entries back that `meshtap queue retry` has marked: each becomes a new entry at the end of the queue, and
//! its file goes.
//!
//! A crash in between leaves both: the spans are then sent twice, and shown once by the store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::queue::disk::Disk;
use crate::queue::parked::{self, DAMAGED, Parked, RETRY};
use crate::queue::{Appender, Queue};
use crate::telemetry::queue::{Operation, QueueMetrics};

/// How often marked entries are looked for.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Retrier {
    disk: Arc<dyn Disk>,
    queue: Appender,
    metrics: Arc<QueueMetrics>,
}

impl Retrier {
    pub fn new(queue: &Queue) -> Self {
        let metrics = Arc::clone(&queue.log().metrics);
        Self { disk: Arc::clone(queue.log().disk()), queue: queue.appender(), metrics }
    }

    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.take_all().await {
                self.metrics.failed(Operation::Retry);
                warn!(%error, "parked entries cannot be taken back; it is tried again");
            }
        }
    }

    async fn take_all(&self) -> io::Result<()> {
        for id in self.with_disk(|disk| parked::ids(disk, RETRY)).await? {
            let Some(parked) = self.with_disk(move |disk| read(disk, id)).await? else { continue };
            let appended = self.queue.append_packed(parked.packed).await;
            let sequence = appended.map_err(io::Error::other)?;
            self.with_disk(move |disk| {
                disk.remove(&parked::name(id, RETRY))?;
                disk.sync()
            })
            .await?;
            self.metrics.retried();
            info!(entry = id, as_entry = sequence, "a parked entry is in the queue again");
        }
        Ok(())
    }

    async fn with_disk<T: Send + 'static>(
        &self,
        run: impl FnOnce(&dyn Disk) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let disk = Arc::clone(&self.disk);
        let done = tokio::task::spawn_blocking(move || run(&*disk)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// `None` when the file is no entry.
fn read(disk: &dyn Disk, id: u64) -> io::Result<Option<Parked>> {
    match parked::read(disk, &parked::name(id, RETRY)) {
        Ok(parked) => Ok(Some(parked)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            warn!(entry = id, "a parked entry is damaged and cannot be taken back");
            disk.rename(&parked::name(id, RETRY), &parked::name(id, DAMAGED))?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
