//! The one pass of the built-in kinds.

use super::bytes::{Bytes, DIGIT, HEX, IPV6, LOCAL, NUMBER, is};
use super::spans::Spans;
use super::{
    Enabled, Kind, MAX_CUT_REST, authorization, element, email, iban, ip, keys, named, number, pem, user_info,
};

/// How far back a cut word is looked for: the longest local part of an address.
const MAX_CUT_WORD: usize = 64;

/// The text, how it ends, and what has been found so far.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    pub(super) bytes: Bytes<'t>,
    pub(super) is_cut: bool,
    enabled: Enabled,
    spans: Spans,
    /// No JWT begins before this.
    pub(super) no_jwt_before: usize,
}

pub(super) fn scan(text: &str, is_cut: bool, enabled: Enabled) -> Spans {
    scan_from(text, 0, is_cut, enabled)
}

/// The value of a member of an object, which its name may give away. What is in the name is looked for elsewhere.
pub(super) fn scan_member(name: &str, value: &str, enabled: Enabled) -> Spans {
    let from = name.len().saturating_sub(named::MAX_LOOK_BACK);
    let name = name.get(name.ceil_char_boundary(from)..).unwrap_or_default();
    let text = [name, "=\"", value, "\""].concat();
    let start = name.len().wrapping_add(2);
    let spans = scan_from(&text, name.len(), false, enabled);
    spans.moved(&mut |place| place.saturating_sub(start).min(value.len()))
}

fn scan_from(text: &str, from: usize, is_cut: bool, enabled: Enabled) -> Spans {
    let mut scan =
        Scan { bytes: Bytes::new(text), is_cut, enabled, spans: Spans::default(), no_jwt_before: 0 };
    let mut at = from;
    while let Some(trigger) = scan.bytes.next_trigger(at) {
        at = scan.look(trigger).max(trigger.wrapping_add(1));
    }
    if is_cut {
        scan.cut_number();
    }
    scan.spans
}

impl Scan<'_> {
    /// Looks closer at a trigger; answers where to go on.
    fn look(&mut self, at: usize) -> usize {
        let byte = self.bytes.at(at);
        let end = match byte {
            b'0'..=b'9' => return self.digits(at),
            b'@' => email::find(self, at),
            b':' => self.colon(at),
            b'=' => named::find(self, at),
            b'>' => element::find(self, at),
            // The digits of an escape are no number.
            b'\\' => Some(self.bytes.behind_escape(at.wrapping_add(1))),
            b'-' => pem::find(self, at),
            b'J' => keys::find_jwt(self, at),
            b'B' => authorization::find_bearer(self, at),
            _ => None,
        };
        end.or_else(|| keys::find(self, at)).unwrap_or_default()
    }

    fn digits(&mut self, at: usize) -> usize {
        let end = iban::find(self, at)
            .or_else(|| ip::find_v4(self, at))
            .or_else(|| number::find(self, at))
            .or_else(|| keys::find_telegram(self, at));
        end.unwrap_or_else(|| self.bytes.run(at, DIGIT))
    }

    fn colon(&mut self, at: usize) -> Option<usize> {
        if self.bytes.starts_with(at, b"://") {
            return user_info::find(self, at);
        }
        ip::find_v6(self, at).or_else(|| named::find(self, at))
    }

    /// Nothing when the kind is off. A detector asks first: what it has looked at, it must be able to pass over.
    pub(super) fn wants(&self, kind: Kind) -> Option<()> {
        self.enabled.has(kind).then_some(())
    }

    /// Takes a finding; answers where to go on.
    #[expect(clippy::unnecessary_wraps, reason = "the answer of a detector")]
    pub(super) fn found(&mut self, kind: Kind, start: usize, end: usize) -> Option<usize> {
        self.spans.push(kind, start, end);
        Some(end)
    }

    /// Whether something that goes on to `end` may go on behind the cut.
    pub(super) fn is_at_cut(&self, end: usize) -> bool {
        self.is_cut && end >= self.bytes.len()
    }

    /// A number or address that the cut left incomplete, and no detector took for one.
    fn cut_number(&mut self) {
        /// A card number with a separator behind every fourth digit has fewer.
        const MAX_NUMBER: usize = 40;
        let bytes = self.bytes;
        let known = self.spans.end();
        let start = bytes.run_back(bytes.len(), NUMBER, MAX_NUMBER).max(known);
        let digit = (start..bytes.len()).find(|at| is(bytes.at(*at), DIGIT) && bytes.is_word_start(*at));
        let tail = bytes.from(digit.unwrap_or(bytes.len()));
        let last = tail.iter().rposition(u8::is_ascii_digit).unwrap_or_default();
        let Some(digit) = digit.filter(|_| last >= MAX_CUT_REST) else { return self.cut_address() };
        let is_signed = digit > known && matches!(bytes.before(digit, 1), b'+' | b'(');
        let digits = tail.iter().filter(|byte| byte.is_ascii_digit()).count();
        let kind = match bytes.at(digit) {
            b'2'..=b'6' if digits > 11 && !is_signed => Kind::CreditCard,
            _ if tail.contains(&b'.') && !tail.contains(&b' ') => Kind::IpAddress,
            _ => Kind::Phone,
        };
        if self.wants(kind).is_some() {
            self.found(kind, digit.saturating_sub(usize::from(is_signed)), bytes.len());
        }
    }

    fn cut_address(&mut self) {
        let bytes = self.bytes;
        let mut start = bytes.run_back(bytes.len(), IPV6, 46).max(self.spans.end());
        if !bytes.is_word_start(start) {
            // Behind a name: `ip:2001:db8`.
            start = bytes.run(start, HEX).wrapping_add(1);
        }
        let is_long = bytes.len().saturating_sub(start) > MAX_CUT_REST;
        if self.wants(Kind::IpAddress).is_some()
            && is_long
            && bytes.is_word_start(start)
            && bytes.has(start, bytes.len(), HEX)
            && bytes.from(start).contains(&b':')
        {
            self.found(Kind::IpAddress, start, bytes.len());
        }
    }
}

/// Where a cut text ends when its last word goes, which may be the beginning of an address or of a key; a word of few
/// characters stays. `from`: what is before has been looked at.
pub(super) fn end_without_cut_word(text: &str, from: usize) -> usize {
    let bytes = Bytes::new(text);
    let start = bytes.run_back(bytes.len(), LOCAL, MAX_CUT_WORD).max(from);
    let start = bytes.behind_escape(start);
    if bytes.len().saturating_sub(start) > MAX_CUT_REST { start } else { bytes.len() }
}
