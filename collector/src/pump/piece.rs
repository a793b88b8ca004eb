//! A part of one entry, which is too much for the store at once: one of two, four, eight ... parts of its spans.
//!
//! It is recorded with the batch in the cursor's file before it is sent, as `PARTS.NUMBER.SPANS` behind the batch's token, so
//! that after a crash the same spans come again with the same token. Where the entry has another number of spans then,
//! because a newer meshtap reads it otherwise, the record does not count: the entry is sent whole, and shown once.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::queue::ledger::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Into how many the entry is divided: a power of two.
    parts: usize,
    /// From 0.
    number: usize,
    /// Of the entry.
    spans: usize,
}

impl Piece {
    /// The first of so many.
    pub(super) const fn first(parts: usize, spans: usize) -> Self {
        Self { parts, number: 0, spans }
    }

    /// The one that was under way, of an entry with so many spans.
    pub(super) fn recorded(plan: &Plan, spans: usize) -> Option<Self> {
        let mut numbers = plan.piece()?.split('.').map(str::parse);
        let (Some(Ok(parts)), Some(Ok(number)), Some(Ok(recorded)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return None;
        };
        (recorded == spans && number < parts).then_some(Self { parts, number, spans })
    }

    /// What the store gets. It is not what is recorded: a meshtap that knows no pieces sends the whole entry with the
    /// recorded token, which the store must not have seen.
    pub(super) fn token(plan: &Plan) -> Arc<str> {
        plan.token.replace('/', "-").into()
    }

    pub(super) const fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    /// The first half of it, which is followed by the second.
    pub(super) const fn halved(self) -> Self {
        Self { parts: self.parts * 2, number: self.number * 2, ..self }
    }

    /// Which spans it is, of those of the entry; `None` behind the last one.
    pub(super) fn range(&self, entry: &Range<usize>) -> Option<Range<usize>> {
        let border = |number: usize| entry.start + number * self.spans / self.parts;
        (self.number < self.parts).then(|| border(self.number)..border(self.number + 1))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.parts, self.number, self.spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(token: &str) -> Plan {
        Plan { first: 1, last: 1, token: token.into() }
    }

    /// However often it is halved on the way.
    #[test]
    fn pieces_cover_an_entry_once() {
        for spans in 1..40 {
            for halve in 0..200_usize {
                let (entry, mut covered) = (100..100 + spans, Vec::new());
                let mut piece = Piece::first(1, spans);
                let mut steps = 0;
                while let Some(range) = piece.range(&entry) {
                    if range.len() > 1 && (halve >> (steps % 8)) & 1 == 1 {
                        piece = piece.halved();
                    } else {
                        covered.extend(range);
                        piece = piece.next();
                    }
                    steps += 1;
                }
                assert_eq!(covered, entry.collect::<Vec<_>>(), "{spans} spans, {halve}");
            }
        }
    }

    #[test]
    fn what_is_recorded_comes_back() {
        let piece = Piece::first(4, 10).next().halved();
        assert_eq!(piece.to_string(), "8.2.10");
        assert_eq!(Piece::recorded(&plan("abc-1-1-ff/8.2.10"), 10), Some(piece));
        assert_eq!(Piece::recorded(&plan("abc-1-1-ff/8.2.10"), 11), None, "it is read otherwise");
        for token in ["abc-1-1-ff", "abc/", "abc/8", "abc/8.8.10", "abc/8.2.10.1", "abc/8.x.10"] {
            assert_eq!(Piece::recorded(&plan(token), 10), None, "{token}");
        }
        assert_eq!(&*Piece::token(&plan("abc-1-1-ff/8.2.10")), "abc-1-1-ff-8.2.10");
    }
}
