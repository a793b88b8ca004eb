//! Decimal numbers as JSON writes them. The standard library's reader takes 17 KB of the module, most of it for numbers
//! that nobody sends: those with hundreds of digits.

/// More digits do not change what is kept, but for one unit in its last place.
const MAX_DIGITS: u32 = 19;
/// Up to this power of ten a double is exact.
const MAX_EXACT_POWER: u32 = 22;

/// The nearest double, for all that has no more than 19 digits and no more than 19 of them behind the point; for what
/// is longer, a near one. `None` for what is no number, or too large.
#[expect(clippy::cast_precision_loss, reason = "that is what rounding is")]
pub(crate) fn parse(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (digits, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (digits.get(..at)?, exponent(digits.get(at.checked_add(1)?..)?)?),
        None => (digits, 0),
    };
    let mut scale: i32 = exponent;
    let mut number: u64 = 0;
    let mut kept = 0;
    let mut is_fraction = false;
    let mut is_empty = true;
    for byte in digits.bytes() {
        if byte == b'.' && !is_fraction && !is_empty {
            is_fraction = true;
            is_empty = true;
            continue;
        }
        let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
        is_empty = false;
        let is_kept = kept < MAX_DIGITS;
        if is_kept {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            kept = kept.wrapping_add(u32::from(number != 0));
        }
        // A digit that is kept behind the point, or one that is not before it.
        scale = scale.saturating_add(match (is_kept, is_fraction) {
            (true, true) => -1,
            (false, false) => 1,
            _ => 0,
        });
    }
    if is_empty {
        return None;
    }
    let power = scale.unsigned_abs();
    let size = if number == 0 {
        0.0
    } else if number <= 1 << 53 && power <= MAX_EXACT_POWER {
        if scale < 0 { number as f64 / power_of_ten(power) } else { number as f64 * power_of_ten(power) }
    } else if let Some(divisor) = 10_u64.checked_pow(power) {
        if scale < 0 {
            quotient(number, divisor)
        } else {
            u128::from(number).wrapping_mul(divisor.into()) as f64
        }
    } else if scale < 0 {
        // In two steps: the power alone may be too large, or what is left after one step too small to be exact.
        number as f64 / power_of_ten(power / 2) / power_of_ten(power.div_ceil(2))
    } else {
        number as f64 * power_of_ten(power)
    };
    let signed = if text.len() > digits.len() && text.starts_with('-') { -size } else { size };
    signed.is_finite().then_some(signed)
}

/// Rounded once: what is divided has 127 bits or more, and what remains is not forgotten.
#[expect(clippy::cast_precision_loss, reason = "that is what rounding is")]
fn quotient(number: u64, divisor: u64) -> f64 {
    let zeros = u128::from(number).leading_zeros();
    let dividend = u128::from(number).wrapping_shl(zeros);
    let divisor = u128::from(divisor);
    let whole = dividend.checked_div(divisor).unwrap_or_default();
    let is_exact = whole.wrapping_mul(divisor) == dividend;
    let whole = (whole | u128::from(!is_exact)) as f64;
    // A power of two is exact.
    (0..zeros).fold(whole, |size, _| size / 2.0)
}

fn power_of_ten(power: u32) -> f64 {
    (0..power.min(400)).fold(1.0, |product, _| product * 10.0)
}

fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let size = is_number.then(|| digits.parse().unwrap_or(i32::MAX / 2).min(100_000))?;
    Some(if text.starts_with('-') { size.saturating_neg() } else { size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(text: &str) -> (Option<u64>, Option<u64>) {
        let expected = text.parse().ok().filter(|number: &f64| number.is_finite());
        (parse(text).map(f64::to_bits), expected.map(f64::to_bits))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn numbers_in_use_are_exact(text in "-?[0-9]{1,9}(\\.[0-9]{1,10})?", small in "0\\.[0-9]{1,19}", large in "[1-9][0-9]{0,18}(e[0-9])?") {
            for text in [text, small, large] {
                let (seen, expected) = bits(&text);
                prop_assert_eq!(seen, expected, "{}", text);
            }
        }

        #[test]
        fn every_double_comes_back(number in prop_oneof![0.01..100.0_f64, 0.01..1e20_f64, -1e9..-0.01_f64]) {
            prop_assert_eq!(parse(&number.to_string()), Some(number));
        }

        #[test]
        fn others_are_near(text in "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?") {
            let (seen, expected): (Option<f64>, Option<f64>) = (parse(&text), text.parse().ok());
            let expected = expected.filter(|number| number.is_finite());
            match (seen, expected) {
                (Some(seen), Some(expected)) => {
                    let distance = (seen - expected).abs();
                    prop_assert!(distance <= expected.abs() * 1e-12 || distance < 1e-300, "{text} {seen} {expected}");
                }
                (seen, expected) => {
                    let size = seen.or(expected).unwrap_or(f64::MAX).abs();
                    prop_assert!(size > 1e308, "{text} {seen:?} {expected:?}");
                }
            }
        }

        #[test]
        fn anything(text in "[-+0-9.eE ]{0,12}") {
            let is_json = serde_json::from_str::<f64>(&text).is_ok();
            prop_assert!(!is_json || text.trim() != text || parse(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["", "-", ".", "1.", ".5", "1e", "1e+", "e1", "1.2.3", "--1", "+1", "0x1", "1 ", "nan", "1e999"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(parse("0.30000000000000004"), Some(0.300_000_000_000_000_04));
        assert_eq!(parse("1e-999"), Some(0.0));
    }
}
