//! Findings of one pass: sorted, without overlaps.

use super::Kind;

/// What is to be replaced. Texts are far shorter than 4 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
    pub(super) kind: Kind,
}

impl Span {
    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn end(self) -> usize {
        self.end as usize
    }
}

#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Takes a finding. Its end must not be before the end of one taken earlier, or its start not before the start of
    /// one; where it overlaps earlier ones they become one, of the kind that covers it all, else of the first.
    pub(super) fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else { return };
        let mut span = Span { start, end, kind };
        if start >= end {
            return;
        }
        while let Some(last) = self.0.last().copied().filter(|last| last.end > span.start) {
            let covers = span.start <= last.start && span.end > last.end;
            if !covers {
                span.kind = last.kind;
            }
            span.start = span.start.min(last.start);
            span.end = span.end.max(last.end);
            self.0.pop();
        }
        self.0.push(span);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The end of the last one; the text's start without one.
    pub(super) fn end(&self) -> usize {
        self.0.last().map_or(0, |span| span.end())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    /// The same at other places, which are in the same order.
    pub(super) fn moved(&self, place: &mut dyn FnMut(usize) -> usize) -> Self {
        let mut moved = Self::default();
        for span in self.iter() {
            let start = place(span.start());
            moved.push(span.kind, start, place(span.end()));
        }
        moved
    }

    /// Both, in order.
    pub(super) fn merge(self, other: Self) -> Self {
        if other.is_empty() {
            return self;
        }
        if self.is_empty() {
            return other;
        }
        let mut merged = Self(Vec::with_capacity(self.0.len().wrapping_add(other.0.len())));
        let (mut one, mut two) = (self.0.iter(), other.0.iter());
        while let Some(span) = match (one.as_slice().first(), two.as_slice().first()) {
            (Some(first), Some(second)) if second.start < first.start => two.next(),
            (None, _) => two.next(),
            _ => one.next(),
        } {
            merged.push(span.kind, span.start(), span.end());
        }
        merged
    }
}
