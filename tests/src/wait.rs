//! Waiting for a condition, with a deadline. Tests never wait for time to pass.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// Long enough for a busy machine; a condition that holds is seen within a few milliseconds.
pub const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `poll` again and again until it answers, or until [`DEADLINE`] has passed.
pub fn poll<T>(mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = poll() {
            return Some(value);
        }
        if started.elapsed() > DEADLINE {
            return None;
        }
        park_timeout(PAUSE);
    }
}

/// Like [`poll`]; panics with `what` was waited for when the deadline passes.
#[track_caller]
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    match poll(condition) {
        Some(value) => value,
        None => panic!("waited {} s in vain for {what}", DEADLINE.as_secs()),
    }
}
