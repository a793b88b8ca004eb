//! Who makes a call, as the headers of its request say it: ids of a user, a session, a tenant and a correlation, a
//! fingerprint of the API key, and the principals of a forwarded client certificate.
//!
//! No credential gets into a [`Caller`].

use crate::config::{Config, Id};
use crate::exchange::{Headers, cut};
use crate::fingerprint::Key;
use crate::span::{Kind, Principals};

/// What one request says of its caller. What it does not say is absent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user_id: Option<String>,
    pub session_id: Option<String>,
    pub tenant_id: Option<String>,
    pub correlation_id: Option<String>,
    pub api_key_fingerprint: Option<String>,
    pub principals: Principals,
    /// Ids that were cut.
    pub truncated: u32,
}

/// The API key that was seen last, with its fingerprint: most workloads have one, and a fingerprint takes as long as
/// everything else that is read of the headers.
#[derive(Default)]
pub struct LastKey {
    key: Vec<u8>,
    fingerprint: String,
}

/// Looks for what `config` wants to know of a caller.
pub fn read(config: &Config, headers: &dyn Headers, kind: Kind, last_key: &mut LastKey) -> Caller {
    // Of each kind of id the first wanted header that says something counts.
    let mut found: [&[u8]; Id::COUNT] = [&[]; Id::COUNT];
    for (id, wanted) in &config.correlation.headers {
        if let Some(slot) = found.get_mut(*id as usize).filter(|slot| slot.is_empty()) {
            *slot = headers.get(wanted).unwrap_or_default().trim_ascii();
        }
    }
    let mut truncated = 0;
    let mut text = |value: &[u8]| {
        let mut text = std::str::from_utf8(value).ok()?.to_owned();
        cut(&mut text, config.limits.max_attribute_bytes, &mut truncated);
        (!text.is_empty()).then_some(text)
    };
    let [user_id, session_id, tenant_id, correlation_id] = found.map(&mut text);
    let api_key_fingerprint =
        config.api_key.fingerprint_key.as_ref().and_then(|key| last_key.fingerprint(key, api_key(headers)));
    let certificate = (config.identity.principals && kind == Kind::Server)
        .then(|| headers.get("x-forwarded-client-cert"))
        .flatten();
    let mut principals =
        certificate.and_then(|header| std::str::from_utf8(header).ok()).map(forwarded).unwrap_or_default();
    for principal in [&mut principals.source, &mut principals.destination].into_iter().flatten() {
        cut(principal, config.limits.max_attribute_bytes, &mut truncated);
    }
    Caller { user_id, session_id, tenant_id, correlation_id, api_key_fingerprint, principals, truncated }
}

impl LastKey {
    fn fingerprint(&mut self, key: &Key, api_key: &[u8]) -> Option<String> {
        const MAX_KEPT_BYTES: usize = 4 << 10;
        if api_key.is_empty() {
            return None;
        }
        if self.key != api_key {
            self.key.clear();
            // The beginning of one may be another.
            if api_key.len() <= MAX_KEPT_BYTES {
                self.key.extend_from_slice(api_key);
            }
            self.fingerprint = key.fingerprint(api_key);
        }
        Some(self.fingerprint.clone())
    }
}

/// The first there: what stands behind the scheme of `authorization`, or all of it without one, and of a signature the id
/// of the key that signed it; the header of an API key; `key` of the query.
fn api_key(headers: &dyn Headers) -> &[u8] {
    let of = |name| headers.get(name).unwrap_or_default().trim_ascii();
    let authorization = of("authorization");
    let credentials = match authorization.iter().position(u8::is_ascii_whitespace) {
        Some(_) if authorization.starts_with(b"AWS4-") => field(authorization, b"Credential=", b'/'),
        Some(space) => authorization.get(space..).unwrap_or_default(),
        // A scheme whose key is missing.
        None if authorization.eq_ignore_ascii_case(b"bearer") => &[],
        None => authorization,
    };
    let credentials = credentials.trim_ascii();
    if !credentials.is_empty() {
        return credentials;
    }
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        let key = of(name);
        if !key.is_empty() {
            return key;
        }
    }
    let path = of(":path");
    let query = path.iter().position(|byte| *byte == b'?').and_then(|at| path.get(at..));
    field(query.unwrap_or_default(), b"key=", b'#')
}

/// The value of one field, up to its end or to `end`.
fn field<'a>(text: &'a [u8], name: &[u8], end: u8) -> &'a [u8] {
    text.split(|byte| matches!(byte, b'?' | b'&' | b' ' | b','))
        .find_map(|field| field.strip_prefix(name))
        .and_then(|value| value.split(|byte| *byte == end).next())
        .unwrap_or_default()
}

/// Of the last element, which is the nearest proxy's: `By=spiffe://…;Hash=…;Subject="CN=a,b";URI=spiffe://…`.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>
fn forwarded(header: &str) -> Principals {
    let mut principals = Principals::default();
    let (mut quoted, mut escaped, mut field_at) = (false, false, 0_usize);
    for (at, byte) in header.bytes().chain([b';']).enumerate() {
        if !quoted && matches!(byte, b',' | b';') {
            let (name, value) =
                header.get(field_at..at).and_then(|field| field.split_once('=')).unwrap_or_default();
            match name.trim_ascii() {
                "URI" if !value.is_empty() => principals.source = Some(value.to_owned()),
                "By" if !value.is_empty() => principals.destination = Some(value.to_owned()),
                _ => {}
            }
            if byte == b',' {
                principals = Principals::default();
            }
            field_at = at.saturating_add(1);
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
    }
    principals
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs<'a>(&'a [(&'a str, &'a str)]);

    impl Headers for Pairs<'_> {
        fn bytes(&self) -> usize {
            self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
        }

        fn get(&self, name: &str) -> Option<&[u8]> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        }
    }

    fn read(config: &str, headers: &[(&str, &str)]) -> Caller {
        let (config, problems) = crate::config::parse(config.as_bytes());
        assert_eq!(problems, []);
        super::read(&config, &Pairs(headers), Kind::Server, &mut LastKey::default())
    }

    fn ids(config: &str, headers: &[(&str, &str)]) -> [Option<String>; 4] {
        let caller = read(config, headers);
        [caller.user_id, caller.session_id, caller.tenant_id, caller.correlation_id]
    }

    fn some(texts: [&str; 4]) -> [Option<String>; 4] {
        texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    #[test]
    fn nothing_said_is_nothing_known() {
        assert_eq!(
            read("", &[(":path", "/v1/messages"), ("x-user-id", ""), ("x-tenant-id", " ")]),
            Caller::default()
        );
    }

    #[test]
    fn the_usual_headers_are_known() {
        let headers =
            [("x-user-id", "u"), ("x-session-id", "s"), ("x-tenant-id", "t"), ("x-correlation-id", "c")];
        assert_eq!(ids("", &headers), some(["u", "s", "t", "c"]));
        let headers = [
            ("x-llmtrace-user-id", "u"),
            ("x-llmtrace-session-id", "s"),
            ("x-llmtrace-tenant-id", "t"),
            ("x-llmtrace-trace-id", "c"),
        ];
        assert_eq!(ids("", &headers), some(["u", "s", "t", "c"]));
        assert_eq!(ids("", &[("x-request-id", "r")]), some(["", "", "", "r"]));
    }

    #[test]
    fn the_first_of_the_list_wins_whatever_the_order_of_the_headers() {
        let headers = [("x-request-id", "r"), ("x-correlation-id", "c"), ("x-correlation-id", "d")];
        assert_eq!(ids("", &headers), some(["", "", "", "c"]));
        let headers = [("x-request-id", "r"), ("x-correlation-id", "")];
        assert_eq!(ids("", &headers), some(["", "", "", "r"]), "an empty one says nothing");
    }

    #[test]
    fn lists_are_the_operators() {
        let config = r#"{"correlation":{"user_headers":["X-Who"],"tenant_headers":["x-who"],"correlation_headers":[]}}"#;
        let headers = [("x-user-id", "u"), ("x-who", " me "), ("x-request-id", "r"), ("x-session-id", "s")];
        assert_eq!(ids(config, &headers), some(["me", "s", "me", ""]));
    }

    #[test]
    fn ids_are_cut_between_characters() {
        let config = r#"{"limits":{"max_attribute_bytes":64}}"#;
        let long = "é".repeat(40);
        let caller = read(config, &[("x-user-id", &long), ("x-tenant-id", "t")]);
        assert_eq!((caller.user_id.as_deref(), caller.truncated), (Some("é".repeat(32).as_str()), 1));
    }

    #[test]
    fn forwarded_certificates_count_where_they_are_asked_for() {
        let header = r#"By=spiffe://mesh/ns/a/sa/gate;URI=spiffe://mesh/ns/a/sa/first, By=spiffe://mesh/ns/b/sa/model;Hash=12;Subject="CN=x\",y;URI=z";URI=spiffe://mesh/ns/a/sa/gate"#;
        let headers = [("x-forwarded-client-cert", header)];
        assert_eq!(read("", &headers), Caller::default());
        let config = r#"{"identity":{"principals":true}}"#;
        let principals = read(config, &headers).principals;
        assert_eq!(principals.source.as_deref(), Some("spiffe://mesh/ns/a/sa/gate"));
        assert_eq!(principals.destination.as_deref(), Some("spiffe://mesh/ns/b/sa/model"));
        for nothing in ["", "garbage", "URI=", ";;,\"", "Hash=1"] {
            assert_eq!(read(config, &[("x-forwarded-client-cert", nothing)]), Caller::default(), "{nothing}");
        }
        let (config, _) = crate::config::parse(config.as_bytes());
        let outbound = super::read(&config, &Pairs(&headers), Kind::Client, &mut LastKey::default());
        assert_eq!(outbound, Caller::default(), "what a workload forwards says nothing about itself");
    }

    #[test]
    fn forwarded_principals_are_cut_as_soon_as_they_are_read() {
        let config = r#"{"identity":{"principals":true},"limits":{"max_attribute_bytes":64}}"#;
        let header = format!("By={0};URI={0}", "u".repeat(50_000));
        let caller = read(config, &[("x-forwarded-client-cert", &header)]);
        let Principals { source, destination } = caller.principals;
        for principal in [source, destination].into_iter().flatten() {
            assert_eq!(principal, "u".repeat(64));
            assert!(principal.capacity() < 1_024, "what was cut off takes no memory");
        }
        assert_eq!(caller.truncated, 2);
    }

    const KEYED: &str = r#"{"api_key":{"fingerprint_key":"sixteen bytes or more"}}"#;

    fn fingerprint(headers: &[(&str, &str)]) -> Option<String> {
        read(KEYED, headers).api_key_fingerprint
    }

    #[test]
    fn one_key_has_one_fingerprint_wherever_it_stands() {
        // As the command in docs/configuration.md computes it.
        let expected = Some("hmac-sha256:c432feff4876a54bfcf0c0cbfb72f0fd".to_owned());
        for header in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer  sk-1 "),
            ("authorization", "Bearer\tsk-1"),
            ("authorization", "Api-Key sk-1"),
            ("authorization", "sk-1"),
            ("x-api-key", "sk-1"),
            ("api-key", "sk-1"),
            ("x-goog-api-key", "sk-1"),
            (":path", "/v1beta/models/m:generateContent?alt=sse&key=sk-1"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=sk-1/20250101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab",
            ),
            ("authorization", "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=sk-1/20250101,Signature=ab"),
        ] {
            assert_eq!(fingerprint(&[header]), expected, "{header:?}");
        }
        let both = [("x-api-key", "sk-2"), ("authorization", "Bearer sk-1"), (":path", "/?key=sk-3")];
        assert_eq!(fingerprint(&both), expected);
        assert_eq!(fingerprint(&[("authorization", "Bearer "), ("x-api-key", "sk-1")]), expected);
    }

    #[test]
    fn no_key_has_no_fingerprint() {
        for header in [
            ("authorization", ""),
            ("authorization", "AWS4-HMAC-SHA256 Signature=ab"),
            ("x-api-key", " "),
            (":path", "/v1/messages?key="),
            (":path", "/v1/messages?monkey=1"),
            (":path", "/v1/key=1"),
        ] {
            assert_eq!(fingerprint(&[header]), None, "{header:?}");
        }
        assert_eq!(read("", &[("x-api-key", "sk-1")]).api_key_fingerprint, None, "no key to compute it with");
    }

    #[test]
    fn the_last_key_is_not_taken_for_another() {
        let (config, _) = crate::config::parse(KEYED.as_bytes());
        let mut last = LastKey::default();
        let long = "k".repeat(5_000);
        let longer = "k".repeat(5_001);
        let beginning = "k".repeat(4_096);
        let mut seen = Vec::new();
        for key in ["sk-1", "sk-1", "sk-2", &long, &beginning, &longer, &long, "sk-1"] {
            let caller = super::read(&config, &Pairs(&[("api-key", key)]), Kind::Client, &mut last);
            assert_eq!(caller.api_key_fingerprint, fingerprint(&[("x-api-key", key)]));
            seen.extend(caller.api_key_fingerprint);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        assert!(last.key.len() <= 4_096);
    }
}
