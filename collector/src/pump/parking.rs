//! Puts entries aside that the store does not take, so that the rest goes on.

use tracing::error;

use super::attempt::Outcome;
use super::feeder::{Fed, Part};
use super::sender::{Sender, Stopped};
use crate::store::{Batch, StoreError};

/// Entries in a row that are parked without a pause.
const FREE_PARKS: u32 = 3;

impl Sender {
    /// The store has refused this entry alone. Returns when it is parked, or stored after all.
    pub(super) async fn refused(
        &mut self,
        part: &Part,
        batch: &Fed,
        mut error: StoreError,
    ) -> Result<(), Stopped> {
        if self.parked_in_a_row >= FREE_PARKS {
            self.pause().await?;
            let token = self.plan(part.sequence).await?.token;
            let spans = batch.of(part.spans.clone());
            match self.write(Batch::new(token, spans), self.max_attempts).await? {
                Outcome::Stored => {
                    self.parked_in_a_row = 0;
                    return Ok(());
                }
                Outcome::Refused(again) | Outcome::TooMuch(again) => error = again,
            }
        }
        self.set_aside(part, batch, &error).await
    }

    /// Returns when the entry is parked.
    pub(super) async fn set_aside(
        &mut self,
        part: &Part,
        batch: &Fed,
        error: &StoreError,
    ) -> Result<(), Stopped> {
        self.parked_in_a_row = self.parked_in_a_row.saturating_add(1);
        let trace_id = batch.spans.get(part.spans.start).map(|span| span.trace_id.to_string());
        error!(entry = part.sequence, trace_id, error = error.chain(), "the store does not take an entry");
        self.park(part.sequence, error.chain()).await
    }

    /// Returns when the entry is parked.
    pub(super) async fn park(&mut self, sequence: u64, reason: String) -> Result<(), Stopped> {
        loop {
            let (max, why) = (self.max_parked_bytes, reason.clone());
            let parked = self.cursor.with(move |cursor| cursor.park(sequence, &why, max)).await;
            match parked {
                Ok(()) => {
                    error!(entry = sequence, reason, "an entry is parked; see meshtap queue show {sequence}");
                    return Ok(());
                }
                Err(problem) => {
                    error!(entry = sequence, reason, %problem, "an entry cannot be parked and holds up the queue");
                    self.pause().await?;
                }
            }
        }
    }
}
