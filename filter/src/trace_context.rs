//! W3C Trace Context: reads `traceparent` and `tracestate`, makes new ids from injected randomness.
//! <https://www.w3.org/TR/trace-context/>

/// Longest `tracestate` that is passed on, as the specification asks for at least.
const MAX_TRACE_STATE_BYTES: usize = 512;

/// The ids of one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanContext {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_span_id: Option<[u8; 8]>,
    /// Trace flags as they came, sampled for a new trace.
    pub flags: u8,
    pub trace_state: String,
}

impl SpanContext {
    /// A child of a valid `traceparent`, the root of a new trace otherwise.
    pub fn new(traceparent: Option<&[u8]>, state: Option<&[u8]>, random: &mut dyn FnMut() -> u64) -> Self {
        let span_id = non_zero(random).to_be_bytes();
        if let Some((trace_id, parent_span_id, flags)) = traceparent.and_then(parse_traceparent) {
            let trace_state = state.and_then(bounded_text).unwrap_or_default();
            return Self { trace_id, span_id, parent_span_id: Some(parent_span_id), flags, trace_state };
        }
        let trace_id = (u128::from(non_zero(random)) << 64) | u128::from(random());
        Self {
            trace_id: trace_id.to_be_bytes(),
            span_id,
            parent_span_id: None,
            flags: 1,
            trace_state: String::new(),
        }
    }
}

fn bounded_text(state: &[u8]) -> Option<String> {
    let fitting = state.len() <= MAX_TRACE_STATE_BYTES;
    std::str::from_utf8(state).ok().filter(|_| fitting).map(str::to_owned)
}

fn non_zero(random: &mut dyn FnMut() -> u64) -> u64 {
    random().max(1)
}

fn parse_traceparent(header: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let header = header.trim_ascii();
    let (version, rest) = header.split_at_checked(2)?;
    let [version] = hex(version)?;
    let (trace_id, rest) = rest.strip_prefix(b"-")?.split_at_checked(32)?;
    let (parent_id, rest) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let (flags, rest) = rest.strip_prefix(b"-")?.split_at_checked(2)?;
    // Version 00 ends here; a later one may go on after a dash.
    if version == 0xff || (version == 0 && !rest.is_empty()) || !(rest.is_empty() || rest.starts_with(b"-")) {
        return None;
    }
    let trace_id: [u8; 16] = hex(trace_id)?;
    let parent_id: [u8; 8] = hex(parent_id)?;
    let [flags] = hex(flags)?;
    (trace_id != [0; 16] && parent_id != [0; 8]).then_some((trace_id, parent_id, flags))
}

/// Lower-case hexadecimal only, as the specification says.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != N.saturating_mul(2) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            if digit.is_ascii_uppercase() {
                return None;
            }
            let value = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
            *byte = (*byte << 4) | value;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn context(traceparent: Option<&str>) -> SpanContext {
        let mut next = 0;
        SpanContext::new(traceparent.map(str::as_bytes), Some(b"vendor=1"), &mut || {
            next += 1;
            next
        })
    }

    #[test]
    fn a_valid_traceparent_makes_a_child() {
        let child = context(Some(VALID));
        assert_eq!(child.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(child.parent_span_id, Some(0xb7ad_6b71_6920_3331_u64.to_be_bytes()));
        assert_eq!((child.flags, child.trace_state.as_str()), (1, "vendor=1"));
        assert_eq!(child.span_id, 1_u64.to_be_bytes());
    }

    #[test]
    fn a_later_version_may_go_on() {
        let later = VALID.replacen("00-", "01-", 1) + "-extra";
        assert!(context(Some(&later)).parent_span_id.is_some());
    }

    #[test]
    fn anything_else_is_a_root() {
        let upper = VALID.to_uppercase();
        let longer = format!("{VALID}-x");
        let no_dash = format!("{}x", VALID.replacen("00-", "01-", 1));
        for header in [
            None,
            Some(""),
            Some("garbage"),
            Some(upper.as_str()),
            Some(longer.as_str()),
            Some(no_dash.as_str()),
            Some("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"),
            Some("00-0af7651916cd43dd8448eb211c80319\u{e9}-b7ad6b7169203331-01"),
        ] {
            let root = context(header);
            assert_eq!(root.parent_span_id, None, "{header:?}");
            assert_eq!((root.flags, root.trace_state.as_str()), (1, ""), "{header:?}");
            assert_ne!(root.trace_id, [0; 16]);
        }
    }

    #[test]
    fn ids_are_never_zero() {
        let root = SpanContext::new(None, None, &mut || 0);
        assert_ne!(root.trace_id, [0; 16]);
        assert_ne!(root.span_id, [0; 8]);
    }
}
