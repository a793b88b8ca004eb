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
//! - memory is bounded: 12 bytes for each finding, and an output of at most [`MAX_GROWTH`] times the text;
//! - no finding begins or ends within a character, and nothing here can panic;
//! - a text cut at its end (`is_cut`) ends in no more than four characters of a secret that began before the cut.

mod authorization;
mod bytes;
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
/// How much of a value decides whether it is a credential; one that is goes whole.
const MAX_JUDGED: usize = 64;

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Built-in kinds that are left alone. Empty: all are looked for.
    pub off: Vec<Kind>,
    /// Texts that are redacted wherever they stand, within words too.
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
    /// Of these the kinds of credentials.
    fn credentials(self) -> Self {
        let is_credential = |kind| kind == Kind::ApiKey as usize || kind == Kind::Jwt as usize;
        let mut at = 0_usize..;
        Self(self.0.map(|enabled| at.next().is_some_and(is_credential) && enabled))
    }

    fn has(self, kind: Kind) -> bool {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }
}

/// A text that is no content, a path for example, without the credentials in it; `None` where there are none. `is_cut`: as
/// of [`Redactor::redact`], but the cut word stays.
pub fn without_credentials(text: &str, is_cut: bool) -> Option<String> {
    find_only(text, is_cut, Enabled([true; Kind::COUNT]).credentials(), &mut Found::default())
}

fn find_only(text: &str, is_cut: bool, kinds: Enabled, found: &mut Found) -> Option<String> {
    let spans = scan::scan(text, is_cut, kinds);
    (!spans.is_empty()).then(|| write(text, text.len(), &spans, found))
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
        let mut redacted = Cow::Borrowed(text);
        let mut is_cut = is_cut;
        for _ in 0..MAX_ROUNDS {
            let Some(output) = self.round(&redacted, is_cut, found) else { break };
            redacted = Cow::Owned(output);
            is_cut = false;
        }
        redacted
    }

    /// A text with JSON's escapes without the credentials in it, whose ends the escapes show; `None` where there are none.
    /// All else shows once it is unescaped: a rule of the user's may match half an escape.
    pub fn without_credentials(&self, escaped: &str, is_cut: bool, found: &mut Found) -> Option<String> {
        find_only(escaped, is_cut, self.enabled.credentials(), found)
    }

    /// The marker that stands for all of a text whose name says that it is a credential, such as `password`; counts it.
    pub fn redact_named(&self, name: &str, text: &str, found: &mut Found) -> Option<&'static str> {
        let is_credential = self.enabled.has(Kind::ApiKey) && named::is_credential(name, text);
        is_credential.then(|| {
            found.add(Kind::ApiKey);
            Kind::ApiKey.marker()
        })
    }

    /// One round; nothing when there is nothing to change.
    fn round(&self, text: &str, is_cut: bool, found: &mut Found) -> Option<String> {
        let mut spans = scan::scan(text, is_cut, self.enabled);
        if !self.literals.is_empty() {
            spans = spans.merge(self.literals.find(text, is_cut));
        }
        if !self.patterns.is_empty() {
            spans = spans.merge(self.patterns.find(text, is_cut));
        }
        let kept = if is_cut { scan::end_without_cut_word(text, spans.end()) } else { text.len() };
        if spans.is_empty() && kept == text.len() {
            return None;
        }
        Some(write(text, kept, &spans, found))
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
