//! Picks the adapter of an exchange from its method, authority and path, by one table.

use crate::config::Detect;
use crate::provider::{Adapter, openai_chat};

/// What an exchange was recognised as.
#[derive(Debug, Clone, Copy)]
pub struct Detected {
    /// `gen_ai.provider.name`.
    pub provider_name: &'static str,
    pub adapter: &'static Adapter,
}

/// One API of one provider.
struct Known {
    host: &'static str,
    path: &'static str,
    provider_name: &'static str,
    adapter: &'static Adapter,
}

static KNOWN: &[Known] = &[Known {
    host: "api.openai.com",
    path: "/v1/chat/completions",
    provider_name: "openai",
    adapter: &openai_chat::ADAPTER,
}];

/// Shapes that tell an API on any host: how its path ends, and whose API it is compatible with. The conventions name
/// that one as the provider when nothing better is known.
static SHAPES: &[(&str, &str, &Adapter)] = &[("/chat/completions", "openai", &openai_chat::ADAPTER)];

/// `None` when the exchange is not an LLM call, or not one of a host that is looked at.
pub fn detect(method: &[u8], authority: &[u8], path: &[u8], mode: Detect) -> Option<Detected> {
    if method != b"POST" {
        return None;
    }
    let host = split_authority(authority).0;
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let known = KNOWN
        .iter()
        .find(|known| host.eq_ignore_ascii_case(known.host.as_bytes()) && path == known.path.as_bytes());
    if let Some(known) = known {
        return Some(Detected { provider_name: known.provider_name, adapter: known.adapter });
    }
    if mode == Detect::Known {
        return None;
    }
    let (_, provider_name, adapter) = SHAPES.iter().find(|(end, ..)| path.ends_with(end.as_bytes()))?;
    Some(Detected { provider_name, adapter })
}

/// Host and port of an authority; brackets stay off an IPv6 address.
pub fn split_authority(authority: &[u8]) -> (&[u8], Option<u16>) {
    let (host, rest) = split_host(authority).unwrap_or((authority, &[]));
    let port = rest.strip_prefix(b":").and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
    (host, port)
}

fn split_host(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let position = |bytes: &[u8], wanted| bytes.iter().position(|byte| *byte == wanted);
    if let Some(inner) = authority.strip_prefix(b"[") {
        let (host, rest) = inner.split_at_checked(position(inner, b']')?)?;
        return Some((host, rest.get(1..)?));
    }
    authority.split_at_checked(position(authority, b':')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(method: &str, authority: &str, path: &str, mode: Detect) -> Option<&'static str> {
        detect(method.as_bytes(), authority.as_bytes(), path.as_bytes(), mode).map(|d| d.provider_name)
    }

    #[test]
    fn known_hosts() {
        let known = |method, authority, path| provider(method, authority, path, Detect::Known);
        assert_eq!(known("POST", "api.openai.com", "/v1/chat/completions"), Some("openai"));
        assert_eq!(known("POST", "API.openai.com:80", "/v1/chat/completions?a=b"), Some("openai"));
        assert_eq!(known("GET", "api.openai.com", "/v1/chat/completions"), None);
        assert_eq!(known("POST", "api.openai.com", "/v1/chat/completions/x"), None);
        assert_eq!(known("POST", "api.openai.com.evil.example", "/v1/chat/completions"), None);
        assert_eq!(known("POST", "vllm.models", "/v1/chat/completions"), None);
    }

    #[test]
    fn other_hosts_by_shape() {
        let by_shape = |path| provider("POST", "vllm.models:8000", path, Detect::Heuristic);
        assert_eq!(by_shape("/v1/chat/completions"), Some("openai"));
        assert_eq!(by_shape("/api/v3/chat/completions?x"), Some("openai"));
        assert_eq!(by_shape("/v1/orders"), None);
    }

    #[test]
    fn authorities() {
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
}
