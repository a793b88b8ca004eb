//! Texts and JSON on their way out: escaped, and treated as the mode wants it.

use std::borrow::Cow;

use super::message::MAX_WORD_BYTES;
use crate::fingerprint::Key;
use crate::redact::{Found, Redactor};
use crate::wire::ascii_set::AsciiSet;
use crate::wire::json::{is_number, unescaped};

/// What cannot stand in a JSON string as it is.
static SPECIAL: AsciiSet = AsciiSet::of(b"\"\\").and_range(0, 0x1f);
/// What of that has no short escape.
static LONG: AsciiSet = AsciiSet::of(b"\x0b").and_range(0, 7).and_range(0x0e, 0x1f);

/// Levels of JSON that are kept as JSON; deeper ones become a text.
const MAX_LEVELS: usize = 64;

/// What happens to every text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Treatment<'a> {
    Full,
    Redacted(&'a Redactor),
    Fingerprint(&'a Key),
}

impl Treatment<'_> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Redacted(_) => "redacted",
            Self::Fingerprint(_) => "fingerprint",
        }
    }
}

/// How many bytes a text takes inside a JSON string.
pub(super) fn json_bytes(text: &str) -> usize {
    let [special, long] = AsciiSet::counts([&SPECIAL, &LONG], text.as_bytes());
    text.len().saturating_add(special).saturating_add(long.saturating_mul(4))
}

/// What a byte takes in a JSON string besides itself.
fn extra_bytes(byte: u8) -> u8 {
    let short = matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 0xc);
    let long = byte < 0x20 && !short;
    u8::from(short) | (u8::from(long).wrapping_mul(5))
}

/// The longest beginning of a text that takes no more than `max_bytes` inside a JSON string.
pub(super) fn fitting(text: &str, max_bytes: usize) -> &str {
    let mut room = max_bytes;
    for (at, byte) in text.bytes().enumerate() {
        let bytes = usize::from(extra_bytes(byte)).saturating_add(1);
        match room.checked_sub(bytes) {
            Some(rest) => room = rest,
            None => return text.get(..text.floor_char_boundary(at)).unwrap_or_default(),
        }
    }
    text
}

/// A JSON document being written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) out: String,
    treatment: Treatment<'a>,
    /// How many bytes texts may still grow by under their treatment.
    pub(super) slack: usize,
    /// A text grew beyond that, and was cut.
    pub(super) cut: bool,
    /// What is written next may have broken off: its end is treated as that of a text that was cut.
    pub(super) is_open: bool,
    pub(super) found: Found,
}

impl<'a> Writer<'a> {
    pub(super) fn new(treatment: Treatment<'a>, slack: usize) -> Self {
        Self { out: String::new(), treatment, slack, cut: false, is_open: false, found: Found::default() }
    }

    /// What is no content: written as it is.
    pub(super) fn raw(&mut self, json: &str) {
        self.out.push_str(json);
    }

    /// The same, as the next item of an array.
    pub(super) fn item(&mut self, json: &str) {
        if !self.out.ends_with('[') {
            self.out.push(',');
        }
        self.raw(json);
    }

    /// Runs `write`, whose texts may grow by no more than `room`.
    pub(super) fn within(&mut self, room: usize, write: impl FnOnce(&mut Self)) {
        let beyond = self.slack.saturating_sub(room);
        self.slack = self.slack.min(room);
        write(self);
        self.slack = self.slack.saturating_add(beyond);
    }

    /// A text of which is known that it takes `json_bytes` in a string: when those are its own, it needs no escapes.
    pub(super) fn counted_text(&mut self, text: &str, json_bytes: usize, is_cut: bool) {
        match self.treated(text, is_cut || self.is_open) {
            Cow::Borrowed(text) if json_bytes == text.len() => self.quoted(text),
            treated => self.bounded(text, treated),
        }
    }

    /// A text that needs no escapes.
    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    /// A string that is no content.
    pub(super) fn string(&mut self, text: &str) {
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }

    /// An id, a name, a role: as it is where it can be nothing else, treated as a text where it might be.
    pub(super) fn word(&mut self, word: &str) {
        if is_identifier(word) {
            self.quoted(word);
        } else {
            // The longest were cut when they were read, within a character or an escape perhaps.
            let is_cut = json_bytes(word) > MAX_WORD_BYTES.saturating_sub(6);
            self.cut |= is_cut;
            self.text(word, is_cut);
        }
    }

    /// The beginning of a word that may be of any length. What is left of it after its treatment is cut, not what is
    /// treated: half a secret would not be recognized.
    pub(super) fn head(&mut self, word: &str, max_bytes: usize) {
        let is_cut = word.len() > max_bytes;
        let treated = if is_identifier(word) { Cow::Borrowed(word) } else { self.treated(word, is_cut) };
        let shown = fitting(&treated, max_bytes);
        self.cut |= shown.len() < treated.len();
        self.string(shown);
    }

    /// A text that is content.
    pub(super) fn text(&mut self, text: &str, is_cut: bool) {
        let treated = self.treated(text, is_cut);
        self.bounded(text, treated);
    }

    fn treated<'t>(&mut self, text: &'t str, is_cut: bool) -> Cow<'t, str> {
        match self.treatment {
            Treatment::Full => Cow::Borrowed(text),
            Treatment::Redacted(redactor) => redactor.redact(text, is_cut, &mut self.found),
            Treatment::Fingerprint(key) => {
                let mut shown = key.text_fingerprint(text);
                shown.push(':');
                shown.push_str(&text.len().to_string());
                Cow::Owned(shown)
            }
        }
    }

    /// The value of a member of an object: what it is may only show behind its name, as of a password.
    fn member<'t>(&mut self, name: &str, value: &'t str) -> Cow<'t, str> {
        match self.treatment {
            Treatment::Redacted(redactor) => redactor.redact_member(name, value, &mut self.found),
            _ => self.treated(value, false),
        }
    }

    /// Writes a text that the treatment made of another.
    fn bounded(&mut self, text: &str, treated: Cow<'_, str>) {
        let treated = match treated {
            Cow::Borrowed(text) => return self.string(text),
            // Of a size that what surrounds it makes room for; half of one means nothing.
            Cow::Owned(shown) if matches!(self.treatment, Treatment::Fingerprint(_)) => {
                return self.string(&shown);
            }
            Cow::Owned(treated) => treated,
        };
        let before = json_bytes(text);
        let growth = json_bytes(&treated).saturating_sub(before);
        let room = before.saturating_add(self.slack);
        self.cut |= growth > self.slack;
        self.slack = self.slack.saturating_sub(growth);
        self.string(fitting(&treated, room));
    }

    /// JSON that is content: its strings are treated one by one, so that it stays JSON. What is none, or not whole, is
    /// written as a text.
    pub(super) fn json(&mut self, json: &str, is_cut: bool) {
        let is_fingerprint = matches!(self.treatment, Treatment::Fingerprint(_));
        if is_cut || is_fingerprint {
            return self.text(json, is_cut);
        }
        let (start, slack, cut, found) = (self.out.len(), self.slack, self.cut, self.found.clone());
        let mut rest = json.as_bytes();
        let is_whole = self.value(&mut rest, "", MAX_LEVELS).is_some() && rest.trim_ascii().is_empty();
        if !is_whole {
            self.out.truncate(start);
            (self.slack, self.cut, self.found) = (slack, cut, found);
            self.text(json, self.is_open);
        }
    }

    /// One value, that of the member `name`; `None` where the bytes are not JSON.
    fn value(&mut self, rest: &mut &[u8], name: &str, levels: usize) -> Option<()> {
        let levels = levels.checked_sub(1)?;
        *rest = rest.trim_ascii_start();
        match rest.first()? {
            open @ (b'{' | b'[') => {
                let is_object = *open == b'{';
                let close = if is_object { b'}' } else { b']' };
                self.take(rest)?;
                *rest = rest.trim_ascii_start();
                if *rest.first()? == close {
                    return self.take(rest);
                }
                loop {
                    let mut member = Cow::Borrowed(name);
                    if is_object {
                        *rest = rest.trim_ascii_start();
                        member = self.json_string(rest, "")?;
                        *rest = rest.trim_ascii_start();
                        (*rest.first()? == b':').then(|| self.take(rest))??;
                    }
                    self.value(rest, &member, levels)?;
                    *rest = rest.trim_ascii_start();
                    match rest.first()? {
                        b',' => self.take(rest)?,
                        byte if *byte == close => return self.take(rest),
                        _ => return None,
                    }
                }
            }
            b'"' => self.json_string(rest, name).map(|_| ()),
            _ => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                let (word, after) = rest.split_at_checked(length)?;
                let is_valid =
                    matches!(word, b"true" | b"false" | b"null") || is_number(word) && is_readable(word);
                *rest = after;
                let word = std::str::from_utf8(word).ok().filter(|_| is_valid)?;
                // The number of a card is content too.
                match self.member(name, word) {
                    Cow::Borrowed(word) => self.raw(word),
                    treated @ Cow::Owned(_) => self.bounded(word, treated),
                }
                Some(())
            }
        }
    }

    /// Copies one byte of punctuation.
    fn take(&mut self, rest: &mut &[u8]) -> Option<()> {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        self.out.push(char::from(*byte));
        Some(())
    }

    /// Writes the string that stands here, the value of the member `name`; answers what it says.
    fn json_string<'j>(&mut self, rest: &mut &'j [u8], name: &str) -> Option<Cow<'j, str>> {
        let mut end = 1_usize;
        while *rest.first()? == b'"' {
            let found = end.checked_add(SPECIAL.find(rest.get(end..)?)?)?;
            match *rest.get(found)? {
                b'"' => {}
                b'\\' => {
                    end = found.checked_add(2)?;
                    continue;
                }
                _ => return None,
            }
            let raw = std::str::from_utf8(rest.get(1..found)?).ok()?;
            *rest = rest.get(found.checked_add(1)?..)?;
            let text = match unescaped(raw, false) {
                Some(said) => Cow::Owned(said.is_json.then_some(said.text)?),
                None => Cow::Borrowed(raw),
            };
            if matches!(self.treatment, Treatment::Full) {
                self.raw("\"");
                self.raw(raw);
                self.raw("\"");
            } else {
                let treated = self.member(name, &text);
                self.bounded(&text, treated);
            }
            return Some(text);
        }
        None
    }

    fn escaped(&mut self, text: &str) {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 0xf)).copied().unwrap_or_default();
        self.out.reserve(text.len());
        let mut rest = text;
        while let Some(at) = SPECIAL.find(rest.as_bytes()) {
            let Some((plain, tail)) = rest.split_at_checked(at) else { break };
            self.out.push_str(plain);
            let special = tail.bytes().next().unwrap_or_default();
            rest = tail.get(1..).unwrap_or_default();
            let short = match special {
                b'\n' => 'n',
                b'\r' => 'r',
                b'\t' => 't',
                8 => 'b',
                0xc => 'f',
                b'"' | b'\\' => char::from(special),
                _ => {
                    self.out.push_str("\\u00");
                    self.out.push(digit(special >> 4));
                    self.out.push(digit(special));
                    continue;
                }
            };
            self.out.push('\\');
            self.out.push(short);
        }
        self.out.push_str(rest);
    }
}

/// What providers give ids, names and roles: no text of any length.
pub(super) fn is_identifier(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/');
    word.len() <= 128 && word.bytes().all(is_part)
}

/// Readers of JSON refuse a number that no double can hold.
fn is_readable(number: &[u8]) -> bool {
    const MAX_BYTES: usize = 64;
    const MAX_EXPONENT_DIGITS: usize = 2;
    let exponent = number.iter().skip_while(|byte| !matches!(byte, b'e' | b'E'));
    let digits = exponent.filter(|byte| byte.is_ascii_digit()).count();
    number.len() <= MAX_BYTES && digits <= MAX_EXPONENT_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&crate::redact::Rules { patterns: vec!["[0-9]{3}".into()], ..Default::default() }).0
    }

    fn json(treatment: Treatment<'_>, json: &str, is_cut: bool) -> String {
        let mut writer = Writer::new(treatment, 1_000);
        writer.json(json, is_cut);
        let parsed: serde_json::Value = serde_json::from_str(&writer.out).expect("JSON");
        assert!(!parsed.is_null() || json == "null");
        writer.out
    }

    #[test]
    fn strings_are_escaped_as_json_wants_it() {
        for text in ["", "plain", "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "é😀\u{2028}", "a\"b\"c"] {
            let mut writer = Writer::new(Treatment::Full, 0);
            writer.text(text, false);
            assert_eq!(serde_json::from_str::<String>(&writer.out).unwrap(), text);
            assert_eq!(json_bytes(text), writer.out.len() - 2, "{text:?}");
        }
    }

    #[test]
    fn texts_are_cut_where_their_escapes_fit() {
        assert_eq!(fitting("abc", 3), "abc");
        assert_eq!(fitting("abc", 2), "ab");
        assert_eq!(fitting("a\nb", 2), "a");
        assert_eq!(fitting("\u{1}b", 5), "");
        assert_eq!(fitting("é😀", 5), "é");
        assert_eq!(fitting("é😀", 1), "");
    }

    #[test]
    fn json_stays_json() {
        for whole in [r#"{"a":[1,-2.5e3,true,null,"x\n\u00e9"],"b":{}}"#, "[]", "3", "\"s\"", "null"] {
            assert_eq!(json(Treatment::Full, whole, false), whole);
        }
        assert_eq!(json(Treatment::Full, " { \"a\" : [ 1 , 2 ] } ", false), r#"{"a":[1,2]}"#);
        for broken in [
            "",
            "{",
            "{\"a\":tru}",
            "[1,]",
            "{\"a\" 1}",
            "01",
            "{\"a\":\"\\q\"}",
            "1 2",
            "\"a\nb\"",
            "\"a\\\nb\"",
            "\"\\ud800\"",
        ] {
            let seen: String = serde_json::from_str(&json(Treatment::Full, broken, false)).unwrap();
            assert_eq!(seen, broken);
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(json(Treatment::Full, &deep, false).starts_with('"'));
    }

    #[test]
    fn strings_inside_json_are_redacted_one_by_one() {
        let redactor = redactor();
        let redacted = |text, is_cut| json(Treatment::Redacted(&redactor), text, is_cut);
        assert_eq!(
            redacted(r#"{"to":"a\u0031\u00312\nb","n":112,"x":["567"]}"#, false),
            r#"{"to":"a[REDACTED:pattern]\nb","n":"[REDACTED:pattern]","x":["[REDACTED:pattern]"]}"#
        );
        assert_eq!(redacted(r#"{"112":12}"#, false), r#"{"[REDACTED:pattern]":12}"#);
        assert_eq!(redacted(r#"{"to":"a112"#, true), r#""{\"to\":\"a[REDACTED:pattern]""#);
        assert_eq!(redacted(r#"{"to":"a\u0031\u003112\"#, true), r#""{\"to\":\"a[REDACTED:pattern]""#);
        assert_eq!(redacted(r#"{"to":"\u00"#, true), r#""{\"to\":\"""#);
        // What is no JSON stays as it is.
        for (text, expected) in [
            (r"re.match('\d+\w', word)", r"re.match('\\d+\\w', word)"),
            (r"C:\u12ü the rest", r"C:\\u12ü the rest"),
            // What it hides goes all the same.
            (r"0.1 ann@ex\u0061mple.com \d", r"0.1 [REDACTED:email] \\d"),
            (r"D:\411\scan.pdf", r"D:\\[REDACTED:pattern]\\scan.pdf"),
            (
                r#"{"a":"C:\new\ü","b":"\ud83d"} and \w"#,
                r#"{\"a\":\"C:\\new\\ü\",\"b\":\"\\ud83d\"} and \\w"#,
            ),
        ] {
            assert_eq!(redacted(text, false), format!("\"{expected}\""));
        }
    }

    /// What broke off, what no reader takes, and what is too deep.
    #[test]
    fn escapes_hide_nothing_in_json_that_is_not_whole() {
        let redactor = redactor();
        let deep = format!("{}{}", "[".repeat(MAX_LEVELS), "]".repeat(MAX_LEVELS));
        for rest in [r#","b":"#, r#","b":1e999}"#, "} and more", &format!(r#","b":{deep}}}"#)] {
            let document = [r#"{"a":"x\u0031\u0031\u0031"#, "\"", rest].concat();
            let seen = json(Treatment::Redacted(&redactor), &document, false);
            assert!(seen.contains(r#"{\"a\":\"x[REDACTED:pattern]\""#), "{seen}");
            assert_eq!(json(Treatment::Full, &document, false), serde_json::to_string(&document).unwrap());
        }
    }

    /// What a value is may only show behind its name.
    #[test]
    fn values_are_redacted_as_what_their_names_say() {
        let redactor = redactor();
        let redacted = |text| json(Treatment::Redacted(&redactor), text, false);
        assert_eq!(
            redacted(r#"{"user":"ann","password":"hunter","deep":{"DB_PASSWORD":["s3cret"]}}"#),
            r#"{"user":"ann","password":"[REDACTED:api_key]","deep":{"DB_PASSWORD":["[REDACTED:api_key]"]}}"#
        );
        for value in [r#"h\"unter"#, r"hunter\\", r#"h\"u'n`ter"#, r"a\nb", "h unter"] {
            let document = format!(r#"{{"password":"{value}"}}"#);
            let seen = json(Treatment::Redacted(&redactor), &document, false);
            assert!(!seen.contains("hun") && !seen.contains("h unter"), "{value} {seen}");
        }
        // All of it, whatever is in it.
        for value in [
            r"hunter2\nsecond line",
            r#"it's `my` \"secret\" phrase"#,
            r"\nhunter2",
            "me@example.com, hunter2",
            r"eyJ0eXBlIjoic2VydmljZV9hY2NvdW50Iiwi\ncHJpdmF0ZV9rZXkiOi==",
            r"-----BEGIN CERTIFICATE-----\nMIIB\nhunter2",
            "${X}hunter2",
            "$(hunter2",
            "{{hunter2",
            "[REDACTED:api_key] hunter2",
            &["x".repeat(64), "hunter2".to_owned()].concat(),
        ] {
            let document = format!(r#"{{"password":"{value}"}}"#);
            let seen = json(Treatment::Redacted(&redactor), &document, false);
            assert_eq!(seen, r#"{"password":"[REDACTED:api_key]"}"#, "{value}");
        }
        assert_eq!(
            redacted(r#"{"Authorization":"Basic dXNlcjpwYXNz","password":"string"}"#),
            r#"{"Authorization":"Basic [REDACTED:api_key]","password":"string"}"#
        );
        for same in
            ["${DB_PASSWORD}", "{{ vault }}", "$(cat /run/secrets/db)", "<password>", "[REDACTED:email]"]
        {
            let document = format!(r#"{{"user[password]":"{same}"}}"#);
            assert_eq!(json(Treatment::Redacted(&redactor), &document, false), document);
        }
        assert_eq!(redacted(r#"{"user[password]":"hunter2"}"#), r#"{"user[password]":"[REDACTED:api_key]"}"#);
        assert_eq!(redacted(r#"{"phone":4155552671}"#), r#"{"phone":"[REDACTED:phone]"}"#);
        assert_eq!(
            redacted(r#"{"password":null,"token":7,"q":"a=b"}"#),
            r#"{"password":null,"token":7,"q":"a=b"}"#
        );
        assert_eq!(
            redacted(r#"{"me@example.com password":"hunter"}"#),
            r#"{"[REDACTED:email] password":"[REDACTED:api_key]"}"#
        );
    }

    /// Where a value ends its escapes say, in what is not whole too.
    #[test]
    fn values_of_what_broke_off_go_whole() {
        let redactor = redactor();
        for value in [r#"hun\"ter2 horse battery"#, r"line1\nline2", r"one\u0022two three", r#"a\\\"b c"#] {
            for rest in [
                r#","note":"a long sto"#,
                r#","note":"x"} and more"#,
                r#","api_key":"ab\"CDEF123456789xyz","b"#,
            ] {
                let document = format!(r#"{{"password":"{value}"{rest}"#);
                for is_cut in [false, true] {
                    let seen = json(Treatment::Redacted(&redactor), &document, is_cut);
                    let expected = r#""{\"password\":\"[REDACTED:api_key]\","#;
                    assert!(seen.starts_with(expected) && !seen.contains("CDEF"), "{document} {seen}");
                }
            }
        }
    }

    #[test]
    fn what_grows_stays_within_its_slack() {
        let redactor = redactor();
        let mut writer = Writer::new(Treatment::Redacted(&redactor), 20);
        writer.text("111", false);
        writer.text("222", false);
        assert_eq!(writer.out, r#""[REDACTED:pattern]""[REDACTE""#);
        assert!(writer.cut);
        assert_eq!(writer.slack, 0);
        assert_eq!(writer.found.of(crate::redact::Kind::Pattern), 2);
    }
}
