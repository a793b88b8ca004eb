//! Redaction: what looks like personal data or a credential is taken out of a text before it may leave the pod.
//!
//! Every finding becomes `[REDACTED:kind]` and is counted by kind. `docs/redaction.md` says for users what is found, by
//! which rule, and what is not.
//!
//! How it works: one pass over the bytes looks for *triggers* only (a digit, `@`, `:`, `=`, a byte of a known key's
//! prefix, …); a detector is entered at a trigger and decides by looking around it. What users add, literals and
//! patterns, is matched in passes of its own. Where one finding uncovers another (a number that had touched a key), the
//! next round finds it: redacting an output again finds nothing new.
//!
//! What always holds:
//! - time is linear in the text. A look around is bounded, or ends where the next one would begin, or moves the scan
//!   past what it looked at; user rules cost at most their own bounded size for each character;
//! - memory is bounded: 12 bytes for each finding, four times that while lists grow, an output of at most [`MAX_GROWTH`]
//!   times the text, and two copies of a text with backslashes, which is looked at as it is and as what its escapes say;
//! - no finding begins or ends within a character, and nothing here can panic;
//! - a text cut at its end (`is_cut`) ends in no more than four digits or letters of a secret that began before the cut.

mod authorization;
mod bytes;
mod element;
mod email;
mod iban;
mod ip;
mod keys;
mod literal;
mod named;
mod number;
mod pattern;
mod pem;
mod placeholder;
mod scan;
mod spans;
mod user_info;

use std::borrow::Cow;

use crate::config::Problem;
use literal::Literals;
pub use literal::{MAX_LITERAL_BYTES, MAX_LITERALS};
use pattern::Patterns;
pub use pattern::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use spans::Spans;

use crate::wire::json::{Places, unescaped};

macro_rules! kinds {
    ($($variant:ident = $name:literal;)*) => {
        /// What was found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Kind { $($variant),* }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            pub const COUNT: usize = Self::ALL.len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What stands in the output.
            fn marker(self) -> &'static str {
                match self { $(Self::$variant => concat!("[REDACTED:", $name, "]")),* }
            }
        }
    };
}

kinds! {
    Email = "email";
    Phone = "phone";
    CreditCard = "credit_card";
    Iban = "iban";
    ApiKey = "api_key";
    Jwt = "jwt";
    PrivateKey = "private_key";
    IpAddress = "ip_address";
    Literal = "literal";
    Pattern = "pattern";
}

impl Kind {
    /// Those that users need not name.
    pub const BUILT_IN: &'static [Self] = &[
        Self::Email,
        Self::Phone,
        Self::CreditCard,
        Self::Iban,
        Self::ApiKey,
        Self::Jwt,
        Self::PrivateKey,
        Self::IpAddress,
    ];
}

/// The beginning of every marker.
const MARKER: &[u8] = b"[REDACTED:";
/// No output is longer than so many times its text: the shortest finding has three bytes (a user's rule; built-in ones
/// have at least six), one byte stands between two, and the longest marker has 22 bytes.
pub const MAX_GROWTH: usize = 6;
/// The shortest literal, and the shortest text that a pattern may match, in characters.
pub const MIN_RULE_CHARS: usize = 3;
/// Findings that only the redaction of others uncovers are looked for so many times at most.
const MAX_ROUNDS: usize = 4;
/// A beginning of a secret is left at a cut when it has no more characters than this.
const MAX_CUT_REST: usize = 4;
/// JSON in a string of JSON is looked at without its escapes, too, and what a shell or Markdown escapes.
const MAX_ESCAPE_LEVELS: usize = 2;
/// How much of a value decides whether it is a credential; one that is goes whole.
const MAX_JUDGED: usize = 64;

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Built-in kinds that are left alone. Empty: all are looked for.
    pub off: Vec<Kind>,
    /// Texts that are redacted wherever they stand, within words too. Here and in `patterns` an empty one is none, and
    /// keeps a place.
    pub literals: Vec<String>,
    /// ASCII letters of literals match in both cases.
    pub ignore_case: bool,
    /// Patterns in the language that docs/redaction.md describes.
    pub patterns: Vec<String>,
}

/// How often each kind was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    counts: [u32; Kind::COUNT],
}

impl Found {
    pub fn of(&self, kind: Kind) -> u32 {
        self.counts.get(kind as usize).copied().unwrap_or_default()
    }

    /// The kinds that were found, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u32)> + '_ {
        Kind::ALL.iter().map(|kind| (*kind, self.of(*kind))).filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, kind: Kind) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// The built-in kinds that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Enabled([bool; Kind::COUNT]);

impl Enabled {
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    const CREDENTIALS: Self = {
        let mut kinds = [false; Kind::COUNT];
        kinds[Kind::ApiKey as usize] = true;
        kinds[Kind::Jwt as usize] = true;
        Self(kinds)
    };

    fn has(self, kind: Kind) -> bool {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }
}

/// A text that is no content, a path for example, without the credentials in it; `None` where there are none. `is_cut`: as
/// of [`Redactor::redact`], but the cut word stays.
pub fn without_credentials(text: &str, is_cut: bool) -> Option<String> {
    let spans = scan::scan(text, is_cut, Enabled::CREDENTIALS);
    (!spans.is_empty()).then(|| write(text, text.len(), &spans, &mut Found::default()))
}

/// Rules, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redactor {
    enabled: Enabled,
    literals: Literals,
    patterns: Patterns,
}

impl Redactor {
    /// Never fails: a rule that cannot be used is left out and reported, with a path such as `patterns[2]`.
    pub fn new(rules: &Rules) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut enabled = Enabled([true; Kind::COUNT]);
        for kind in &rules.off {
            if let Some(flag) = enabled.0.get_mut(*kind as usize) {
                *flag = false;
            }
        }
        let literals = Literals::new(rules, &mut problems);
        let patterns = Patterns::new(&rules.patterns, &mut problems);
        (Self { enabled, literals, patterns }, problems)
    }

    /// The text with every finding replaced; counts them in `found`. `is_cut`: the text was longer and has been cut at
    /// its end, so what may be the beginning of a secret there goes too, and so does the cut word.
    pub fn redact<'t>(&self, text: &'t str, is_cut: bool, found: &mut Found) -> Cow<'t, str> {
        self.rounds(None, text, is_cut, found)
    }

    /// The same of the value of a member of an object: one that its name says is a credential, such as `password`, goes
    /// whole.
    pub fn redact_member<'t>(&self, name: &str, value: &'t str, found: &mut Found) -> Cow<'t, str> {
        if self.enabled.has(Kind::ApiKey) && named::is_credential(name, value) {
            found.add(Kind::ApiKey);
            return Cow::Owned(Kind::ApiKey.marker().to_owned());
        }
        self.rounds(Some(name), value, false, found)
    }

    fn rounds<'t>(&self, name: Option<&str>, text: &'t str, is_cut: bool, found: &mut Found) -> Cow<'t, str> {
        let mut redacted = Cow::Borrowed(text);
        let mut is_cut = is_cut;
        for _ in 0..MAX_ROUNDS {
            let (spans, kept) = self.find(name, &redacted, is_cut, MAX_ESCAPE_LEVELS);
            if spans.is_empty() && kept == redacted.len() {
                break;
            }
            redacted = Cow::Owned(write(&redacted, kept, &spans, found));
            is_cut = false;
        }
        redacted
    }

    /// What is to be replaced in a text, the value of the member `name` if it is one; and where what is kept of it ends.
    fn find(&self, name: Option<&str>, text: &str, is_cut: bool, levels: usize) -> (Spans, usize) {
        let mut spans = match name {
            Some(name) => scan::scan_member(name, text, self.enabled),
            None => scan::scan(text, is_cut, self.enabled),
        };
        if !self.literals.is_empty() {
            spans = spans.merge(self.literals.find(text, is_cut));
        }
        if !self.patterns.is_empty() {
            spans = spans.merge(self.patterns.find(text, is_cut));
        }
        let mut kept = if is_cut { scan::end_without_cut_word(text, spans.end()) } else { text.len() };
        // As JSON it says something else: what escapes hide, or end too early.
        if let Some(levels) = levels.checked_sub(1)
            && let Some(said) = unescaped(text, is_cut).filter(|said| said.text.len() != text.len())
        {
            work(text.len());
            let (hidden, kept_of_said) = self.find(name, &said.text, is_cut, levels);
            let mut places = Places::new(text);
            spans = spans.merge(hidden.moved(&mut |place| places.of(place)));
            kept = kept.min(places.of(kept_of_said)).max(spans.end());
        }
        (spans, kept)
    }
}

fn write(text: &str, kept: usize, spans: &Spans, found: &mut Found) -> String {
    let mut output = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans.iter() {
        output.push_str(text.get(from..span.start()).unwrap_or_default());
        output.push_str(span.kind.marker());
        found.add(span.kind);
        from = span.end();
    }
    output.push_str(text.get(from..kept).unwrap_or_default());
    output
}

fn problem(list: &str, index: usize, message: &str) -> Problem {
    Problem { path: format!("{list}[{index}]"), message: format!("{message}; not used") }
}

/// Counts what is looked at, for the tests: that is what must be linear, and no clock disturbs it.
#[cfg(not(test))]
#[inline(always)]
fn work(_units: usize) {}

#[cfg(test)]
fn work(units: usize) {
    tests::properties::WORK.with(|work| work.set(work.get() + units));
}

/// The length of the marker that stands here, if one does: user rules do not look into markers.
fn marker_length(rest: &[u8]) -> Option<usize> {
    rest.starts_with(MARKER).then_some(())?;
    Kind::ALL
        .iter()
        .map(|kind| kind.marker())
        .find(|marker| rest.starts_with(marker.as_bytes()))
        .map(str::len)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "tests may panic")]
mod tests;
