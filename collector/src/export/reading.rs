//! Reads entries for a backend and makes requests of them. It runs where blocking is allowed, because reading and
//! compressing are; it is at most two requests ahead of those under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::backend::Load;
use super::{Item, cursor};
use crate::config;
use crate::queue::reader::{Entry, Read, Reader};
use crate::telemetry::queue::{Loss, Operation, QueueMetrics};

/// How long a reader waits at a time where nothing comes, or after the disk failed.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Reading {
    reader: Reader,
    cursor: String,
    protocol: config::Protocol,
    compression: config::Compression,
    metrics: Arc<QueueMetrics>,
}

impl Reading {
    pub(super) fn new(reader: Reader, settings: &config::Exporter, metrics: Arc<QueueMetrics>) -> Self {
        let config::Exporter { protocol, compression, .. } = *settings;
        Self { reader, cursor: cursor(&settings.name), protocol, compression, metrics }
    }

    /// Until the queue is closed and read to its end, or nobody takes items any more.
    pub(super) fn run(mut self, items: &mpsc::Sender<Item>) {
        let mut open = true;
        while !items.is_closed() {
            match self.reader.read() {
                Ok(Read::End) if !open => return,
                Ok(Read::End) => open = self.reader.wait(PAUSE),
                Ok(Read::Entry(entry)) => {
                    if items.blocking_send(self.item(&entry)).is_err() {
                        return;
                    }
                }
                Ok(Read::Gap { first, last, reason, spans, end }) => {
                    let cursor = &*self.cursor;
                    error!(cursor, first, last, reason = reason.as_str(), "entries of the queue are lost");
                    self.metrics.lost(cursor, reason, last + 1 - first, spans);
                    let item = Item { sequence: last, end, spans: 0, load: None };
                    if items.blocking_send(item).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.metrics.failed(Operation::Read);
                    warn!(cursor = self.cursor, %error, "the queue cannot be read; it is tried again");
                    std::thread::park_timeout(PAUSE);
                }
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
