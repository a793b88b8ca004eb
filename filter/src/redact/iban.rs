//! International bank account numbers: ISO 13616. Country, length and check digits (ISO 7064, mod 97-10).

use super::bytes::{ALNUM, Bytes, DIGIT, LETTER, is};
use super::scan::Scan;
use super::{Kind, MAX_CUT_REST};

/// Lengths by country: the IBAN registry, release 100, <https://www.swift.com/standards/data-standards/iban>.
const LENGTHS: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20\
    EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20\
    LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19\
    SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

fn length_of(country: [u8; 2]) -> Option<usize> {
    LENGTHS.chunks_exact(4).find_map(|row| match row {
        [first, second, tens, ones] if [*first, *second] == country => {
            let digit = |byte: &u8| usize::from(byte.saturating_sub(b'0'));
            Some(digit(tens).saturating_mul(10).wrapping_add(digit(ones)))
        }
        _ => None,
    })
}

/// At a digit: the first of the check digits.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::Iban)?;
    let bytes = scan.bytes;
    let country = [bytes.before(at, 2).to_ascii_uppercase(), bytes.before(at, 1).to_ascii_uppercase()];
    if !country.iter().all(|byte| is(*byte, LETTER)) || !is(bytes.at(at.wrapping_add(1)), DIGIT) {
        return None;
    }
    let length = length_of(country)?;
    let start = at.saturating_sub(2);
    if !bytes.is_word_start(start) {
        return None;
    }
    let (characters, end, is_in_fours) = collect(bytes, start, length);
    if characters.len() < length {
        let is_beginning = is_in_fours && scan.is_at_cut(end) && end.saturating_sub(start) > MAX_CUT_REST;
        return if is_beginning { scan.found(Kind::Iban, start, bytes.len()) } else { None };
    }
    if is(bytes.at(end), ALNUM) || remainder(&characters) != 1 {
        return None;
    }
    scan.found(Kind::Iban, start, end)
}

/// So many letters and digits, each group with one space or hyphen before at most; where they end; and whether all
/// groups but the last are of four, as they are printed.
fn collect(bytes: Bytes<'_>, start: usize, length: usize) -> (Vec<u8>, usize, bool) {
    let mut characters = Vec::with_capacity(length);
    let mut end = start;
    let mut at = start;
    let mut is_in_fours = true;
    while characters.len() < length {
        if is(bytes.at(at), ALNUM) {
            is_in_fours &= at == end || characters.len().is_multiple_of(4);
            characters.push(bytes.at(at).to_ascii_uppercase());
            at = at.wrapping_add(1);
            end = at;
        } else if at > end {
            break;
        } else if matches!(bytes.at(at), b' ' | b'-') {
            at = at.wrapping_add(1);
        } else if let Some((separator, _)) = bytes.wide_separator(at) {
            at = at.wrapping_add(separator);
        } else {
            break;
        }
    }
    // A separator that the text ends with belongs to it when the text was cut.
    (characters, if at >= bytes.len() { at } else { end }, is_in_fours)
}

fn remainder(characters: &[u8]) -> u32 {
    let (front, rest) = characters.split_at_checked(4).unwrap_or_default();
    rest.iter().chain(front).fold(0, |remainder: u32, byte| {
        let value = char::from(*byte).to_digit(36).unwrap_or_default();
        let factor: u32 = if value < 10 { 10 } else { 100 };
        remainder.saturating_mul(factor).wrapping_add(value).checked_rem(97).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert_eq!(LENGTHS.len() % 4, 0);
        assert!(LENGTHS.chunks(4).is_sorted());
        assert_eq!(length_of(*b"DE"), Some(22));
        assert_eq!(length_of(*b"YE"), Some(30));
        assert_eq!(length_of(*b"ZZ"), None);
    }
}
