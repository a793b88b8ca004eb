//! Which headers may be named: as ids of a call, and as metadata of the calls to the collector.

/// Headers that hold no id.
pub const CREDENTIALS: [&str; 19] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-amz-security-token",
    "ocp-apim-subscription-key",
    "xi-api-key",
    "cf-aig-authorization",
    "helicone-auth",
    "private-token",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-functions-key",
    "x-portkey-api-key",
    "x-vault-token",
];

/// A credential is not an id: it must not leave the pod.
pub(super) fn is_id_header(name: &str) -> bool {
    is_token(name) && !CREDENTIALS.contains(&name)
}

fn is_token(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// Headers of HTTP's own.
pub const NOT_METADATA: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// How the names begin that gRPC keeps for itself, and those by which Envoy is told what to do with a request.
pub const NOT_METADATA_PREFIXES: [&str; 2] = ["grpc-", "x-envoy-"];

/// A name that is neither gRPC's own nor belongs to the connection or the message; in the value spaces only inside, as
/// HTTP takes them away at the ends.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    is_token(name)
        && !NOT_METADATA_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !NOT_METADATA.contains(&name)
        && (1..=4_096).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim_ascii().len() == value.len()
}
