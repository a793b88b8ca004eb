//! The ids and starts of the latest spans that were stored, a bounded number of them: what comes again soon is recognized without
//! asking the server. What comes again later, or through another collector, is left to the table's merges and to
//! the queries.

use std::collections::{HashSet, VecDeque};

use foldhash::fast::RandomState;

use crate::model::{SpanKey, SpanRecord};

type Keys = HashSet<SpanKey, RandomState>;

#[derive(Debug)]
pub(super) struct Remembered {
    capacity: usize,
    keys: Keys,
    /// The same, oldest first.
    order: VecDeque<SpanKey>,
}

impl Remembered {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, keys: Keys::default(), order: VecDeque::new() }
    }

    /// The spans of the batch that are new, and the positions of the others.
    pub(super) fn split<'a>(&self, batch: &'a [SpanRecord]) -> (Vec<&'a SpanRecord>, Vec<usize>) {
        let mut in_batch = Keys::with_capacity_and_hasher(batch.len(), RandomState::default());
        let (mut fresh, mut duplicates) = (Vec::with_capacity(batch.len()), Vec::new());
        for (position, span) in batch.iter().enumerate() {
            let key = span.key();
            if in_batch.insert(key) && !self.keys.contains(&key) {
                fresh.push(span);
            } else {
                duplicates.push(position);
            }
        }
        (fresh, duplicates)
    }

    /// The spans have been stored.
    pub(super) fn add(&mut self, spans: &[&SpanRecord]) {
        for span in spans {
            let key = span.key();
            if self.keys.insert(key) {
                self.order.push_back(key);
            }
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::plain_span;

    #[test]
    fn the_latest_are_remembered() {
        let mut remembered = Remembered::new(2);
        let spans: Vec<SpanRecord> = (1..=3).map(|n| plain_span(n, 1)).collect();
        remembered.add(&spans.iter().collect::<Vec<_>>());
        let (fresh, duplicates) = remembered.split(&spans);
        assert_eq!((fresh, duplicates), (vec![&spans[0]], vec![1, 2]));
    }

    #[test]
    fn a_batch_may_repeat_itself() {
        let batch = [plain_span(1, 1), plain_span(1, 2), plain_span(1, 1)];
        let (fresh, duplicates) = Remembered::new(2).split(&batch);
        assert_eq!((fresh, duplicates), (vec![&batch[0], &batch[1]], vec![2]));
    }
}
