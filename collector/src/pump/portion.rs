//! How many spans the store takes at once, as far as batches that were too much for it have taught.
//!
//! Without a bound until then. It grows again, slowly: what was short may be there again.

use super::feeder::Part;
use super::piece::Piece;

/// Batches of the size that must be stored before a larger one is tried.
const GROWS_AFTER: u32 = 30;

#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    spans: usize,
    stored: u32,
}

impl Default for Portion {
    fn default() -> Self {
        Self { spans: usize::MAX, stored: 0 }
    }
}

impl Portion {
    /// How many of the entries fit; one at least.
    pub(super) fn entries(&self, rest: &[Part]) -> usize {
        let start = rest.first().map_or(0, |first| first.spans.start);
        let fit = rest.iter().take_while(|part| part.spans.end - start <= self.spans);
        fit.count().max(1).min(rest.len())
    }

    /// Where even one entry of so many spans does not fit: the first of pieces that do.
    pub(super) fn piece(&self, spans: usize) -> Option<Piece> {
        let parts = spans.div_ceil(self.spans).next_power_of_two();
        (parts > 1).then(|| Piece::first(parts, spans))
    }

    pub(super) fn too_much(&mut self, spans: usize) {
        *self = Self { spans: (spans / 2).max(1), stored: 0 };
    }

    pub(super) const fn stored(&mut self) {
        self.stored += 1;
        if self.stored >= GROWS_AFTER {
            *self = Self { spans: self.spans.saturating_mul(2), stored: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Position;

    fn parts(sizes: &[usize]) -> Vec<Part> {
        let mut start = 50;
        let part = |size: &usize| {
            start += size;
            Part { sequence: 1, spans: start - size..start, end: Position::default() }
        };
        sizes.iter().map(part).collect()
    }

    #[test]
    fn it_shrinks_at_once_and_grows_slowly() {
        let mut portion = Portion::default();
        let parts = parts(&[10, 10, 20, 5]);
        assert_eq!((portion.entries(&parts), portion.piece(1_000_000)), (4, None));
        portion.too_much(45);
        assert_eq!((portion.entries(&parts), portion.entries(&parts[2..])), (2, 1));
        assert_eq!(portion.piece(20), None);
        assert_eq!(portion.piece(100), Some(Piece::first(8, 100)));
        for _ in 1..GROWS_AFTER {
            portion.stored();
        }
        assert_eq!(portion.entries(&parts), 2);
        portion.stored();
        assert_eq!(portion.entries(&parts), 3);
        assert_eq!(portion.entries(&[]), 0);
    }
}
