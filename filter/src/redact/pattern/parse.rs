//! A pattern's text -> states of the automaton, in one go.
//!
//! Jumps are relative, so that what is repeated is copied, and a branch may be put before what is already there.

use super::{Class, Edge, MAX_PATTERN_BYTES, MAX_PATTERN_STATES, MAX_STATES, Patterns, Range, Step};
use crate::redact::MIN_RULE_CHARS;

/// What is wrong and what to write instead; at which character, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) message: &'static str,
    pub(super) position: usize,
}

/// How many characters a match has at least.
type MinChars = usize;
type Result<T> = std::result::Result<T, Mistake>;

const MAX_DEPTH: usize = 16;
/// The largest number in `{…}`.
const MAX_COUNT: usize = 250;

const DIGIT: &[Range] = &[('0', '9')];
const NOT_DIGIT: &[Range] = &[('\0', '/'), (':', char::MAX)];
const WORD: &[Range] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const NOT_WORD: &[Range] = &[('\0', '/'), (':', '@'), ('[', '^'), ('`', '`'), ('{', char::MAX)];
const SPACE: &[Range] = &[('\t', '\r'), (' ', ' ')];
const NOT_SPACE: &[Range] = &[('\0', '\u{8}'), ('\u{e}', '\u{1f}'), ('!', char::MAX)];

const TOO_BIG: &str = "too big: at most 250 states, all patterns together 500; each character or class is one, and \
    `{n}` repeats what it counts: lower such numbers, or write `+`";

/// Adds a pattern; on a mistake nothing of it stays.
pub(super) fn add(patterns: &mut Patterns, pattern: &str) -> Result<()> {
    let (steps, classes) = (patterns.steps.len(), patterns.classes.len());
    let folded = pattern.strip_prefix("(?i)");
    let mut parser = Parser {
        limit: steps.saturating_add(MAX_PATTERN_STATES).min(MAX_STATES),
        patterns,
        rest: folded.unwrap_or(pattern).chars(),
        folds: folded.is_some(),
        position: if folded.is_some() { 4 } else { 0 },
        depth: 0,
        ranges: Vec::new(),
    };
    let result = if pattern.len() > MAX_PATTERN_BYTES {
        Err(Mistake { message: "longer than 1000 bytes; make several of it", position: MAX_PATTERN_BYTES })
    } else {
        parser.whole()
    };
    match (result, u16::try_from(steps)) {
        (Ok(()), Ok(start)) => patterns.starts.push(start),
        (result, _) => {
            patterns.steps.truncate(steps);
            patterns.classes.truncate(classes);
            return result;
        }
    }
    Ok(())
}

struct Parser<'p> {
    patterns: &'p mut Patterns,
    /// No more steps than this.
    limit: usize,
    rest: std::str::Chars<'p>,
    /// Ignores case.
    folds: bool,
    /// In characters, of the next one.
    position: usize,
    depth: usize,
    /// Of the class that is being read.
    ranges: Vec<Range>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<()> {
        let min = self.alternatives()?;
        if self.peek().is_some() {
            self.next();
            return Err(self.error("`)` without `(`; write `\\)` for the character"));
        }
        if min < MIN_RULE_CHARS {
            return Err(
                self.error("may match less than 3 characters; raise a count, or name what stands around")
            );
        }
        self.push(Step::Match)
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.position = self.position.saturating_add(usize::from(next.is_some()));
        next
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.next();
        }
        is_there
    }

    /// At the last character that was read.
    fn error(&self, message: &'static str) -> Mistake {
        Mistake { message, position: self.position.max(1) }
    }

    fn here(&self) -> usize {
        self.patterns.steps.len()
    }

    fn push(&mut self, step: Step) -> Result<()> {
        self.insert(self.here(), step)
    }

    /// Puts a step before others that nothing behind them jumps to.
    fn insert(&mut self, place: usize, step: Step) -> Result<()> {
        if self.here() >= self.limit {
            return Err(self.error(TOO_BIG));
        }
        self.patterns.steps.insert(place.min(self.here()), step);
        Ok(())
    }

    fn alternatives(&mut self) -> Result<MinChars> {
        let start = self.here();
        let min = self.sequence()?;
        if !self.take('|') {
            return Ok(min);
        }
        self.insert(start, Step::Match)?;
        let jump = self.here();
        self.push(Step::Match)?;
        self.set(start, Step::Split(1, distance(start, self.here())));
        let other_min = self.alternatives()?;
        self.set(jump, Step::Jump(distance(jump, self.here())));
        Ok(min.min(other_min))
    }

    fn set(&mut self, place: usize, step: Step) {
        if let Some(old) = self.patterns.steps.get_mut(place) {
            *old = step;
        }
    }

    fn sequence(&mut self) -> Result<MinChars> {
        let mut min: usize = 0;
        while let Some(character) = self.peek().filter(|character| !matches!(character, '|' | ')')) {
            self.next();
            let start = self.here();
            let part = self.part(character)?;
            min = min.saturating_add(self.repeated(start, part)?);
        }
        Ok(min)
    }

    fn part(&mut self, character: char) -> Result<MinChars> {
        let mut is_negated = false;
        match character {
            '^' => return self.edge(Edge::LineStart),
            '$' => return self.edge(Edge::LineEnd),
            '\\' if self.take('b') => return self.edge(Edge::Word),
            '\\' if self.take('B') => return self.edge(Edge::NotWord),
            '(' => return self.group(),
            '?' | '*' | '+' | '{' => {
                return Err(self.error("nothing to repeat; write `\\` before it for the character"));
            }
            '.' => {
                is_negated = true;
                self.range('\n', '\n');
            }
            '[' => {
                is_negated = self.take('^');
                self.class()?;
            }
            '\\' => {
                self.escaped()?;
            }
            other => self.range(other, other),
        }
        let class = Class::new(&std::mem::take(&mut self.ranges), is_negated, self.folds);
        let Ok(place) = u16::try_from(self.patterns.classes.len()) else { return Err(self.error(TOO_BIG)) };
        self.push(Step::Take(place))?;
        self.patterns.classes.push(class);
        Ok(1)
    }

    fn edge(&mut self, edge: Edge) -> Result<MinChars> {
        self.push(Step::Edge(edge))?;
        Ok(0)
    }

    fn range(&mut self, low: char, high: char) {
        self.ranges.push((low, high));
    }

    fn group(&mut self) -> Result<MinChars> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(self.error("groups within groups too deep; at most 16"));
        }
        if self.take('?') && !self.take(':') {
            return Err(self.error("only `(?:` is known, and `(?i)` at the very start"));
        }
        let min = self.alternatives()?;
        if !self.take(')') {
            return Err(self.error("`(` without `)`"));
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(min)
    }

    /// Repeats the steps from `start` on, if that is asked for.
    fn repeated(&mut self, start: usize, part_min: MinChars) -> Result<MinChars> {
        let (min, max) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => self.counts()?,
            _ => return Ok(part_min),
        };
        // The sign itself, or the brace that ends the counts.
        self.next();
        if matches!(self.peek(), Some('?' | '*' | '+' | '{')) {
            self.next();
            return Err(self.error(
                "repeated twice; lazy and possessive forms are not known: all that may match is redacted",
            ));
        }
        let part = self.patterns.steps.split_off(start.min(self.here()));
        let length = part.len();
        for _ in 0..min {
            self.copy(&part)?;
        }
        match max {
            None if min > 0 => {
                let back = self.here().saturating_sub(length);
                self.push(Step::Split(distance(self.here(), back), 1))?;
            }
            None => {
                self.push(Step::Split(1, distance(0, length.saturating_add(2))))?;
                self.copy(&part)?;
                self.push(Step::Jump(distance(length.saturating_add(1), 0)))?;
            }
            Some(max) => {
                let each = length.saturating_add(1);
                for left in (1..=max.saturating_sub(min)).rev() {
                    self.push(Step::Split(1, distance(0, left.saturating_mul(each))))?;
                    self.copy(&part)?;
                }
            }
        }
        Ok(part_min.saturating_mul(min))
    }

    fn copy(&mut self, part: &[Step]) -> Result<()> {
        if self.here().saturating_add(part.len()) > self.limit {
            return Err(self.error(TOO_BIG));
        }
        self.patterns.steps.extend_from_slice(part);
        Ok(())
    }

    /// At `{`; up to the `}`.
    fn counts(&mut self) -> Result<(usize, Option<usize>)> {
        self.next();
        let min = self.number();
        let max = if self.take(',') { self.number() } else { min };
        let (Some(min), Some('}')) = (min, self.peek()) else {
            return Err(self.error("expected `{3}`, `{2,}` or `{2,5}`; write `\\{` for the character"));
        };
        if min > MAX_COUNT || max.is_some_and(|max| max > MAX_COUNT || max < min) {
            return Err(self.error("numbers in `{…}` go up, and to 250 at most"));
        }
        Ok((min, max))
    }

    fn number(&mut self) -> Option<usize> {
        let mut number: Option<usize> = None;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            self.next();
            number = Some(number.unwrap_or_default().saturating_mul(10).saturating_add(digit as usize));
        }
        number
    }

    /// Behind `\`: adds the ranges of a class, or of a character, which it answers.
    fn escaped(&mut self) -> Result<Option<char>> {
        let Some(character) = self.next() else {
            return Err(self.error("`\\` at the end; write `\\\\` for the character"));
        };
        let ranges = match character {
            'd' => DIGIT,
            'w' => WORD,
            's' => SPACE,
            'D' => NOT_DIGIT,
            'W' => NOT_WORD,
            'S' => NOT_SPACE,
            _ => {
                let character = match character {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other if !other.is_ascii_alphanumeric() => other,
                    _ => {
                        return Err(self
                            .error("not known behind `\\`; known are d D w W s S b B n r t, and any sign"));
                    }
                };
                self.range(character, character);
                return Ok(Some(character));
            }
        };
        self.ranges.extend_from_slice(ranges);
        Ok(None)
    }

    /// Behind `[` or `[^`: adds its ranges.
    fn class(&mut self) -> Result<()> {
        const OPEN: &str = "`[` without `]`";
        let mut is_first = true;
        loop {
            let Some(character) = self.next() else { return Err(self.error(OPEN)) };
            let low = match character {
                ']' if !is_first => return Ok(()),
                '[' if matches!(self.peek(), Some(':' | '.' | '=')) => {
                    return Err(
                        self.error("named classes are not known; write `\\d`, `\\w`, `\\s` or ranges")
                    );
                }
                '\\' => self.escaped()?,
                other => {
                    self.range(other, other);
                    Some(other)
                }
            };
            is_first = false;
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']');
            let Some(low) = low.filter(|_| is_range) else { continue };
            self.next();
            let high = match self.next() {
                Some('\\') => self.escaped()?,
                other => other,
            };
            match high {
                Some(high) if high >= low => self.range(low, high),
                Some(_) => {
                    return Err(self.error("a range goes up, as in `a-z`; write `\\-` for the character"));
                }
                None => return Err(self.error("a range ends with a character, and `[` with `]`")),
            }
        }
    }
}

/// Both are places of one pattern: far below what fits.
fn distance(from: usize, to: usize) -> i16 {
    let forth = i16::try_from(to.saturating_sub(from)).unwrap_or_default();
    let back = i16::try_from(from.saturating_sub(to)).unwrap_or_default();
    forth.saturating_sub(back)
}
