//! Parts of authorities and paths.

use crate::wire::{is_same, split};

/// Host and port of an authority; brackets stay off an IPv6 address, and so do the dot that ends an absolute name
/// (RFC 1034, section 3.1) and what says whose the request is (RFC 3986, section 3.2.1), which may be a credential.
pub fn split_authority(authority: &[u8]) -> (&[u8], Option<u16>) {
    let authority = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let (host, rest) = split_host(authority).unwrap_or((authority, &[]));
    let port = rest.strip_prefix(b":").and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
    (host.strip_suffix(b".").unwrap_or(host), port)
}

fn split_host(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let position = |bytes: &[u8], wanted| bytes.iter().position(|byte| *byte == wanted);
    if let Some(inner) = authority.strip_prefix(b"[") {
        let (host, rest) = inner.split_at_checked(position(inner, b']')?)?;
        return Some((host, rest.get(1..)?));
    }
    authority.split_at_checked(position(authority, b':')?)
}

/// Whether the text ends so.
pub(super) fn has_end(text: &str, end: &str) -> bool {
    let from = text.len().checked_sub(end.len());
    from.and_then(|from| text.as_bytes().get(from..)).is_some_and(|tail| is_same(tail, end.as_bytes()))
}

/// Whether the path ends so, give or take a slash.
pub(super) fn ends_with(path: &str, end: &str) -> bool {
    has_end(path.strip_suffix('/').unwrap_or(path), end)
}

/// The segment behind a marker.
pub(super) fn segment_after<'a>(path: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = split(path, marker)?;
    rest.split('/').next().filter(|segment| !segment.is_empty())
}

/// What stands between the first `before` and the `after` that ends the path, give or take a slash; nothing without
/// `before`.
pub(super) fn between<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let front = path.strip_suffix(after)?;
    if before.is_empty() { Some("") } else { split(front, before).map(|(_, name)| name) }
}

/// `/v1beta/models/gemini-x:generateContent` -> `gemini-x` and `generateContent`.
pub(super) fn model_before_method(path: &str) -> Option<(String, &str)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (resource, method) = path.rsplit_once(':').or_else(|| {
        const COLON: &[u8] = b"%3A";
        let at = path.as_bytes().windows(COLON.len()).rposition(|window| window == COLON)?;
        Some((path.get(..at)?, path.get(at.saturating_add(COLON.len())..)?))
    })?;
    // The slash before it may be escaped, too.
    let model = decoded(resource.rsplit('/').next()?);
    let model = model.rsplit('/').next().filter(|model| !model.is_empty())?;
    Some((model.to_owned(), method))
}

/// The first value of a name in a query.
pub(super) fn query_value(query: &[u8], name: &str) -> Option<String> {
    let pairs = std::str::from_utf8(query).ok()?.split('&');
    let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    (!value.is_empty()).then(|| decoded(value))
}

/// Percent-decoded; what is no valid escape stays as it is.
pub(super) fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = tail.first_chunk::<2>().filter(|_| byte == b'%').and_then(|digits| {
            let high = char::from(*digits.first()?).to_digit(16)?;
            let low = char::from(*digits.last()?).to_digit(16)?;
            u8::try_from((high << 4) | low).ok()
        });
        bytes.push(escape.unwrap_or(byte));
        rest = if escape.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        assert_eq!(split_authority(b"api.openai.com.:443"), (&b"api.openai.com"[..], Some(443)));
        assert_eq!(split_authority(b"user:password@hr.apps."), (&b"hr.apps"[..], None));
        let split = |authority: &'static str| {
            let (host, port) = split_authority(authority.as_bytes());
            (std::str::from_utf8(host).unwrap(), port)
        };
        assert_eq!(split("api.openai.com"), ("api.openai.com", None));
        assert_eq!(split("api.openai.com:8080"), ("api.openai.com", Some(8_080)));
        assert_eq!(split("[::1]:80"), ("::1", Some(80)));
        assert_eq!(split("[::1]"), ("::1", None));
        assert_eq!(split("[::1"), ("[::1", None));
        assert_eq!(split("a:99999"), ("a", None));
        assert_eq!(split(""), ("", None));
    }

    #[test]
    fn escapes() {
        assert_eq!(decoded("anthropic.claude%3A0"), "anthropic.claude:0");
        assert_eq!(decoded("a%2Fb%zz%"), "a/b%zz%");
        assert_eq!(decoded("%ff"), "%ff");
        assert_eq!(decoded("%C3%A9"), "é");
    }

    #[test]
    fn values_of_queries() {
        let value = |query: &[u8]| query_value(query, "model");
        assert_eq!(value(b"a=b&model=gpt%2Drealtime&model=other").as_deref(), Some("gpt-realtime"));
        for none in [&b""[..], b"model", b"model=", b"xmodel=a", b"model=\xff"] {
            assert_eq!(value(none), None);
        }
    }

    #[test]
    fn models_before_methods() {
        let split = |path| model_before_method(path);
        assert_eq!(
            split("/v1beta/models/gemini-x:generateContent"),
            Some(("gemini-x".into(), "generateContent"))
        );
        assert_eq!(split("/v1/models"), None);
    }
}
