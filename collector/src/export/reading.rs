//! Reads entries for a backend and makes requests of them. It runs where blocking is allowed, because reading and
//! compressing are; it is at most two requests ahead of those under way.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::error;

use super::backend::Load;
use super::{Item, cursor};
use crate::config;
use crate::queue::reader::{Entry, Reader};
use crate::queue::tail::{Next, PAUSE, Tail};
use crate::telemetry::queue::{Loss, QueueMetrics};

pub(super) struct Reading {
    tail: Tail,
    cursor: String,
    protocol: config::Protocol,
    compression: config::Compression,
    metrics: Arc<QueueMetrics>,
}

impl Reading {
    pub(super) fn new(reader: Reader, settings: &config::Exporter, metrics: Arc<QueueMetrics>) -> Self {
        let config::Exporter { protocol, compression, .. } = *settings;
        let cursor = cursor(&settings.name);
        Self {
            tail: Tail::new(reader, &cursor, Arc::clone(&metrics)),
            cursor,
            protocol,
            compression,
            metrics,
        }
    }

    /// Until the queue is closed and read to its end, or nobody takes items any more.
    pub(super) fn run(mut self, items: &mpsc::Sender<Item>) {
        while !items.is_closed() {
            let item = match self.tail.take() {
                Next::Entry(entry) => self.item(&entry),
                Next::Lost { last, end } => Item { sequence: last, end, spans: 0, load: None },
                Next::Nothing => {
                    self.tail.wait(PAUSE);
                    continue;
                }
                Next::Over => return,
            };
            if items.blocking_send(item).is_err() {
                return;
            }
        }
    }

    fn item(&self, entry: &Entry) -> Item {
        let Entry { sequence, packed, end, .. } = entry;
        let load = Load::new(packed, self.protocol, self.compression);
        if load.is_none() {
            error!(cursor = self.cursor, entry = sequence, "an entry cannot be decompressed and is lost");
            self.metrics.lost(&self.cursor, Loss::Damaged, 1, Some(packed.spans));
        }
        let spans = if load.is_some() { packed.spans } else { 0 };
        Item { sequence: *sequence, end: *end, spans, load }
    }
}
