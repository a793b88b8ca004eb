//! One object of the document: its keys by kind, each with its default, its bounds, and what is said of a bad value.

use std::borrow::Cow;
use std::ops::Range;

use nojson::{JsonValueKind, RawJsonValue};

use super::headers::{is_header, is_id_header};
#[cfg(not(target_arch = "wasm32"))]
use super::settings::{Setting, Values};
use super::{Findings, Header, ID_HEADERS, Id, Problem, SampleRate, TWICE, USING_ALL};
use crate::decimal;
use crate::rules::MAX_ENTRIES;

/// A value of the document. The crate keeps it as it is written, without turning numbers into floats and back: the
/// module is 21 KB smaller than with serde_json.
pub(super) type Json<'a> = RawJsonValue<'a, 'a>;

/// One of a list: what it says, and where its mistakes are in [`Findings::problems`].
struct Entry<T> {
    value: T,
    mistakes: Range<usize>,
}

/// One object of the document: remembers which keys were asked for, so that the others can be reported.
pub(super) struct Section<'a, 'p> {
    path: String,
    object: Option<Json<'a>>,
    known: Vec<&'static str>,
    pub(super) findings: &'p mut Findings,
}

impl<'a, 'p> Section<'a, 'p> {
    pub(super) fn new(path: &str, object: Option<Json<'a>>, findings: &'p mut Findings) -> Self {
        Self { path: path.to_owned(), object, known: Vec::new(), findings }
    }

    fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> + use<'a> {
        let members = self.object.and_then(|object| object.to_object().ok());
        members
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.to_unquoted_string_str().ok()?, value)))
    }

    /// Of a repeated key the last.
    #[inline(never)]
    fn value(&mut self, key: &'static str) -> Option<Json<'a>> {
        self.known.push(key);
        self.find(key).1
    }

    /// How often a key stands here, and its last value.
    #[inline(never)]
    pub(super) fn find(&self, key: &str) -> (usize, Option<Json<'a>>) {
        let of_key = self.members().filter(|(name, _)| name == key);
        of_key.fold((0, None), |(count, _), (_, value)| (count.saturating_add(1), Some(value)))
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says something of all of it; nothing where there is none.
    pub(super) fn report_whole(&mut self, message: &str) {
        if self.object.is_some() {
            let problem = Problem { path: self.path.clone(), message: message.to_owned() };
            self.findings.problems.push(problem);
        }
    }

    pub(super) fn report(&mut self, key: &str, message: String) {
        let path = self.path_of(key);
        self.findings.problems.push(Problem { path, message });
    }

    #[inline(never)]
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> T {
        self.object(key, |section| {
            let result = read(section);
            section.finish();
            result
        })
    }

    /// A section whose keys are anyone's.
    pub(super) fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        read(&mut self.open(key))
    }

    fn open(&mut self, key: &'static str) -> Section<'a, '_> {
        let object = match self.value(key) {
            Some(value) if !value.kind().is_object() => {
                let found = kind(value.kind());
                self.report(key, format!("expected an object, found {found}; using defaults"));
                None
            }
            object => object,
        };
        let path = self.path_of(key);
        Section::new(&path, object, self.findings)
    }

    /// A list of objects.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<T> {
        self.entries(key, read).into_iter().map(|Entry { value, .. }| value).collect()
    }

    /// The same without those that have a mistake: they may mean more than was meant.
    pub(super) fn sound_entries<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<T> {
        let mut sound = Vec::new();
        for Entry { value, mistakes } in self.entries(key, read) {
            if mistakes.is_empty() {
                sound.push(value);
            }
            for Problem { message, .. } in self.findings.problems.get_mut(mistakes).unwrap_or_default() {
                let what = message.strip_suffix(USING_ALL).unwrap_or(message);
                *message = format!("{what}; the whole entry is ignored");
            }
        }
        sound
    }

    fn entries<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<Entry<T>> {
        #[cfg(not(target_arch = "wasm32"))]
        read(&mut Section::new(&format!("{}[]", self.path_of(key)), None, self.findings));
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Ok(items) = value.to_array() else {
            let found = kind(value.kind());
            self.report(key, format!("expected an array of objects, found {found}; using none"));
            return Vec::new();
        };
        let mut list = Vec::new();
        for (at, item) in items.enumerate() {
            let place = format!("{key}[{at}]");
            if at >= MAX_ENTRIES {
                self.report(
                    &place,
                    format!("more than {MAX_ENTRIES} entries; those from here on are ignored"),
                );
                break;
            }
            if !item.kind().is_object() {
                self.report(&place, format!("expected an object, found {}; ignored", kind(item.kind())));
                continue;
            }
            let path = self.path_of(&place);
            let before = self.findings.problems.len();
            let mut section = Section::new(&path, Some(item), self.findings);
            let value = read(&mut section);
            section.finish();
            let mistakes = before..self.findings.problems.len();
            list.push(Entry { value, mistakes });
        }
        list
    }

    #[inline(never)]
    pub(super) fn text(&mut self, key: &'static str, default: String) -> String {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Text { default: default.clone() });
        self.checked_text(key, default, "a text of", |_| true)
    }

    /// What a host or a path is compared with; all of them where there is none.
    pub(super) fn pattern(&mut self, key: &'static str, expected: &str, fits: fn(&str) -> bool) -> String {
        self.checked_text(key, "*".to_owned(), expected, fits)
    }

    #[inline(never)]
    fn checked_text(
        &mut self,
        key: &'static str,
        default: String,
        expected: &str,
        fits: fn(&str) -> bool,
    ) -> String {
        let Some(value) = self.value(key) else {
            return default;
        };
        let is_valid = |text: &str| {
            (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && fits(text)
        };
        if let Some(text) = value.to_unquoted_string_str().ok().filter(|text| is_valid(text)) {
            return text.into_owned();
        }
        let message = format!(
            "expected {expected} 1 to 512 visible ASCII characters, found {}; using {default:?}",
            shown(value)
        );
        self.report(key, message);
        default
    }

    /// An object of names and values. A bad one is left out; no message repeats a value.
    pub(super) fn headers(&mut self, max_headers: usize, max_bytes: usize) -> Vec<Header> {
        #[cfg(not(target_arch = "wasm32"))]
        self.findings.settings.push(Setting { path: self.path.clone(), values: Values::Headers });
        let mut headers: Vec<Header> = Vec::new();
        let mut free = max_bytes;
        for (name, value) in self.members() {
            let value = value.to_unquoted_string_str().unwrap_or_default();
            let bytes = name.len().saturating_add(value.len());
            let is_known = headers.iter().any(|header| header.name == name);
            if !is_known && is_header(&name, &value) && headers.len() < max_headers && bytes <= free {
                free = free.saturating_sub(bytes);
                headers.push(Header { name: name.into_owned(), value: value.into_owned() });
            } else {
                let message = "expected a name in lower case that gRPC and HTTP leave free, once, and a text of 1 to \
                               4096 visible ASCII characters and spaces, at most 16 and 8192 bytes together; not sent";
                // Behind what can be a name stands what nobody should read.
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                let colon = usize::from(name.starts_with(':'));
                let end =
                    name.bytes().skip(colon).take_while(|byte| is_part(*byte)).count().saturating_add(colon);
                self.report(&beginning(name.get(..end).unwrap_or_default()), message.to_owned());
            }
        }
        headers
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.boolean_or(key, default, default)
    }

    /// `fallback` stands in for a bad value, `default` for none.
    pub(super) fn boolean_or(&mut self, key: &'static str, default: bool, fallback: bool) -> bool {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Boolean { default });
        let Some(value) = self.value(key) else { return default };
        match value.as_raw_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.report(key, format!("expected true or false, found {}; using {fallback}", shown(value)));
                fallback
            }
        }
    }

    /// A text that no message repeats.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Secret);
        let value = self.value(key)?;
        let text = value.to_unquoted_string_str().ok().filter(|text| (16..=512).contains(&text.len()));
        if text.is_none() {
            self.report(key, "expected a text of 16 to 512 bytes; using a random one".to_owned());
        }
        text
    }

    /// A list of names of request headers; a bad one is left out.
    pub(super) fn id_headers(&mut self, key: &'static str, id: Id, headers: &mut Vec<(Id, String)>) {
        const MAX_NAMES: usize = 8;
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::HeaderNames);
        let Some(members) = self.value(key).map(Json::to_array) else {
            let defaults = ID_HEADERS.iter().filter(|(default, _)| *default == id);
            headers.extend(defaults.map(|(id, name)| (*id, (*name).to_owned())));
            return;
        };
        let (mut good, mut bad) = (0, members.is_err());
        for member in members.into_iter().flatten() {
            let mut name = member.to_unquoted_string_str().unwrap_or_default().into_owned();
            name.make_ascii_lowercase();
            if good < MAX_NAMES && is_id_header(&name) {
                headers.push((id, name));
                good = good.saturating_add(1);
            } else {
                bad = true;
            }
        }
        if bad {
            let expected =
                "expected a list of at most 8 names of headers without credentials; others are left out";
            self.report(key, expected.to_owned());
        }
    }

    pub(super) fn number<N>(&mut self, key: &'static str, min: u32, max: impl TryInto<u32>, default: N) -> N
    where
        N: TryFrom<u32> + TryInto<u32> + Copy,
    {
        let max = max.try_into().unwrap_or(u32::MAX);
        let number = self.whole_number(key, min, max, default.try_into().unwrap_or(u32::MAX));
        N::try_from(number).unwrap_or(default)
    }

    /// Istio hands whole numbers over as doubles, so `512.0` is one.
    #[inline(never)]
    fn whole_number(&mut self, key: &'static str, min: u32, max: u32, default: u32) -> u32 {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Number { min, max, default });
        let Some(value) = self.value(key) else {
            return default;
        };
        let number = value.as_number_str().ok().and_then(whole_number);
        number.filter(|number| (min..=max).contains(number)).unwrap_or_else(|| {
            let message = format!(
                "expected a whole number from {min} to {max}, found {}; using {default}",
                shown(value)
            );
            self.report(key, message);
            default
        })
    }

    pub(super) fn sample_rate(&mut self, key: &'static str) -> SampleRate {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Share);
        let Some(value) = self.value(key) else { return SampleRate::ALL };
        let rate = value.as_number_str().ok().and_then(decimal::parse);
        rate.and_then(SampleRate::new).unwrap_or_else(|| {
            // Less content is the safer mistake.
            let message = format!("expected a number from 0.0 to 1.0, found {}; using 0.0", shown(value));
            self.report(key, message);
            SampleRate(0)
        })
    }

    /// A list of texts; what is none, or empty, is reported, and an empty text keeps its place.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        let Some(value) = self.value(key) else { return texts };
        let Ok(items) = value.to_array() else {
            self.report(key, format!("expected a list of texts, found {}; ignored", kind(value.kind())));
            return texts;
        };
        for (index, item) in items.enumerate() {
            let text = item.to_unquoted_string_str().unwrap_or_default().into_owned();
            if text.is_empty() {
                let found = if item.kind().is_string() { "an empty one" } else { kind(item.kind()) };
                self.report(&format!("{key}[{index}]"), format!("expected a text, found {found}; ignored"));
            }
            texts.push(text);
        }
        texts
    }

    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        let names: Vec<&'static str> = choices.iter().map(|(name, _)| *name).collect();
        let of_default = choices.iter().position(|(_, choice)| *choice == default).unwrap_or(0);
        choices.get(self.chosen(key, &names, of_default)).map_or(default, |(_, choice)| *choice)
    }

    /// Which of the names it is.
    #[inline(never)]
    fn chosen(&mut self, key: &'static str, names: &[&'static str], default: usize) -> usize {
        let fallback = names.get(default).copied().unwrap_or_default();
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Choice { names: names.to_vec(), default: fallback });
        let Some(value) = self.value(key) else {
            return default;
        };
        let text = value.to_unquoted_string_str().ok();
        names.iter().position(|name| text.as_deref() == Some(name)).unwrap_or_else(|| {
            let message =
                format!("expected one of {}, found {}; using {fallback}", names.join(", "), shown(value));
            self.report(key, message);
            default
        })
    }

    #[inline(never)]
    pub(super) fn finish(&mut self) {
        // What an editor puts at the top is no setting.
        let is_known = |key: &str| self.known.contains(&key) || self.path.is_empty() && key == "$schema";
        for (key, _) in self.members().filter(|(key, _)| !is_known(key)) {
            let message = format!("unknown key, ignored; known here: {}", self.known.join(", "));
            let path = self.path_of(&beginning(&key));
            self.findings.problems.push(Problem { path, message });
        }
        for key in &self.known {
            if self.find(key).0 > 1 {
                let (path, message) = (self.path_of(key), TWICE.to_owned());
                self.findings.problems.push(Problem { path, message });
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "guarded: a whole number in the range of u32"
)]
fn whole_number(digits: &str) -> Option<u32> {
    let number = decimal::parse(digits)?;
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

/// A value as it stands in a message.
fn shown(value: Json<'_>) -> String {
    beginning(value.as_raw_str())
}

/// Enough of a text to find it again, on one line; where there is none, as it stands in a document.
pub(super) fn beginning(text: &str) -> String {
    const MAX_BYTES: usize = 64;
    let end = text.floor_char_boundary(MAX_BYTES);
    let beginning = if end == 0 { "\"\"" } else { text.get(..end).unwrap_or_default() };
    let printable = |character: char| if character.is_control() { ' ' } else { character };
    let mut line: String = beginning.chars().map(printable).collect();
    if end < text.len() {
        line.push('…');
    }
    line
}

pub(super) fn kind(kind: JsonValueKind) -> &'static str {
    match kind {
        JsonValueKind::Null => "null",
        JsonValueKind::Boolean => "a boolean",
        JsonValueKind::Integer | JsonValueKind::Float => "a number",
        JsonValueKind::String => "a text",
        JsonValueKind::Array => "an array",
        JsonValueKind::Object => "an object",
    }
}
