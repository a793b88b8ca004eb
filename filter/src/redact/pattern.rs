//! Patterns that users write, in a small language: a subset of what regular expressions are elsewhere.
//!
//! | | |
//! |---|---|
//! | `abc` | these characters |
//! | `.` | any character but a line break |
//! | `[a-z_]`, `[^"]` | one of these, none of these |
//! | `\d \w \s`, `\D \W \S` | digit; letter, digit or `_`; white space (all ASCII); and their opposites |
//! | `\n \r \t`, `\.` | these characters; any sign behind `\` stands for itself |
//! | `?`, `*`, `+`, `{3}`, `{2,}`, `{2,5}` | how often |
//! | `(ab\|cd)` | groups and alternatives; `(?:…)` is the same |
//! | `^`, `$`, `\b`, `\B` | start and end of a line; edge of a word (ASCII), and none |
//! | `(?i)` at the very start | ASCII letters match in both cases |
//!
//! Everything that any way of matching covers is found: there is no first or shortest match, and so no lazy `*?`.
//!
//! All patterns run as one nondeterministic automaton (Thompson's construction) over the text, one step for each
//! character: time is at most the text's length times [`MAX_STATES`], whatever the classes; memory some bytes for each. States that
//! meet keep the earlier start, hence one run finds every match.

mod parse;

use super::spans::Spans;
use super::{Kind, MAX_CUT_REST, marker_length, problem, work};
use crate::config::Problem;

pub const MAX_PATTERNS: usize = 32;
/// Of all patterns together.
pub(super) const MAX_STATES: usize = 500;
/// Of one pattern.
pub(super) const MAX_PATTERN_STATES: usize = 250;
/// Of the text of one pattern: so many ranges a class may have at most.
pub const MAX_PATTERN_BYTES: usize = 1_000;

/// The place of a step.
type State = u16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A character of this class, then the next step.
    Take(u16),
    /// Either of two, so far away.
    Split(i16, i16),
    Jump(i16),
    Edge(Edge),
    Match,
}

/// Characters. Whether one belongs to it takes no longer for a class of many ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Class {
    /// A bit for each ASCII character.
    ascii: u128,
    /// The others: sorted, and apart from each other.
    beyond: Vec<Range>,
    /// The others that are not among these belong to it.
    is_negated: bool,
}

impl Class {
    fn new(ranges: &[Range], is_negated: bool, folds: bool) -> Self {
        let mut class = Self { is_negated, ..Self::default() };
        for character in '\0'..='\x7f' {
            let is_in = |character| ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
            let is_letter = folds && character.is_ascii_alphabetic();
            // The other case of a letter is one bit away.
            let other_case = char::from_u32(u32::from(character) ^ 0x20).unwrap_or(character);
            if (is_in(character) || (is_letter && is_in(other_case))) != is_negated {
                class.ascii |= bit(character);
            }
        }
        let mut sorted = Vec::<Range>::new();
        for range in ranges.iter().copied().filter(|(_, high)| !high.is_ascii()) {
            sorted.insert(sorted.partition_point(|other| *other < range), range);
        }
        for (low, high) in sorted {
            match class.beyond.last_mut() {
                Some(last) if low <= last.1 => last.1 = last.1.max(high),
                _ => class.beyond.push((low, high)),
            }
        }
        class
    }

    fn takes(&self, character: char) -> bool {
        work(1);
        if character.is_ascii() {
            return self.ascii & bit(character) != 0;
        }
        let next = self.beyond.partition_point(|(low, _)| *low <= character);
        let range = next.checked_sub(1).and_then(|at| self.beyond.get(at));
        range.is_some_and(|(_, high)| character <= *high) != self.is_negated
    }

    fn takes_beyond_ascii(&self) -> bool {
        self.is_negated || !self.beyond.is_empty()
    }
}

/// Of an ASCII character.
fn bit(character: char) -> u128 {
    1_u128.wrapping_shl(character.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    LineStart,
    LineEnd,
    Word,
    NotWord,
}

/// Both ends included.
type Range = (char, char);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    steps: Vec<Step>,
    classes: Vec<Class>,
    /// Where each pattern starts.
    starts: Vec<State>,
    /// Which patterns may begin with a byte, one bit each.
    begins: Vec<u32>,
}

impl Patterns {
    pub(super) fn new(patterns: &[String], problems: &mut Vec<Problem>) -> Self {
        let mut compiled = Self::default();
        for (index, pattern) in patterns.iter().enumerate() {
            if index >= MAX_PATTERNS {
                problems.push(problem("patterns", index, "more than 32 patterns; join some with `|`"));
                break;
            }
            if pattern.is_empty() {
                continue;
            }
            if let Err(mistake) = parse::add(&mut compiled, pattern) {
                let message = format!("at character {}: {}", mistake.position, mistake.message);
                problems.push(problem("patterns", index, &message));
            }
        }
        compiled.find_begins();
        compiled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(super) fn find(&self, text: &str, is_cut: bool) -> Spans {
        let mut run = Run {
            patterns: self,
            now: Threads::new(self.steps.len()),
            next: Threads::new(self.steps.len()),
            pending: Vec::new(),
            spans: Spans::default(),
        };
        run.over(text, is_cut);
        run.spans
    }

    fn step(&self, state: State) -> Step {
        self.steps.get(usize::from(state)).copied().unwrap_or(Step::Match)
    }

    fn class(&self, class: u16) -> Option<&Class> {
        self.classes.get(usize::from(class))
    }

    /// Fills in which bytes each pattern may begin with. Edges are taken as if they held.
    fn find_begins(&mut self) {
        let mut begins = vec![0_u32; 256];
        let mut bit = 1_u32;
        for start in &self.starts {
            let mut threads = Threads::new(self.steps.len());
            threads.clear();
            let mut pending = vec![*start];
            self.follow(&mut pending, &mut threads, 0, &|_| true);
            for (state, _) in &threads.list {
                let Step::Take(class) = self.step(*state) else { continue };
                let Some(class) = self.class(class) else { continue };
                for (byte, begins) in (0_u8..=255).zip(&mut begins) {
                    let may_begin = match byte {
                        0..0x80 => class.takes(char::from(byte)),
                        // A character begins here; which one is not looked at.
                        0xC0.. => class.takes_beyond_ascii(),
                        _ => false,
                    };
                    if may_begin {
                        *begins |= bit;
                    }
                }
            }
            bit = bit.wrapping_shl(1);
        }
        self.begins = begins;
    }

    /// Goes from the pending states to all that can be reached without a character; whether a match is among them.
    fn follow(
        &self,
        pending: &mut Vec<State>,
        threads: &mut Threads,
        start: usize,
        holds: &dyn Fn(Edge) -> bool,
    ) -> bool {
        let mut is_match = false;
        while let Some(state) = pending.pop() {
            work(1);
            if !threads.enter(state) {
                continue;
            }
            match self.step(state) {
                Step::Take(_) => threads.list.push((state, start)),
                Step::Split(one, other) => {
                    pending.push(state.wrapping_add_signed(one));
                    pending.push(state.wrapping_add_signed(other));
                }
                Step::Jump(to) => pending.push(state.wrapping_add_signed(to)),
                Step::Edge(edge) if holds(edge) => pending.push(state.wrapping_add(1)),
                Step::Edge(_) => {}
                Step::Match => is_match = true,
            }
        }
        is_match
    }
}

/// States the automaton is in, with the position where each began; earlier ones first.
#[derive(Debug)]
struct Threads {
    list: Vec<(State, usize)>,
    /// The round in which a state was last entered.
    seen: Vec<u32>,
    round: u32,
}

impl Threads {
    fn new(states: usize) -> Self {
        Self { list: Vec::new(), seen: vec![0; states], round: 0 }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.round = self.round.wrapping_add(1);
    }

    /// Whether the state was not yet entered in this round.
    fn enter(&mut self, state: State) -> bool {
        match self.seen.get_mut(usize::from(state)) {
            Some(seen) if *seen != self.round => {
                *seen = self.round;
                true
            }
            _ => false,
        }
    }
}

struct Run<'p> {
    patterns: &'p Patterns,
    now: Threads,
    next: Threads,
    pending: Vec<State>,
    spans: Spans,
}

/// A position and the characters on both sides of it.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    before: Option<char>,
    after: Option<char>,
}

impl Place {
    fn is(self, edge: Edge) -> bool {
        let is_word = |character: Option<char>| {
            character.is_some_and(|character| character.is_ascii_alphanumeric() || character == '_')
        };
        let is_word_edge = is_word(self.before) != is_word(self.after);
        match edge {
            Edge::LineStart => self.before.is_none_or(|character| character == '\n'),
            Edge::LineEnd => self.after.is_none_or(|character| character == '\n'),
            Edge::Word => is_word_edge,
            Edge::NotWord => !is_word_edge,
        }
    }
}

impl Run<'_> {
    fn over(&mut self, text: &str, is_cut: bool) {
        let mut place = Place { at: 0, before: None, after: text.chars().next() };
        self.now.clear();
        while let Some(character) = place.after {
            let rest = text.as_bytes().get(place.at..).unwrap_or_default();
            // A marker ends every match, and none begins in it.
            if character == '['
                && let Some(length) = marker_length(rest)
            {
                self.now.clear();
                place = Place { at: place.at.saturating_add(length), before: Some(']'), after: None };
                place.after = text.get(place.at..).and_then(|rest| rest.chars().next());
                continue;
            }
            self.begin(place, rest);
            if self.now.list.is_empty() {
                // Nothing under way: on to where something may begin.
                let step = rest.iter().skip(1).position(|byte| self.begins(*byte) != 0 || *byte == b'[');
                let next = place.at.saturating_add(step.map_or(rest.len(), |step| step.saturating_add(1)));
                let passed = text.get(place.at..next).unwrap_or_default();
                place.before = passed.chars().next_back();
                place.at = next;
                place.after = text.get(next..).and_then(|rest| rest.chars().next());
                self.now.clear();
                continue;
            }
            place = Place {
                at: place.at.saturating_add(character.len_utf8()),
                before: Some(character),
                after: text
                    .get(place.at.saturating_add(character.len_utf8())..)
                    .and_then(|rest| rest.chars().next()),
            };
            self.advance(character, place);
        }
        let rest = self.now.list.first().map(|(_, start)| *start).filter(|_| is_cut);
        if let Some(start) = rest.filter(|start| text.len().saturating_sub(*start) > MAX_CUT_REST) {
            self.spans.push(Kind::Pattern, start, text.len());
        }
    }

    fn begins(&self, byte: u8) -> u32 {
        self.patterns.begins.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Enters the patterns that may begin here.
    fn begin(&mut self, place: Place, rest: &[u8]) {
        let mut begins = rest.first().map_or(0, |byte| self.begins(*byte));
        while begins != 0 {
            let pattern = begins.trailing_zeros();
            begins &= begins.wrapping_sub(1);
            if let Some(start) = self.patterns.starts.get(pattern as usize) {
                self.pending.push(*start);
                self.patterns.follow(&mut self.pending, &mut self.now, place.at, &|edge| place.is(edge));
            }
        }
    }

    /// Takes one character; `place` is behind it.
    fn advance(&mut self, character: char, place: Place) {
        self.next.clear();
        for (state, start) in &self.now.list {
            let Step::Take(class) = self.patterns.step(*state) else { continue };
            if !self.patterns.class(class).is_some_and(|class| class.takes(character)) {
                continue;
            }
            self.pending.push(state.wrapping_add(1));
            let holds = |edge| place.is(edge);
            if self.patterns.follow(&mut self.pending, &mut self.next, *start, &holds) {
                self.spans.push(Kind::Pattern, *start, place.at);
            }
        }
        std::mem::swap(&mut self.now, &mut self.next);
    }
}
