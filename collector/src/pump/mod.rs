//! From the queue to the store: batches, each sent until it is stored, in the order of the queue.
//!
//! - A batch is fixed in the cursor's file, with its token, before it is sent; only when the store has committed it is it
//!   acknowledged. There is one batch under way, so one whose outcome is unknown comes again before any other.
//! - An error of the store as a whole ([`Cause::Store`]) is waited out, however long, with growing pauses; nothing but one
//!   batch and the next is held in memory meanwhile. So is any error while the store cannot be reached
//!   ([`SpanWriter::ping`]): such a store refuses nothing.
//! - An error that may lie in how much was sent ([`Cause::Load`]) is waited out for `pump.max_attempts`. Then the batch is
//!   halved, and halved again, down to a single entry and a single span (`piece`); what was learned of the size holds
//!   for the next batches (`portion`). The entry of a single span that is too much, after as many attempts, is parked.
//! - A batch that the store refuses for good ([`Cause::Request`]) is cut in half until the entry is found that it refuses;
//!   that one is parked with the error, and the rest goes on. A store that refuses one after the other is taken for
//!   broken: from the fourth in a row on each entry waits for a growing pause and another attempt before it is parked.
//! - When parked entries have reached `queue.max_parked_bytes` nothing more is parked: the entry is tried again and
//!   holds up the rest, and the queue fills.
//! - On a stop everything that is in the queue is sent, until the first attempt that fails; what is left stays on disk.
//!
//! [`Cause::Store`]: crate::store::Cause::Store
//! [`Cause::Load`]: crate::store::Cause::Load
//! [`Cause::Request`]: crate::store::Cause::Request
//! [`SpanWriter::ping`]: crate::store::SpanWriter::ping

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::feeder::Feeder;
use self::sender::Sender;
use crate::config;
use crate::queue::Cursor;
use crate::stage::{Drain, Failures};
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

mod attempt;
mod feeder;
mod parking;
mod piece;
mod portion;
pub mod retry;
mod sender;
#[cfg(test)]
mod tests;

/// The store's cursor of the queue.
pub const CURSOR: &str = "store";

pub fn start(
    config: &config::Pump,
    max_parked_bytes: u64,
    cursor: Cursor,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    failures: &Failures,
) -> Drain {
    let draining = CancellationToken::new();
    let fixed = cursor.planned().map(|plan| plan.last);
    let feeder = Feeder::new(cursor.reader(), fixed, config.clone(), Arc::clone(&metrics));
    let sender = Sender::new(config, max_parked_bytes, cursor, store, metrics, draining.clone());
    let (batches, inbox) = mpsc::channel(1);
    Drain::start("pump", failures, draining, sender.run(inbox), move || feeder.run(&batches))
}
