//! JSON read incrementally: only the fields that a [`Node`] tree names are kept, the rest is passed over.
//!
//! Memory is constant whatever the document: the levels that the tree names (at most [`MAX_LEVELS`]), one bounded
//! scalar, one bounded verbatim copy. What the tree does not name is skipped without being validated beyond its strings
//! and its brackets, to any depth (which bracket closes which is checked for the innermost 64 levels); of what stands
//! behind the bound of a string only its end is looked for. A repeated key is reported again, so that the last one wins.
//!
//! Invariant: the calls to the [`Sink`] are the same however the input is cut into chunks.

mod blocks;
mod escapes;
mod opening;
mod plain;
mod text;

pub use escapes::{Places, unescaped};

use self::blocks::{Block, Strings};
use self::opening::Opening;
use self::plain::split_plain;
use self::text::Text;
use super::is_same;

/// Levels of nesting that a [`Node`] tree may name.
pub const MAX_LEVELS: usize = 16;
/// Longest key that can match; no tree names a longer one.
const MAX_KEY_BYTES: usize = 64;
/// Longest number that is reported; a longer one is reported as [`Scalar::Overlong`].
const MAX_NUMBER_BYTES: usize = 64;

/// What to keep of one JSON value, whatever type it turns out to have.
#[derive(Debug)]
pub struct Node<T: 'static> {
    scalar: Option<(T, Bound)>,
    container: Option<T>,
    verbatim: Option<(T, Bound)>,
    keys: &'static [(&'static str, Node<T>)],
    /// The [`short_mark`]s of the keys: most members of a document have none of them, and need not be searched for.
    marks: u32,
    items: Option<&'static Node<T>>,
}

/// How many bytes to keep: none, a power of two, or all. In one byte: there are hundreds of nodes, and each is a part of
/// the module.
#[derive(Debug, Clone, Copy)]
struct Bound(u8);

impl Bound {
    const ALL: Self = Self(u8::MAX);

    #[expect(clippy::cast_possible_truncation, reason = "a number has no more than 64 bits")]
    const fn new(max_bytes: usize) -> Self {
        match max_bytes {
            0 => Self(0),
            usize::MAX => Self::ALL,
            _ => {
                assert!(max_bytes.is_power_of_two(), "a bound is a power of two");
                Self((max_bytes.ilog2() as u8).saturating_add(1))
            }
        }
    }

    fn bytes(self) -> usize {
        match self.0.checked_sub(1) {
            None => 0,
            Some(bits) => 1_usize.checked_shl(bits.into()).unwrap_or(usize::MAX),
        }
    }
}

impl<T: Copy> Node<T> {
    const NOTHING: Self =
        Self { scalar: None, container: None, verbatim: None, keys: &[], marks: 0, items: None };

    /// A string, number, boolean or null, reported as `tag`; of a string the first `max_bytes`.
    pub const fn scalar(tag: T, max_bytes: usize) -> Self {
        Self { scalar: Some((tag, Bound::new(max_bytes))), ..Self::NOTHING }
    }

    /// An object of which the named members are kept.
    pub const fn object(keys: &'static [(&'static str, Self)]) -> Self {
        let (mut marks, mut rest) = (0, keys);
        while let [(key, _), tail @ ..] = rest {
            marks |= short_mark(key.as_bytes());
            rest = tail;
        }
        Self { keys, marks, ..Self::NOTHING }
    }

    /// An array, each item of which is kept as `items` says.
    pub const fn array(items: &'static Self) -> Self {
        Self { items: Some(items), ..Self::NOTHING }
    }

    /// Also accepts an array here, each item of which is kept as `items` says.
    #[must_use]
    pub const fn or_array(self, items: &'static Self) -> Self {
        Self { items: Some(items), ..self }
    }

    /// Also accepts a scalar here.
    #[must_use]
    pub const fn or_scalar(self, tag: T, max_bytes: usize) -> Self {
        Self { scalar: Some((tag, Bound::new(max_bytes))), ..self }
    }

    /// Also reports where the object or array at this place begins and ends.
    #[must_use]
    pub const fn reported(self, tag: T) -> Self {
        Self { container: Some(tag), ..self }
    }

    /// Also reports the bytes of the object or array at this place, at most `max_bytes` of them.
    #[must_use]
    pub const fn verbatim(self, tag: T, max_bytes: usize) -> Self {
        Self { verbatim: Some((tag, Bound::new(max_bytes))), ..self }
    }

    /// Documents of one kind have their members in one order, and the tables follow it: the search begins where the
    /// last one ended.
    fn member(&'static self, key: &[u8], from: &mut usize) -> Option<&'static Self> {
        if self.marks & short_mark(key) == 0 {
            return None;
        }
        let (before, behind) = self.keys.split_at_checked(*from).unwrap_or((self.keys, &[]));
        let is_it = |(name, _): &(&str, Self)| name.len() == key.len() && is_same(name.as_bytes(), key);
        let at = match behind.iter().position(is_it) {
            Some(at) => at.saturating_add(*from),
            None => before.iter().position(is_it)?,
        };
        *from = at.saturating_add(1);
        self.keys.get(at).map(|(_, node)| node)
    }
}

/// One bit of 64, of a name's length and ends: what has another bit is another name.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits tell lengths apart")]
pub const fn mark(name: &[u8]) -> u64 {
    let ends = match name {
        [] => 0,
        [only] => *only as u32,
        [first, .., last] => (*first as u32).wrapping_mul(5).wrapping_add(*last as u32),
    };
    1_u64.rotate_left(ends.wrapping_add((name.len() as u32).wrapping_mul(11)))
}

/// The same as one of 32, where many are held.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves are laid on each other")]
const fn short_mark(name: &[u8]) -> u32 {
    let mark = mark(name);
    (mark | mark >> 32) as u32
}

/// Receives what the [`Node`] tree names, in the order of the document.
pub trait Sink<T> {
    /// The object or array at a [`Node::reported`] place begins.
    fn open(&mut self, tag: T);
    /// It ends.
    fn close(&mut self, tag: T);
    /// A value at a [`Node::scalar`] place.
    fn scalar(&mut self, tag: T, value: Scalar<'_>);
    /// The whole value at a [`Node::verbatim`] place; `None` when it was longer than its bound.
    fn verbatim(&mut self, tag: T, json: Option<&[u8]>);
    /// The beginning of such a value that was longer than its bound, for those who want even that.
    fn verbatim_cut(&mut self, tag: T, _head: &[u8]) {
        self.verbatim(tag, None);
    }
}

/// One scalar. Strings are unescaped bytes: whoever keeps them decides what to do about invalid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    String {
        bytes: &'a [u8],
        truncated: bool,
    },
    Number(&'a str),
    /// A number of more digits than anyone needs.
    Overlong,
    Bool(bool),
    Null,
}

/// Why a document could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// The bytes are not JSON.
    Malformed,
    /// The document ends before its value does.
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a value.
    Value,
    /// After `[`: a value or `]`.
    FirstItem,
    /// After `{`: a key or `}`.
    FirstKey,
    /// After `,` in an object.
    Key,
    /// Inside a key, or a kept string, that was cut or has escapes.
    KeyString,
    Colon,
    String,
    Escape {
        key: bool,
    },
    Unicode {
        key: bool,
        digits: u8,
        code: u16,
    },
    Number,
    Literal {
        text: &'static [u8],
        matched: usize,
    },
    /// After a value: `,` or the end of its container.
    AfterValue,
    /// A string that nobody asked for.
    SkipString {
        escaped: bool,
    },
    /// Behind as much of a kept string as is kept.
    RestOfString {
        escaped: bool,
    },
    /// A number or literal that nobody asked for.
    SkipPrimitive,
    /// Inside a container that nobody asked for.
    SkipContainer(Strings),
    /// The document's value is complete.
    Done,
    Failed,
}

impl State {
    /// Where white space means nothing.
    fn is_between(self) -> bool {
        matches!(
            self,
            Self::Value | Self::FirstItem | Self::FirstKey | Self::Key | Self::Colon | Self::AfterValue
        )
    }
}

#[derive(Debug)]
struct Level<T: 'static> {
    node: &'static Node<T>,
    object: bool,
    /// Behind the last of its members that was named.
    next_member: usize,
}

impl<T> Clone for Level<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Level<T> {}

/// A verbatim copy in progress.
#[derive(Debug)]
struct Copying<T> {
    tag: T,
    max_bytes: usize,
    /// Levels open (kept and skipped) where the copied value began.
    outside: usize,
    /// Where in the chunk that is being read the copying goes on.
    from: usize,
    overflow: bool,
}

/// The incremental reader. `feed` it chunks, then ask `finish` how it ended.
#[derive(Debug)]
pub struct Scanner<T: 'static> {
    root: &'static Node<T>,
    state: State,
    levels: [Option<Level<T>>; MAX_LEVELS],
    depth: usize,
    /// Containers open inside the value being skipped.
    skipped: usize,
    /// Which of the innermost 64 of them are objects, innermost in the lowest bit.
    skipped_objects: u64,
    /// How many of the outermost were deeper than 64 levels above some other, so that their kind is forgotten.
    skipped_unknown: usize,
    /// What the value after the current key is to become.
    next: Option<&'static Node<T>>,
    /// The tag and bound of the scalar being read.
    reading: Option<(T, usize)>,
    /// Bounds every string and every copy besides what the tree says of each.
    max_kept_bytes: usize,
    text: Text,
    copying: Option<Copying<T>>,
    copy: Vec<u8>,
    /// Of the documents so far, from the second on.
    opening: Option<Box<Opening<T>>>,
}

impl<T: Copy> Scanner<T> {
    pub fn new(root: &'static Node<T>) -> Self {
        Self {
            root,
            state: State::Value,
            levels: [None; MAX_LEVELS],
            depth: 0,
            skipped: 0,
            skipped_objects: 0,
            skipped_unknown: 0,
            next: Some(root),
            reading: None,
            max_kept_bytes: usize::MAX,
            text: Text::default(),
            copying: None,
            copy: Vec::new(),
            opening: None,
        }
    }

    /// One that keeps at most so many bytes of any value, whatever the tree says.
    pub fn bounded(root: &'static Node<T>, max_kept_bytes: usize) -> Self {
        Self { max_kept_bytes, ..Self::new(root) }
    }

    /// Starts over with the next document; keeps the buffers.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.skipped = 0;
        self.next = Some(self.root);
        self.text.begin();
        self.copying = None;
        self.copy.clear();
        let is_plain =
            !self.root.keys.is_empty() && self.root.container.is_none() && self.root.verbatim.is_none();
        if is_plain && self.opening.is_none() {
            self.opening = Some(Box::new(Opening::new()));
        }
    }

    pub fn feed(&mut self, bytes: &[u8], sink: &mut dyn Sink<T>) {
        let used = self.feed_one(bytes, sink);
        if used < bytes.len() {
            self.state = State::Failed;
        }
    }

    /// Like `feed`, but stops in front of what follows the document, and says where that is.
    pub fn feed_one(&mut self, chunk: &[u8], sink: &mut dyn Sink<T>) -> usize {
        if let Some(copying) = &mut self.copying {
            copying.from = 0;
        }
        let mut rest = self.repeat_opening(chunk, sink);
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match self.state {
                State::Value
                | State::FirstItem
                | State::FirstKey
                | State::Key
                | State::Colon
                | State::AfterValue => self.tokens(chunk, rest, sink),
                State::SkipContainer(strings) => self.skip_container(strings, chunk, rest, sink),
                State::SkipString { escaped } => self.skip_string(rest, escaped),
                State::RestOfString { escaped } => self.rest_of_string(rest, escaped, sink),
                State::SkipPrimitive => self.skip_primitive(rest),
                State::KeyString => self.key_string(rest),
                State::String => self.string(rest, sink),
                State::Escape { key } => {
                    self.escape(byte, key);
                    tail
                }
                State::Unicode { key, digits, code } => {
                    self.unicode(byte, key, digits, code);
                    tail
                }
                State::Number => self.number(rest, sink),
                State::Literal { text, matched } => {
                    self.literal(byte, text, matched, sink);
                    tail
                }
                State::Done if is_space(byte) => tail,
                State::Done => return chunk.len().saturating_sub(rest.len()),
                State::Failed => &[],
            };
        }
        if let Some(copying) = &self.copying {
            self.copy_bytes(chunk.get(copying.from..).unwrap_or_default());
        }
        chunk.len()
    }

    /// Says whether the document was whole. A number at the very end is only complete here.
    pub fn finish(&mut self, sink: &mut dyn Sink<T>) -> Result<(), JsonError> {
        if self.depth == 0 {
            match self.state {
                State::Number => self.end_number(sink),
                State::SkipPrimitive => self.end_value(),
                _ => {}
            }
        }
        match self.state {
            State::Done => Ok(()),
            State::Failed => Err(JsonError::Malformed),
            _ => Err(JsonError::Truncated),
        }
    }

    /// True once the document's value is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// True until the first byte of the document's value.
    pub fn is_empty(&self) -> bool {
        self.state == State::Value && self.depth == 0
    }

    fn open_levels(&self) -> usize {
        self.depth.saturating_add(self.skipped)
    }

    /// Passes over what a document has in common with an earlier one.
    fn repeat_opening<'a>(&mut self, chunk: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        if self.is_empty()
            && let Some(opening) = &mut self.opening
            && let Some((length, next_member)) = opening.repeat(self.root, self.max_kept_bytes, chunk, sink)
            && let Some(level) = self.levels.first_mut()
        {
            *level = Some(Level { node: self.root, object: true, next_member });
            self.depth = 1;
            self.state = State::Key;
            return chunk.get(length..).unwrap_or_default();
        }
        chunk
    }

    /// Keys, values and what stands between them, as far as they are whole. What is cut off at the end of the chunk, or
    /// has escapes, is left to a state of its own.
    fn tokens<'a>(&mut self, chunk: &'a [u8], mut rest: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match (self.state, byte) {
                (State::FirstKey | State::Key, b'"') => self.key(tail),
                (State::Colon, b':') => {
                    self.state = State::Value;
                    tail
                }
                (State::FirstItem, b']') | (State::FirstKey, b'}') => {
                    self.close(byte == b'}', chunk, tail, sink);
                    tail
                }
                (State::Value | State::FirstItem, b'{' | b'[') => {
                    let node = self.next.take();
                    self.open(byte == b'{', node, chunk.len().saturating_sub(rest.len()), sink);
                    tail
                }
                (state, _) if is_space(byte) && state.is_between() => without_spaces(tail),
                (State::Value | State::FirstItem, _) => self.value(byte, rest, tail, sink),
                (State::AfterValue, b',') => {
                    self.after_comma();
                    match tail.split_first() {
                        Some((b'"', text)) if self.state == State::Key => self.key(text),
                        _ => tail,
                    }
                }
                (State::AfterValue, b'}' | b']') => {
                    self.close(byte == b'}', chunk, tail, sink);
                    tail
                }
                (State::AfterValue | State::FirstKey | State::Key | State::Colon, _) => {
                    self.state = State::Failed;
                    tail
                }
                _ => return rest,
            };
        }
        rest
    }

    /// Behind the opening quote of a key.
    #[inline]
    fn key<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        if let Some((plain, b'"', rest)) = split_plain(text) {
            self.next = self.top().and_then(|level| level.node.member(plain, &mut level.next_member));
            if let Some((b':', value)) = rest.split_first() {
                self.state = State::Value;
                return value;
            }
            self.state = State::Colon;
            return rest;
        }
        self.text.begin();
        self.state = State::KeyString;
        text
    }

    /// A scalar that begins with `byte` and goes on in `tail`.
    #[inline]
    fn value<'a>(&mut self, byte: u8, rest: &'a [u8], tail: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        let scalar = self.next.take().and_then(|node| node.scalar);
        self.reading = scalar.map(|(tag, bound)| (tag, bound.bytes().min(self.max_kept_bytes)));
        match byte {
            b'"' => self.whole_string(tail, sink),
            b'-' | b'0'..=b'9' if self.reading.is_some() => self.whole_number(rest, sink),
            b't' if self.reading.is_some() => self.whole_literal(b"true", rest, tail, sink),
            b'f' if self.reading.is_some() => self.whole_literal(b"false", rest, tail, sink),
            b'n' if self.reading.is_some() => self.whole_literal(b"null", rest, tail, sink),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                // As a rule.
                if let Some(behind @ [b',' | b'}', ..]) = tail.strip_prefix(b"ull") {
                    self.end_value();
                    return behind;
                }
                self.state = State::SkipPrimitive;
                self.skip_primitive(tail)
            }
            _ => {
                self.state = State::Failed;
                tail
            }
        }
    }

    #[inline]
    fn whole_string<'a>(&mut self, text: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        let Some((tag, max_bytes)) = self.reading else {
            return self.skip_string(text, false);
        };
        if let Some((plain, b'"', rest)) = split_plain(text) {
            let kept = plain.get(..max_bytes).unwrap_or(plain);
            sink.scalar(tag, Scalar::String { bytes: kept, truncated: kept.len() < plain.len() });
            self.end_value();
            return rest;
        }
        self.text.begin();
        self.state = State::String;
        text
    }

    #[inline]
    fn whole_number<'a>(&mut self, text: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        self.text.begin();
        self.state = State::Number;
        let Some(length) = text.iter().position(|byte| !is_of_number(*byte)) else {
            self.text.push(text, MAX_NUMBER_BYTES);
            return &[];
        };
        let (digits, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
        self.report_number(digits, digits.len() > MAX_NUMBER_BYTES, sink);
        rest
    }

    #[inline]
    fn whole_literal<'a>(
        &mut self,
        text: &'static [u8],
        rest: &'a [u8],
        tail: &'a [u8],
        sink: &mut dyn Sink<T>,
    ) -> &'a [u8] {
        if let Some(rest) = rest.strip_prefix(text) {
            self.report_literal(text, sink);
            return rest;
        }
        self.state = State::Literal { text, matched: 1 };
        tail
    }

    /// An object or array begins, `at` bytes into the chunk.
    fn open(&mut self, object: bool, node: Option<&'static Node<T>>, at: usize, sink: &mut dyn Sink<T>) {
        if let Some(node) = node {
            if let (Some((tag, bound)), None) = (node.verbatim, &self.copying) {
                let max_bytes = bound.bytes().min(self.max_kept_bytes);
                self.copy.clear();
                let outside = self.open_levels();
                self.copying = Some(Copying { tag, max_bytes, outside, from: at, overflow: false });
            }
            let named = if object { !node.keys.is_empty() } else { node.items.is_some() };
            if (named || node.container.is_some())
                && let Some(slot) = self.levels.get_mut(self.depth)
            {
                *slot = Some(Level { node, object, next_member: 0 });
                self.depth = self.depth.saturating_add(1);
                self.next = if object { None } else { node.items };
                self.state = if object { State::FirstKey } else { State::FirstItem };
                if let Some(tag) = node.container {
                    sink.open(tag);
                }
                return;
            }
        }
        self.skipped = 1;
        self.skipped_objects = u64::from(object);
        self.skipped_unknown = 0;
        self.state = State::SkipContainer(Strings::default());
    }

    fn close(&mut self, object: bool, chunk: &[u8], rest: &[u8], sink: &mut dyn Sink<T>) {
        match self.top() {
            Some(level) if level.object == object => {
                let node = level.node;
                self.depth = self.depth.saturating_sub(1);
                if let Some(tag) = node.container {
                    sink.close(tag);
                }
                self.end_container(chunk, rest, sink);
            }
            _ => self.state = State::Failed,
        }
    }

    /// An object or array ended right before `rest`.
    fn end_container(&mut self, chunk: &[u8], rest: &[u8], sink: &mut dyn Sink<T>) {
        self.end_value();
        if let Some(copying) = &self.copying
            && self.open_levels() <= copying.outside
        {
            let end = chunk.len().saturating_sub(rest.len());
            self.copy_bytes(chunk.get(copying.from..end).unwrap_or_default());
            self.end_copy(sink);
        }
    }

    #[inline]
    fn top(&mut self) -> Option<&mut Level<T>> {
        self.levels.get_mut(self.depth.checked_sub(1)?)?.as_mut()
    }

    #[inline]
    fn end_value(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::AfterValue };
    }

    #[inline]
    fn after_comma(&mut self) {
        match self.top() {
            Some(level) if level.object => self.state = State::Key,
            Some(level) => {
                self.next = level.node.items;
                self.state = State::Value;
            }
            None => self.state = State::Failed,
        }
    }

    /// A key that was cut or has escapes.
    fn key_string<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some((plain, stop, rest)) = split_plain(rest) else {
            self.text.push(rest, MAX_KEY_BYTES);
            return &[];
        };
        self.text.push(plain, MAX_KEY_BYTES);
        if stop == b'\\' {
            self.state = State::Escape { key: true };
            return rest;
        }
        self.text.end(MAX_KEY_BYTES);
        let text = std::mem::take(&mut self.text);
        let level = self.top().filter(|_| !text.truncated);
        self.next = level.and_then(|level| level.node.member(&text.bytes, &mut level.next_member));
        self.text = text;
        self.state = State::Colon;
        rest
    }

    /// A kept string that was cut or has escapes.
    fn string<'a>(&mut self, mut rest: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        let Some((tag, max_bytes)) = self.reading else {
            self.state = State::SkipString { escaped: false };
            return rest;
        };
        while !self.text.truncated {
            let Some((stop, behind)) = self.text.push_plain(rest, max_bytes) else { return &[] };
            if stop == b'"' {
                self.text.end(max_bytes);
                let Text { bytes, truncated, .. } = &self.text;
                sink.scalar(tag, Scalar::String { bytes, truncated: *truncated });
                self.end_value();
                return behind;
            }
            if self.text.truncated {
                return self.rest_of_string(behind, true, sink);
            }
            let escape = behind.split_first().and_then(|(byte, behind)| Some((escaped(*byte)?, behind)));
            let Some((byte, behind)) = escape else {
                self.state = State::Escape { key: false };
                return behind;
            };
            self.text.push_byte(byte, max_bytes);
            rest = behind;
        }
        self.rest_of_string(rest, false, sink)
    }

    fn bound(&self, key: bool) -> usize {
        if key { MAX_KEY_BYTES } else { self.reading.map_or(0, |(_, max_bytes)| max_bytes) }
    }

    fn resume_string(key: bool) -> State {
        if key { State::KeyString } else { State::String }
    }

    fn escape(&mut self, byte: u8, key: bool) {
        if let Some(plain) = escaped(byte) {
            self.text.push_byte(plain, self.bound(key));
            self.state = Self::resume_string(key);
        } else if byte == b'u' {
            self.state = State::Unicode { key, digits: 0, code: 0 };
        } else {
            self.state = State::Failed;
        }
    }

    fn unicode(&mut self, byte: u8, key: bool, digits: u8, code: u16) {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok()) else {
            self.state = State::Failed;
            return;
        };
        let code = (code << 4) | digit;
        if digits < 3 {
            self.state = State::Unicode { key, digits: digits.saturating_add(1), code };
            return;
        }
        self.text.push_code_unit(code, self.bound(key));
        self.state = Self::resume_string(key);
    }

    /// A number that was cut.
    fn number<'a>(&mut self, rest: &'a [u8], sink: &mut dyn Sink<T>) -> &'a [u8] {
        let length = rest.iter().position(|byte| !is_of_number(*byte)).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.text.push(digits, MAX_NUMBER_BYTES);
        if !rest.is_empty() {
            self.end_number(sink);
        }
        rest
    }

    fn end_number(&mut self, sink: &mut dyn Sink<T>) {
        let text = std::mem::take(&mut self.text);
        self.report_number(&text.bytes, text.truncated, sink);
        self.text = text;
    }

    #[inline]
    fn report_number(&mut self, digits: &[u8], is_overlong: bool, sink: &mut dyn Sink<T>) {
        self.end_value();
        let Some((tag, _)) = self.reading else { return };
        if is_overlong {
            sink.scalar(tag, Scalar::Overlong);
            return;
        }
        match std::str::from_utf8(digits) {
            Ok(text) if is_number(digits) => sink.scalar(tag, Scalar::Number(text)),
            _ => self.state = State::Failed,
        }
    }

    fn literal(&mut self, byte: u8, text: &'static [u8], matched: usize, sink: &mut dyn Sink<T>) {
        if text.get(matched) != Some(&byte) {
            self.state = State::Failed;
            return;
        }
        let matched = matched.saturating_add(1);
        if matched < text.len() {
            self.state = State::Literal { text, matched };
            return;
        }
        self.report_literal(text, sink);
    }

    #[inline]
    fn report_literal(&mut self, text: &'static [u8], sink: &mut dyn Sink<T>) {
        if let Some((tag, _)) = self.reading {
            let value = match text {
                b"true" => Scalar::Bool(true),
                b"false" => Scalar::Bool(false),
                _ => Scalar::Null,
            };
            sink.scalar(tag, value);
        }
        self.end_value();
    }

    /// A string that nobody asked for.
    fn skip_string<'a>(&mut self, rest: &'a [u8], escaped: bool) -> &'a [u8] {
        match skip_string(rest, escaped) {
            Skipped::All { escaped } => {
                self.state = State::SkipString { escaped };
                &[]
            }
            Skipped::To(rest) => {
                self.end_value();
                rest
            }
        }
    }

    /// What comes behind as much of a string as is kept.
    fn rest_of_string<'a>(&mut self, rest: &'a [u8], escaped: bool, sink: &mut dyn Sink<T>) -> &'a [u8] {
        match skip_string(rest, escaped) {
            Skipped::All { escaped } => {
                self.state = State::RestOfString { escaped };
                &[]
            }
            Skipped::To(rest) => {
                if let Some((tag, _)) = self.reading {
                    sink.scalar(tag, Scalar::String { bytes: &self.text.bytes, truncated: true });
                }
                self.end_value();
                rest
            }
        }
    }

    fn skip_primitive<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let length = rest.iter().position(|byte| !is_of_primitive(*byte));
        let Some(length) = length else { return &[] };
        self.end_value();
        rest.get(length..).unwrap_or_default()
    }

    /// A container that nobody asked for.
    fn skip_container<'a>(
        &mut self,
        mut strings: Strings,
        chunk: &'a [u8],
        rest: &'a [u8],
        sink: &mut dyn Sink<T>,
    ) -> &'a [u8] {
        let mut behind = rest;
        while !behind.is_empty() {
            let (block, tail) = Block::first(behind);
            if let Some(end) = self.count_brackets(strings.brackets_outside(&block), behind) {
                let behind = behind.get(end..).unwrap_or_default();
                if self.state != State::Failed {
                    self.end_container(chunk, behind, sink);
                }
                return behind;
            }
            behind = tail;
        }
        self.state = State::SkipContainer(strings);
        &[]
    }

    /// Goes through the brackets that `places` has a bit for. Says what comes behind the one that is the last of the container, or the
    /// wrong one.
    #[inline]
    fn count_brackets(&mut self, mut places: u64, text: &[u8]) -> Option<usize> {
        while places != 0 {
            let at = places.trailing_zeros() as usize;
            places &= places.wrapping_sub(1);
            match text.get(at)? {
                byte @ (b'{' | b'[') => {
                    self.skipped = self.skipped.saturating_add(1);
                    self.skipped_objects = (self.skipped_objects << 1) | u64::from(*byte == b'{');
                    self.skipped_unknown = self.skipped_unknown.max(self.skipped.saturating_sub(64));
                }
                byte => {
                    let is_known = self.skipped > self.skipped_unknown;
                    if is_known && (self.skipped_objects & 1 == 1) != (*byte == b'}') {
                        self.state = State::Failed;
                        return Some(at.saturating_add(1));
                    }
                    self.skipped_objects >>= 1;
                    self.skipped = self.skipped.saturating_sub(1);
                    if self.skipped == 0 {
                        return Some(at.saturating_add(1));
                    }
                }
            }
        }
        None
    }

    fn copy_bytes(&mut self, bytes: &[u8]) {
        let Some(copying) = &mut self.copying else { return };
        let room = copying.max_bytes.saturating_sub(self.copy.len());
        copying.overflow |= bytes.len() > room;
        self.copy.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_copy(&mut self, sink: &mut dyn Sink<T>) {
        if let Some(copying) = self.copying.take() {
            if copying.overflow {
                sink.verbatim_cut(copying.tag, &self.copy);
            } else {
                sink.verbatim(copying.tag, Some(&self.copy));
            }
        }
    }
}

/// What became of a string that is passed over.
enum Skipped<'a> {
    /// Its end is not here; the last byte escapes the next.
    All { escaped: bool },
    /// What follows it.
    To(&'a [u8]),
}

fn skip_string(mut rest: &[u8], escaped: bool) -> Skipped<'_> {
    if !escaped {
        match split_plain(rest) {
            None => return Skipped::All { escaped },
            Some((_, b'"', tail)) => return Skipped::To(tail),
            Some((_, _, tail)) => rest = tail,
        }
    }
    // Where there is one escape there are more.
    let mut strings = Strings { inside: true, escaped: true };
    while !rest.is_empty() {
        let (block, tail) = Block::first(rest);
        if let Some(end) = strings.end(&block) {
            return Skipped::To(rest.get(end..).unwrap_or_default());
        }
        rest = tail;
    }
    Skipped::All { escaped: strings.escaped }
}

/// Indentation goes at once.
#[inline]
fn without_spaces(mut text: &[u8]) -> &[u8] {
    while let Some((b' ', tail)) = text.split_first() {
        text = tail;
    }
    text
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

const fn is_of_primitive(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

const fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// What a backslash and this byte stand for.
const fn escaped(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// The grammar of RFC 8259 section 6.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text.first() == Some(&b'0')) {
        return false;
    }
    let mut text = text.get(whole..).unwrap_or_default();
    if let Some(fraction) = text.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        text = fraction.get(count..).unwrap_or_default();
    }
    if let Some(exponent) = text.strip_prefix(b"e").or_else(|| text.strip_prefix(b"E")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    text.is_empty()
}

#[cfg(test)]
mod tests;
