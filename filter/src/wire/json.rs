//! JSON read incrementally: only the fields that a [`Node`] tree names are kept, the rest is passed over.
//!
//! Memory is constant whatever the document: the levels that the tree names (at most [`MAX_LEVELS`]), one bounded
//! scalar, one bounded verbatim copy. What the tree does not name is skipped without being validated beyond its strings
//! and its brackets, to any depth (which bracket closes which is checked for the innermost 64 levels). A repeated key is reported again, so that the last one wins.
//!
//! Invariant: the calls to the [`Sink`] are the same however the input is cut into chunks.

use memchr::memchr2;

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
    const NOTHING: Self = Self { scalar: None, container: None, verbatim: None, keys: &[], items: None };

    /// A string, number, boolean or null, reported as `tag`; of a string the first `max_bytes`.
    pub const fn scalar(tag: T, max_bytes: usize) -> Self {
        Self { scalar: Some((tag, Bound::new(max_bytes))), ..Self::NOTHING }
    }

    /// An object of which the named members are kept.
    pub const fn object(keys: &'static [(&'static str, Self)]) -> Self {
        Self { keys, ..Self::NOTHING }
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

    fn member(&'static self, key: &[u8]) -> Option<&'static Self> {
        self.keys.iter().find(|(name, _)| name.as_bytes() == key).map(|(_, node)| node)
    }
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
    /// Inside a key, before the colon, or inside a kept string.
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
    SkipString,
    SkipEscape,
    /// A number or literal that nobody asked for.
    SkipPrimitive,
    /// Inside a container that nobody asked for.
    SkipContainer,
    SkipContainerString,
    SkipContainerEscape,
    /// The document's value is complete.
    Done,
    Failed,
}

#[derive(Debug)]
struct Level<T: 'static> {
    node: &'static Node<T>,
    object: bool,
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
    text: Vec<u8>,
    truncated: bool,
    /// First half of a surrogate pair, until its second half shows.
    high_surrogate: Option<u16>,
    copying: Option<Copying<T>>,
    copy: Vec<u8>,
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
            text: Vec::new(),
            truncated: false,
            high_surrogate: None,
            copying: None,
            copy: Vec::new(),
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
        self.text.clear();
        self.truncated = false;
        self.high_surrogate = None;
        self.copying = None;
        self.copy.clear();
    }

    pub fn feed(&mut self, bytes: &[u8], sink: &mut dyn Sink<T>) {
        let used = self.feed_one(bytes, sink);
        if used < bytes.len() {
            self.state = State::Failed;
        }
    }

    /// Like `feed`, but stops in front of what follows the document, and says where that is.
    pub fn feed_one(&mut self, bytes: &[u8], sink: &mut dyn Sink<T>) -> usize {
        let mut at = 0;
        let mut copied_from = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.state == State::Done && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return at;
            }
            let copying_before = self.copying.is_some();
            let next = self.step(bytes, at, byte, sink);
            if !copying_before && self.copying.is_some() {
                copied_from = at;
            }
            at = next;
            if let Some(copying) = &self.copying
                && self.open_levels() <= copying.outside
            {
                self.copy_bytes(bytes.get(copied_from..at).unwrap_or_default());
                self.end_copy(sink);
            }
        }
        if self.copying.is_some() {
            self.copy_bytes(bytes.get(copied_from..).unwrap_or_default());
        }
        bytes.len()
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

    /// Consumes from `at` and returns where to go on; always consumes, or moves to a state that does.
    fn step(&mut self, bytes: &[u8], at: usize, byte: u8, sink: &mut dyn Sink<T>) -> usize {
        let after = at.saturating_add(1);
        match self.state {
            State::SkipContainer => return self.skip_container(bytes, at),
            State::SkipContainerString => {
                return self.skip_string(bytes, at, State::SkipContainer, State::SkipContainerEscape);
            }
            State::SkipContainerEscape => self.state = State::SkipContainerString,
            State::SkipString => return self.skip_plain_string(bytes, at),
            State::SkipEscape => self.state = State::SkipString,
            State::String => return self.string(bytes, at, sink),
            State::KeyString => return self.key_string(bytes, at),
            State::Escape { key } => self.escape(byte, key),
            State::Unicode { key, digits, code } => self.unicode(byte, key, digits, code),
            State::Number => return self.number(byte, at, sink),
            State::SkipPrimitive => return self.skip_primitive(byte, at),
            State::Literal { text, matched } => self.literal(byte, text, matched, sink),
            State::Failed => return bytes.len(),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::FirstItem if byte == b']' => self.close(false, sink),
            State::Value | State::FirstItem => self.value(byte, sink),
            State::FirstKey if byte == b'}' => self.close(true, sink),
            State::FirstKey | State::Key if byte == b'"' => {
                self.begin_text();
                self.state = State::KeyString;
            }
            State::Colon if byte == b':' => self.state = State::Value,
            State::AfterValue => self.after_value(byte, sink),
            State::FirstKey | State::Key | State::Colon | State::Done => self.state = State::Failed,
        }
        after
    }

    fn value(&mut self, byte: u8, sink: &mut dyn Sink<T>) {
        let node = self.next.take();
        let kept = |(tag, bound): (T, Bound)| (tag, bound.bytes().min(self.max_kept_bytes));
        self.reading = node.and_then(|node| node.scalar).map(kept);
        let wanted = self.reading.is_some();
        match byte {
            b'{' | b'[' => self.open(byte == b'{', node, sink),
            b'"' if wanted => {
                self.begin_text();
                self.state = State::String;
            }
            b'"' => self.state = State::SkipString,
            b'-' | b'0'..=b'9' if wanted => {
                self.begin_text();
                self.text.push(byte);
                self.state = State::Number;
            }
            b't' | b'f' | b'n' if wanted => {
                let text: &[u8] = match byte {
                    b't' => b"true",
                    b'f' => b"false",
                    _ => b"null",
                };
                self.state = State::Literal { text, matched: 1 };
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.state = State::SkipPrimitive,
            _ => self.state = State::Failed,
        }
    }

    fn open(&mut self, object: bool, node: Option<&'static Node<T>>, sink: &mut dyn Sink<T>) {
        if let Some(node) = node {
            if let (Some((tag, bound)), None) = (node.verbatim, &self.copying) {
                let max_bytes = bound.bytes().min(self.max_kept_bytes);
                self.copy.clear();
                self.copying = Some(Copying { tag, max_bytes, outside: self.open_levels(), overflow: false });
            }
            let named = if object { !node.keys.is_empty() } else { node.items.is_some() };
            if (named || node.container.is_some())
                && let Some(slot) = self.levels.get_mut(self.depth)
            {
                *slot = Some(Level { node, object });
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
        self.state = State::SkipContainer;
    }

    fn close(&mut self, object: bool, sink: &mut dyn Sink<T>) {
        match self.top() {
            Some(level) if level.object == object => {
                self.depth = self.depth.saturating_sub(1);
                if let Some(tag) = level.node.container {
                    sink.close(tag);
                }
                self.end_value();
            }
            _ => self.state = State::Failed,
        }
    }

    fn top(&self) -> Option<Level<T>> {
        self.levels.get(self.depth.checked_sub(1)?).copied().flatten()
    }

    fn end_value(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::AfterValue };
    }

    fn after_value(&mut self, byte: u8, sink: &mut dyn Sink<T>) {
        match (byte, self.top()) {
            (b',', Some(level)) if level.object => self.state = State::Key,
            (b',', Some(level)) => {
                self.next = level.node.items;
                self.state = State::Value;
            }
            (b'}', _) => self.close(true, sink),
            (b']', _) => self.close(false, sink),
            _ => self.state = State::Failed,
        }
    }

    fn begin_text(&mut self) {
        self.text.clear();
        self.truncated = false;
        self.high_surrogate = None;
    }

    fn push_text(&mut self, bytes: &[u8], max_bytes: usize) {
        if self.high_surrogate.take().is_some() {
            self.push_bounded("\u{fffd}".as_bytes(), max_bytes);
        }
        self.push_bounded(bytes, max_bytes);
    }

    fn push_bounded(&mut self, bytes: &[u8], max_bytes: usize) {
        let room = max_bytes.saturating_sub(self.text.len());
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.truncated |= bytes.len() > room;
    }

    /// A key: looked up in place when it is whole and plain, collected otherwise.
    fn key_string(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr2(b'"', b'\\', rest) else {
            self.push_text(rest, MAX_KEY_BYTES);
            return bytes.len();
        };
        let plain = rest.get(..found).unwrap_or_default();
        let after = at.saturating_add(found).saturating_add(1);
        if rest.get(found) == Some(&b'\\') {
            if !plain.is_empty() {
                self.push_text(plain, MAX_KEY_BYTES);
            }
            self.state = State::Escape { key: true };
            return after;
        }
        let node = self.top().map(|level| level.node);
        self.next = if self.text.is_empty() && self.high_surrogate.is_none() {
            node.and_then(|node| node.member(plain))
        } else {
            self.push_text(plain, MAX_KEY_BYTES);
            if self.truncated { None } else { node.and_then(|node| node.member(&self.text)) }
        };
        self.state = State::Colon;
        after
    }

    /// A kept string: handed over in place when it is whole and plain, collected otherwise.
    fn string(&mut self, bytes: &[u8], at: usize, sink: &mut dyn Sink<T>) -> usize {
        let Some((tag, max_bytes)) = self.reading else {
            self.state = State::SkipString;
            return at;
        };
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr2(b'"', b'\\', rest) else {
            self.push_text(rest, max_bytes);
            return bytes.len();
        };
        let plain = rest.get(..found).unwrap_or_default();
        let after = at.saturating_add(found).saturating_add(1);
        if rest.get(found) == Some(&b'\\') {
            if !plain.is_empty() {
                self.push_text(plain, max_bytes);
            }
            self.state = State::Escape { key: false };
            return after;
        }
        if self.text.is_empty() && self.high_surrogate.is_none() && plain.len() <= max_bytes {
            sink.scalar(tag, Scalar::String { bytes: plain, truncated: self.truncated });
        } else {
            self.push_text(plain, max_bytes);
            sink.scalar(tag, Scalar::String { bytes: &self.text, truncated: self.truncated });
        }
        self.end_value();
        after
    }

    fn bound(&self, key: bool) -> usize {
        if key { MAX_KEY_BYTES } else { self.reading.map_or(0, |(_, max_bytes)| max_bytes) }
    }

    fn resume_string(key: bool) -> State {
        if key { State::KeyString } else { State::String }
    }

    fn escape(&mut self, byte: u8, key: bool) {
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Unicode { key, digits: 0, code: 0 };
                return;
            }
            _ => {
                self.state = State::Failed;
                return;
            }
        };
        self.push_text(&[plain], self.bound(key));
        self.state = Self::resume_string(key);
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
        self.push_code_unit(code, self.bound(key));
        self.state = Self::resume_string(key);
    }

    /// Joins surrogate pairs; half a pair becomes U+FFFD.
    fn push_code_unit(&mut self, code: u16, max_bytes: usize) {
        let units = match self.high_surrogate.take() {
            Some(high) => join_units(&[high, code]),
            None if (0xD800..0xDC00).contains(&code) => {
                self.high_surrogate = Some(code);
                return;
            }
            None => join_units(&[code]),
        };
        // A pair that does not join leaves a second unit that may itself begin a pair.
        match units {
            Units::One(character) => self.push_character(character, max_bytes),
            Units::HalfThen(next) => {
                self.push_character(char::REPLACEMENT_CHARACTER, max_bytes);
                self.push_code_unit(next, max_bytes);
            }
        }
    }

    fn push_character(&mut self, character: char, max_bytes: usize) {
        let mut buffer = [0; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        self.push_bounded(encoded, max_bytes);
    }

    fn number(&mut self, byte: u8, at: usize, sink: &mut dyn Sink<T>) -> usize {
        if matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
            self.push_bounded(&[byte], MAX_NUMBER_BYTES);
            return at.saturating_add(1);
        }
        self.end_number(sink);
        at
    }

    fn end_number(&mut self, sink: &mut dyn Sink<T>) {
        self.end_value();
        let Some((tag, _)) = self.reading else { return };
        if self.truncated {
            sink.scalar(tag, Scalar::Overlong);
            return;
        }
        match std::str::from_utf8(&self.text) {
            Ok(text) if is_number(text.as_bytes()) => sink.scalar(tag, Scalar::Number(text)),
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

    fn skip_plain_string(&mut self, bytes: &[u8], at: usize) -> usize {
        let next = self.skip_string(bytes, at, State::Done, State::SkipEscape);
        if self.state == State::Done {
            self.end_value();
        }
        next
    }

    fn skip_string(&mut self, bytes: &[u8], at: usize, ended: State, escaped: State) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr2(b'"', b'\\', rest) else {
            return bytes.len();
        };
        self.state = if rest.get(found) == Some(&b'"') { ended } else { escaped };
        at.saturating_add(found).saturating_add(1)
    }

    fn skip_primitive(&mut self, byte: u8, at: usize) -> usize {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
            return at.saturating_add(1);
        }
        self.end_value();
        at
    }

    fn skip_container(&mut self, bytes: &[u8], at: usize) -> usize {
        let mut at = at;
        while let Some(&byte) = bytes.get(at) {
            at = at.saturating_add(1);
            match byte {
                b'"' => {
                    self.state = State::SkipContainerString;
                    return at;
                }
                b'{' | b'[' => {
                    self.skipped = self.skipped.saturating_add(1);
                    self.skipped_objects = (self.skipped_objects << 1) | u64::from(byte == b'{');
                    self.skipped_unknown = self.skipped_unknown.max(self.skipped.saturating_sub(64));
                }
                b'}' | b']' => {
                    let is_known = self.skipped > self.skipped_unknown;
                    if is_known && (self.skipped_objects & 1 == 1) != (byte == b'}') {
                        self.state = State::Failed;
                        return at;
                    }
                    self.skipped_objects >>= 1;
                    self.skipped = self.skipped.saturating_sub(1);
                    if self.skipped == 0 {
                        self.end_value();
                        return at;
                    }
                }
                _ => {}
            }
        }
        at
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

enum Units {
    One(char),
    /// The first unit was half a pair; the second stands for itself.
    HalfThen(u16),
}

fn join_units(units: &[u16]) -> Units {
    match (char::decode_utf16(units.iter().copied()).next(), units.last()) {
        (Some(Ok(character)), _) => Units::One(character),
        (_, Some(&next)) if units.len() == 2 => Units::HalfThen(next),
        _ => Units::One(char::REPLACEMENT_CHARACTER),
    }
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
