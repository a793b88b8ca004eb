//! Texts that users name, found wherever they stand.
//!
//! The texts are sorted; at each character the ones that the text goes on with are narrowed down byte by byte. That
//! costs at most the longest literal for each byte, however many there are.

use super::spans::Spans;
use super::{Kind, MAX_CUT_REST, MIN_RULE_CHARS, Rules, marker_length, problem, work};
use crate::config::Problem;

pub const MAX_LITERALS: usize = 1_000;
/// Of one literal.
pub const MAX_LITERAL_BYTES: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literals {
    /// In lower case where case is ignored.
    texts: Vec<Box<[u8]>>,
    /// Which bytes begin one.
    begins: [bool; 256],
    ignore_case: bool,
}

impl Literals {
    pub(super) fn new(rules: &Rules, problems: &mut Vec<Problem>) -> Self {
        let mut found = Self { texts: Vec::new(), begins: [false; 256], ignore_case: rules.ignore_case };
        for (index, text) in rules.literals.iter().enumerate() {
            let message = if text.is_empty() {
                continue;
            } else if index >= MAX_LITERALS {
                "more than 1000 literals: this and further ones"
            } else if text.chars().nth(MIN_RULE_CHARS.saturating_sub(1)).is_none() {
                "shorter than 3 characters: a longer one finds less by chance"
            } else if text.len() > MAX_LITERAL_BYTES {
                "longer than 128 bytes: its beginning is enough"
            } else {
                found.add(text.bytes().map(|byte| found.fold(byte)).collect());
                continue;
            };
            problems.push(problem("literals", index, message));
            if index >= MAX_LITERALS {
                break;
            }
        }
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn fold(&self, byte: u8) -> u8 {
        if self.ignore_case { byte.to_ascii_lowercase() } else { byte }
    }

    fn add(&mut self, text: Box<[u8]>) {
        if let Some(begins) = text.first().and_then(|byte| self.begins.get_mut(usize::from(*byte))) {
            *begins = true;
        }
        // Sorting all of them at the end would bring 14 KB into the module.
        let place = self.texts.partition_point(|other| *other < text);
        self.texts.insert(place, text);
    }

    pub(super) fn find(&self, text: &str, is_cut: bool) -> Spans {
        let text = text.as_bytes();
        let mut spans = Spans::default();
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let rest = text.get(at..).unwrap_or_default();
            if *byte == b'['
                && let Some(length) = marker_length(rest)
            {
                at = at.wrapping_add(length);
                continue;
            }
            if self.begins.get(usize::from(self.fold(*byte))) == Some(&true)
                && let Some(length) = self.length_at(rest, is_cut)
            {
                // One that lies within the last changes nothing; the order of ends is kept.
                let end = at.wrapping_add(length);
                if end > spans.end() {
                    spans.push(Kind::Literal, at, end);
                }
            }
            at = at.wrapping_add(1);
        }
        spans
    }

    /// The longest literal that the text begins with. Where the text is cut within one, all the text.
    fn length_at(&self, text: &[u8], is_cut: bool) -> Option<usize> {
        let mut left = self.texts.as_slice();
        let mut found = None;
        let mut depth: usize = 0;
        loop {
            if let [only] = left {
                // The usual case, and much faster.
                let common = only.len().min(text.len());
                work(common);
                let is_equal = text.iter().zip(only).all(|(byte, wanted)| self.fold(*byte) == *wanted);
                let is_long = common == only.len() || (is_cut && common > MAX_CUT_REST);
                return if is_equal && is_long { Some(common) } else { found };
            }
            if left.first().is_some_and(|shortest| shortest.len() == depth) {
                found = Some(depth);
            }
            let Some(byte) = text.get(depth).map(|byte| self.fold(*byte)) else {
                let is_beginning =
                    is_cut && depth > MAX_CUT_REST && left.iter().any(|text| text.len() > depth);
                return if is_beginning { Some(depth) } else { found };
            };
            work(1);
            let from = left.partition_point(|text| text.get(depth).copied() < Some(byte));
            let to = left.partition_point(|text| text.get(depth).copied() <= Some(byte));
            left = left.get(from..to).unwrap_or_default();
            if left.is_empty() {
                return found;
            }
            depth = depth.wrapping_add(1);
        }
    }
}
