//! What the stand-in remembers of each exchange.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Token counts as the provider reported them; the input includes what came from a cache or went into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    pub cached_input: u64,
    pub cache_creation_input: u64,
    pub reasoning_output: u64,
}

/// How an exchange ended, seen from the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was sent.
    Complete,
    /// The connection was closed by the other side before everything was sent.
    ClientGone,
    /// The stand-in reset the connection.
    Reset,
}

pub type Headers = Vec<(String, String)>;

#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub request_headers: Headers,
    pub request_body: Vec<u8>,
    pub status: u16,
    pub response_headers: Headers,
    /// The body as sent so far.
    pub sent: Vec<u8>,
    pub response_id: String,
    pub response_model: String,
    /// The counts in what was sent; none when there were none.
    pub usage: Option<Usage>,
    pub end: Option<End>,
}

/// Every exchange by the name that its request gave it.
#[derive(Default)]
pub(super) struct Records {
    exchanges: Mutex<HashMap<String, Exchange>>,
    /// How often each has begun.
    times: Mutex<HashMap<String, usize>>,
    /// The calls that need not wait any longer.
    released: Mutex<HashSet<String>>,
}

impl Records {
    pub(super) fn begin(&self, call: &str, exchange: Exchange) {
        self.lock().insert(call.to_owned(), exchange);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times.entry(call.to_owned()).or_default() += 1;
    }

    pub(super) fn times(&self, call: &str) -> usize {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).get(call).copied().unwrap_or_default()
    }

    pub(super) fn sent(&self, call: &str, bytes: &[u8]) {
        self.change(call, |exchange| exchange.sent.extend_from_slice(bytes));
    }

    pub(super) fn end(&self, call: &str, end: End) {
        self.change(call, |exchange| exchange.end = Some(end));
    }

    pub(super) fn ended(&self, call: &str) -> Option<Exchange> {
        self.lock().get(call).filter(|exchange| exchange.end.is_some()).cloned()
    }

    pub(super) fn release(&self, call: &str) {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).insert(call.to_owned());
    }

    pub(super) fn is_released(&self, call: &str) -> bool {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).contains(call)
    }

    fn change(&self, call: &str, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.lock().get_mut(call) {
            change(exchange);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
