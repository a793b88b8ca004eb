//! Payment cards and telephone numbers: groups of digits, judged by their form.
//!
//! Sources: ISO/IEC 7812 (card numbers, Luhn's check digit; the networks' ranges as at
//! <https://en.wikipedia.org/wiki/Payment_card_number>), ITU-T E.164 (international numbers: at most 15 digits), the
//! North American Numbering Plan (<https://www.nanpa.com>).

use super::Kind;
use super::bytes::{ALNUM, Bytes, DIGIT, is};
use super::scan::Scan;

const MAX_GROUPS: usize = 8;
/// More digits than any number has: behind them nothing matters.
const MAX_DIGITS: usize = 20;

/// Digits, and what stood before them: ` `, `-`, `.`, `/`, `(`, `)`; 0 at the start.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    separator: u8,
    start: usize,
    end: usize,
}

impl Group {
    fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

#[derive(Debug, Default)]
struct Groups {
    list: [Group; MAX_GROUPS],
    count: usize,
    digits: [u8; MAX_DIGITS],
}

impl Groups {
    /// From a digit on.
    fn read(bytes: Bytes<'_>, start: usize) -> Self {
        let mut read = Self::default();
        let mut total: usize = 0;
        let mut separator = 0;
        let mut at = start;
        for group in &mut read.list {
            let end = bytes.run(at, DIGIT);
            let sum = total.wrapping_add(end.saturating_sub(at));
            let Some(place) = read.digits.get_mut(total..sum) else { break };
            place.copy_from_slice(bytes.span(at, end));
            *group = Group { separator, start: at, end };
            total = sum;
            read.count = read.count.wrapping_add(1);
            let Some((next, byte)) = separator_at(bytes, end) else { break };
            (at, separator) = (next, byte);
        }
        read
    }

    fn all(&self) -> &[Group] {
        self.list.get(..self.count).unwrap_or_default()
    }

    fn digits(&self, count: usize) -> &[u8] {
        self.digits.get(..count).unwrap_or_default()
    }

    /// The groups have these lengths.
    fn starts_with(&self, lengths: &[usize]) -> bool {
        lengths.len() <= self.count
            && self.all().iter().zip(lengths).all(|(group, length)| group.len() == *length)
    }
}

/// What may stand between two groups, with digits behind it; a hyphen or slash may have spaces around.
fn separator_at(bytes: Bytes<'_>, start: usize) -> Option<(usize, u8)> {
    let mut at = start;
    let mut separator = 0;
    for _ in 0..3 {
        let (length, byte) = match bytes.at(at) {
            byte @ (b' ' | b'-' | b'.' | b'/' | b'(' | b')') => (1, byte),
            _ => match bytes.wide_separator(at) {
                Some(wide) => wide,
                None => break,
            },
        };
        separator = match (separator, byte) {
            (0, byte) | (b' ', byte @ (b'-' | b'/' | b'(')) => byte,
            (b')' | b'-' | b'/', b' ') => separator,
            (b')', b'-' | b'.' | b'/') => b')',
            (b'-', b'(') => b'(',
            _ => return None,
        };
        at = at.wrapping_add(length);
    }
    (separator != 0 && is(bytes.at(at), DIGIT)).then_some((at, separator))
}

/// At the first of some digits.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let before = bytes.before(at, 1);
    let is_decimal = before == b'.' && is(bytes.before(at, 2), DIGIT);
    if is_decimal || !bytes.is_word_start(at) {
        return None;
    }
    // JSON may write it as an escape.
    let plus = match before {
        b'+' => 1,
        b'B' | b'b' if bytes.starts_with_in_any_case(at.saturating_sub(6), b"\\u002b") => 6,
        _ => 0,
    };
    let end = bytes.run(at, DIGIT);
    let length = end.wrapping_sub(at);
    // One number alone is a card's, or has a `+`.
    if length < 14 && plus == 0 && separator_at(bytes, end).is_none() {
        return None;
    }
    let groups = Groups::read(bytes, at);
    if scan.wants(Kind::CreditCard).is_some()
        && let Some(end) = card(bytes, &groups)
    {
        return scan.found(Kind::CreditCard, at, end);
    }
    scan.wants(Kind::Phone)?;
    if before == b'_' {
        return None;
    }
    let is_card = |group: &Group| is_card_at(scan, group);
    let in_brackets = before == b'(' && groups.all().get(1).is_some_and(|group| group.separator == b')');
    let start = at.saturating_sub(plus.max(usize::from(in_brackets)));
    let end = if plus == 0 {
        national(bytes, &groups, start, in_brackets, &is_card)
    } else if bytes.is_word_start(start) {
        international(&groups, &is_card)
    } else {
        None
    }?;
    scan.found(Kind::Phone, start, end)
}

/// Ranges of the first four digits, and the lengths in use.
const NETWORKS: &[(u16, u16, &[usize])] = &[
    (2200, 2204, &[16]),             // Mir
    (2221, 2720, &[16]),             // Mastercard
    (3000, 3059, &[14]),             // Diners Club
    (3095, 3095, &[14]),             // Diners Club
    (3400, 3499, &[15]),             // American Express
    (3528, 3589, &[16, 19]),         // JCB
    (3600, 3699, &[14, 16, 19]),     // Diners Club
    (3700, 3799, &[15]),             // American Express
    (3800, 3999, &[14, 16, 19]),     // Diners Club
    (4000, 4999, &[16, 19]),         // Visa
    (5000, 5099, &[16, 19]),         // Maestro, Verve, Elo
    (5100, 5599, &[16]),             // Mastercard
    (5600, 5899, &[16, 19]),         // Maestro
    (6000, 6099, &[16]),             // RuPay, Discover
    (6200, 6299, &[16, 17, 18, 19]), // UnionPay
    (6300, 6399, &[16, 19]),         // Maestro, InstaPayment, Elo
    (6440, 6599, &[16, 19]),         // Discover, RuPay
    (6700, 6799, &[16, 19]),         // Maestro
    (8100, 8171, &[16, 19]),         // UnionPay
    (9792, 9792, &[16]),             // Troy
];

/// How cards are printed.
const PRINTED: &[&[usize]] = &[&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[8, 8]];

fn card(bytes: Bytes<'_>, groups: &Groups) -> Option<usize> {
    let first = groups.all().first()?;
    if first.len() > 8 {
        return is_card(bytes, groups, 1).then_some(first.end);
    }
    let count = PRINTED.iter().filter(|lengths| groups.starts_with(lengths)).map(|lengths| lengths.len());
    let count = count.into_iter().find(|count| is_card(bytes, groups, *count))?;
    groups.all().get(count.saturating_sub(1)).map(|group| group.end)
}

/// Whether a card begins here, which is found by itself: right behind a telephone number it is none of its groups.
fn is_card_at(scan: &Scan<'_>, group: &Group) -> bool {
    let bytes = scan.bytes;
    let may_be =
        group.len() >= 4 && bytes.is_word_start(group.start) && scan.wants(Kind::CreditCard).is_some();
    may_be && card(bytes, &Groups::read(bytes, group.start)).is_some()
}

fn is_card(bytes: Bytes<'_>, groups: &Groups, count: usize) -> bool {
    let taken = groups.all().get(..count).unwrap_or_default();
    let Some(last) = taken.last() else { return false };
    let mut separators = taken.iter().skip(1).map(|group| group.separator);
    let separator = separators.next().unwrap_or(b' ');
    let digits = groups.digits(taken.iter().map(|group| group.len()).sum());
    let Some(network) = digits.first_chunk::<4>() else { return false };
    let network = network.iter().fold(0_u16, |number, digit| {
        number.saturating_mul(10).wrapping_add(u16::from(digit.saturating_sub(b'0')))
    });
    let goes_on = bytes.at(last.end);
    // Two digits behind a point are what a spreadsheet adds; more are those of a measured value.
    let fraction = last.end.wrapping_add(1);
    let is_decimal = goes_on == b'.' && bytes.run_within(fraction, DIGIT, 3).saturating_sub(fraction) > 2;
    matches!(separator, b' ' | b'-')
        && separators.all(|other| other == separator)
        && !is(goes_on, ALNUM)
        && !is_decimal
        && NETWORKS
            .iter()
            .any(|(low, high, lengths)| (low..=high).contains(&&network) && lengths.contains(&digits.len()))
        && has_luhn_digit(digits)
}

fn has_luhn_digit(digits: &[u8]) -> bool {
    let mut sum = 0_u32;
    let mut is_second = false;
    for digit in digits.iter().rev() {
        let value = u32::from(digit.saturating_sub(b'0'));
        sum = sum.wrapping_add(match value {
            value if !is_second => value,
            0..5 => value.saturating_mul(2),
            _ => value.saturating_mul(2).saturating_sub(9),
        });
        is_second = !is_second;
    }
    sum.is_multiple_of(10)
}

/// Behind `+`: 8 to 15 digits, 9 without separators, 11 in North America. The longest that fits.
fn international(groups: &Groups, is_card: &dyn Fn(&Group) -> bool) -> Option<usize> {
    let first = *groups.digits.first()?;
    let mut total: usize = 0;
    let mut found = None;
    for (index, group) in groups.all().iter().enumerate() {
        if found.is_some() && is_card(group) {
            break;
        }
        total = total.wrapping_add(group.len());
        let fits = match first {
            b'0' => false,
            b'1' => total == 11,
            _ => (if index == 0 { 9 } else { 8 }..=15).contains(&total),
        };
        if fits {
            found = Some(group.end);
        }
    }
    found
}

/// Numbers without a country code, by the forms they are written in; digits alone are none.
fn national(
    bytes: Bytes<'_>,
    groups: &Groups,
    start: usize,
    in_brackets: bool,
    is_card: &dyn Fn(&Group) -> bool,
) -> Option<usize> {
    let before = bytes.before(start, 1);
    let before_that = bytes.before(start, 2);
    if match before {
        b'-' => is(before_that, ALNUM),
        b'/' | b':' => is(before_that, DIGIT),
        b'$' | b'#' => true,
        _ => !bytes.is_word_start(start),
    } {
        return None;
    }
    let count = north_american(groups, in_brackets)
        .or_else(|| with_trunk_prefix(groups, is_card))
        .or_else(|| chinese_mobile(groups))
        .or_else(|| with_area_in_brackets(groups, in_brackets))?;
    let all = groups.all();
    let last = *all.get(count.saturating_sub(1))?;
    let separators = || all.get(1..count).unwrap_or_default().iter().map(|group| group.separator);
    // Rows of numbers: as many groups as there are digits for.
    let is_spaced = separators().all(|separator| separator == b' ');
    if is_spaced && !in_brackets && before == b' ' && is(before_that, DIGIT) {
        return None;
    }
    let follows = all.get(count).map(|group| group.separator);
    if matches!(follows, Some(b'-' | b'.' | b'/')) || (is_spaced && follows == Some(b' ')) {
        return None;
    }
    // Something else that began with digits: an identifier, a time, a price.
    let next = bytes.at(last.end);
    let next_but_one = bytes.at(last.end.wrapping_add(1));
    let goes_on = match next {
        b'-' => is(next_but_one, ALNUM),
        b':' | b'.' | b'/' => is(next_but_one, DIGIT),
        b'%' | b'_' => true,
        b'x' => !is(next_but_one, DIGIT) && next_but_one != b' ',
        _ => is(next, ALNUM),
    };
    (!goes_on).then_some(last.end)
}

/// `(415) 555-2671`, `1-415-555-2671`, `415.555.2671`: area and exchange begin with 2 to 9 and do not end with 11.
fn north_american(groups: &Groups, in_brackets: bool) -> Option<usize> {
    const FORMS: &[(&[usize], usize)] = &[(&[3, 3, 4], 0), (&[1, 3, 3, 4], 1), (&[3, 7], 0), (&[1, 3, 7], 1)];
    let (lengths, from) = FORMS.iter().find(|(lengths, _)| groups.starts_with(lengths))?;
    let is_short = lengths.contains(&7);
    let has_brackets = in_brackets || groups.all().get(*from).is_some_and(|group| group.separator == b'(');
    let is_code = |at: usize| match groups.digits.get(at..at.wrapping_add(3)) {
        Some([first, second, third]) => *first >= b'2' && (*second, *third) != (b'1', b'1'),
        _ => false,
    };
    let has_country = *from == 0 || groups.digits.first() == Some(&b'1');
    let fits = has_country && (!is_short || has_brackets) && is_code(*from) && is_code(from.wrapping_add(3));
    fits.then_some(lengths.len())
}

/// `030 1234567`, `06 12 34 56 78`, `020 7946 0958`, `0049 30 1234567`: two groups or more; 9 to 12 digits behind one 0,
/// 10 to 17 behind two. No dates (`01-02-2024`), no ZIP+4 (`02139-4307`).
fn with_trunk_prefix(groups: &Groups, is_card: &dyn Fn(&Group) -> bool) -> Option<usize> {
    let [b'0', second, third, ..] = groups.digits else { return None };
    let is_international = second == b'0';
    let first = groups.all().first()?.len();
    let fitting = if is_international { 3..=5 } else { 2..=6 };
    if !fitting.contains(&first)
        || (is_international && third == b'0')
        || groups.starts_with(&[2, 2, 4])
        || (groups.starts_with(&[5, 4]) && groups.count == 2)
    {
        return None;
    }
    let digits = if is_international { 10..=17 } else { 9..=12 };
    let mut total: usize = 0;
    let mut found = None;
    for (index, group) in groups.all().iter().enumerate() {
        total = total.wrapping_add(group.len());
        if group.len() < 2 || index > 5 || (found.is_some() && is_card(group)) {
            break;
        }
        if index > 0 && digits.contains(&total) {
            found = Some(index.wrapping_add(1));
        }
    }
    found
}

/// `138 0013 8000`.
fn chinese_mobile(groups: &Groups) -> Option<usize> {
    let fits = groups.starts_with(&[3, 4, 4]) && matches!(groups.digits, [b'1', b'3'..=b'9', ..]);
    fits.then_some(3)
}

/// `(11) 91234-5678`: an area code in brackets, 9 to 12 digits, and a hyphen or a leading zero.
fn with_area_in_brackets(groups: &Groups, in_brackets: bool) -> Option<usize> {
    let [first, second, rest @ ..] = groups.all() else { return None };
    if !in_brackets || second.separator != b')' || !(2..=5).contains(&first.len()) || second.len() < 3 {
        return None;
    }
    let hyphen = rest.first().filter(|group| group.separator == b'-');
    let count = if hyphen.is_some() { 3 } else { 2 };
    let total: usize = groups.all().iter().take(count).map(|group| group.len()).sum();
    let is_plausible = hyphen.is_some() || groups.digits.first() == Some(&b'0');
    (is_plausible && (9..=12).contains(&total)).then_some(count)
}

/// A value that a name calls a telephone number: 7 to 15 digits, written in any way. A card is none.
pub(super) fn end_of_named_phone(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let groups = Groups::read(scan.bytes, start);
    let mut total: usize = 0;
    let mut found = None;
    for group in groups.all() {
        if (total == 0 || found.is_some()) && is_card_at(scan, group) {
            break;
        }
        total = total.wrapping_add(group.len());
        if (7..=15).contains(&total) {
            found = Some(group.end);
        }
    }
    found.filter(|end| !is(scan.bytes.at(*end), ALNUM))
}
