//! How an exchange ended, from what Envoy says when it logs the stream.
//!
//! `response.code_details` is preferred; it names the cause, where the response flags are a bare mask. Its values:
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details>.

use crate::wire::holds;

/// What the host knows about a stream that is over.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StreamLog {
    pub code_details: String,
    /// The bit mask of Envoy's `CoreResponseFlag`.
    pub flags: u64,
    /// The status that the client got, where it may not be that of the answer which passed.
    pub status: Option<u16>,
}

/// `meshtap.end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Complete,
    ClientCancelled,
    UpstreamReset,
    Timeout,
    LocalReply,
}

impl End {
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientCancelled => "client_cancelled",
            Self::UpstreamReset => "upstream_reset",
            Self::Timeout => "timeout",
            Self::LocalReply => "local_reply",
        }
    }
}

/// The closed list of `error.type`; the names are the proposal of Envoy's GenAI access logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    Status(u16),
    Timeout,
    RateLimited,
    NoHealthyUpstream,
    ConnectionFailure,
    Overflow,
    UpstreamReset,
    Cancelled,
    InvalidRequest,
    Internal,
    Other,
}

impl ErrorType {
    pub fn name(self) -> String {
        match self {
            Self::Status(code) => return code.to_string(),
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::NoHealthyUpstream => "no_healthy_upstream",
            Self::ConnectionFailure => "connection_failure",
            Self::Overflow => "overflow",
            Self::UpstreamReset => "upstream_reset",
            Self::Cancelled => "cancelled",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal",
            Self::Other => "_OTHER",
        }
        .to_owned()
    }
}

mod flag {
    pub(super) const NO_HEALTHY_UPSTREAM: u64 = 1 << 1;
    pub(super) const UPSTREAM_REQUEST_TIMEOUT: u64 = 1 << 2;
    pub(super) const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
    pub(super) const UPSTREAM_OVERFLOW: u64 = 1 << 7;
    pub(super) const RATE_LIMITED: u64 = 1 << 11;
    pub(super) const DOWNSTREAM_DISCONNECT: u64 = 1 << 14;
    pub(super) const STREAM_IDLE_TIMEOUT: u64 = 1 << 16;
    pub(super) const DOWNSTREAM_PROTOCOL_ERROR: u64 = 1 << 18;
    pub(super) const MAX_STREAM_DURATION: u64 = 1 << 19;
    pub(super) const DURATION_TIMEOUT: u64 = 1 << 22;
    pub(super) const DOWNSTREAM_RESET: u64 = 1 << 28;
}

impl StreamLog {
    fn any(&self, mask: u64) -> bool {
        self.flags & mask != 0
    }

    /// Whether the exchange goes on as another stream, which is logged when it ends.
    pub fn goes_on(&self) -> bool {
        self.code_details == "internal_redirect"
    }

    /// How the stream ended. `status` is that of the answer, `None` when none came.
    pub fn end(&self, status: Option<u16>) -> End {
        let details = self.code_details.as_str();
        // In brackets stand names that others chose, such as that of a policy, which may be any word.
        let cause = details.split(['[', '{']).next().unwrap_or_default();
        let timeouts = flag::UPSTREAM_REQUEST_TIMEOUT
            | flag::STREAM_IDLE_TIMEOUT
            | flag::MAX_STREAM_DURATION
            | flag::DURATION_TIMEOUT;
        if details == "via_upstream" {
            End::Complete
        } else if details.starts_with("upstream_reset") {
            // Before the timeouts: it may name that of a connection in its braces.
            End::UpstreamReset
        } else if holds(cause, "timeout")
            || holds(cause, "max_stream_duration")
            || holds(cause, "max_duration")
            || self.any(timeouts)
        {
            End::Timeout
        } else if self.is_hung_up() {
            End::LocalReply
        } else if details.starts_with("downstream_") {
            End::ClientCancelled
        } else if self.any(flag::DOWNSTREAM_PROTOCOL_ERROR) && status.is_none_or(|status| status < 400) {
            // Too late to refuse what the client sends: the proxy hangs up on it.
            End::ClientCancelled
        } else if self.any(flag::DOWNSTREAM_DISCONNECT | flag::DOWNSTREAM_RESET)
            || (details.is_empty() && status.is_none())
        {
            End::ClientCancelled
        } else if details.is_empty() {
            // An old or foreign host that does not say: the answer came and nothing contradicts it.
            End::Complete
        } else {
            End::LocalReply
        }
    }

    /// What went wrong, if anything did. `status` is that of the answer, `None` when none came.
    pub fn error_type(&self, end: End, status: Option<u16>) -> Option<ErrorType> {
        let failed_status = status.filter(|status| *status >= 400).map(ErrorType::Status);
        match end {
            End::ClientCancelled => Some(ErrorType::Cancelled),
            End::Timeout => Some(ErrorType::Timeout),
            End::UpstreamReset if self.any(flag::UPSTREAM_CONNECTION_FAILURE) => {
                Some(ErrorType::ConnectionFailure)
            }
            End::UpstreamReset if self.any(flag::UPSTREAM_OVERFLOW) => Some(ErrorType::Overflow),
            End::UpstreamReset => Some(ErrorType::UpstreamReset),
            End::LocalReply if self.any(flag::NO_HEALTHY_UPSTREAM) => Some(ErrorType::NoHealthyUpstream),
            End::LocalReply if self.any(flag::UPSTREAM_OVERFLOW) => Some(ErrorType::Overflow),
            End::LocalReply if self.any(flag::RATE_LIMITED) => Some(ErrorType::RateLimited),
            End::LocalReply if self.is_hung_up() || self.is_failure() => {
                failed_status.or(Some(ErrorType::Other))
            }
            End::Complete | End::LocalReply => failed_status,
        }
    }

    /// Whether a filter could not do its work. Once headers are out, no status tells.
    fn is_failure(&self) -> bool {
        holds(&self.code_details, "error") || holds(&self.code_details, "fail")
    }

    /// Whether the proxy closed the client's connection, and not for what that sent: its listener has other filters now.
    pub fn is_hung_up(&self) -> bool {
        self.code_details.starts_with("downstream_local_disconnect")
            && !self.any(flag::DOWNSTREAM_PROTOCOL_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(details: &str, flags: u64, status: Option<u16>, end: End, error: Option<&str>) {
        let log = StreamLog { code_details: details.to_owned(), flags, status: None };
        assert_eq!(log.end(status), end, "{details} {flags}");
        let error_type = log.error_type(end, status).map(ErrorType::name);
        assert_eq!(error_type.as_deref(), error, "{details} {flags}");
    }

    #[test]
    fn what_envoy_says_at_each_ending() {
        check("via_upstream", 0, Some(200), End::Complete, None);
        check("via_upstream", 0, Some(429), End::Complete, Some("429"));
        // A filter in front that fails: once headers are out, their status stays.
        let failed = "ext_proc_error_gRPC_error_13{via_upstream}";
        check(failed, 0, Some(200), End::LocalReply, Some("_OTHER"));
        check(failed, 0, Some(500), End::LocalReply, Some("500"));
        check("wasm_fail_stream", 0, Some(200), End::LocalReply, Some("_OTHER"));
        check("downstream_remote_disconnect", 16_384, Some(200), End::ClientCancelled, Some("cancelled"));
        check("", 16_384, None, End::ClientCancelled, Some("cancelled"));
        check(
            "upstream_reset_after_response_started{protocol_error}",
            8_388_608,
            Some(200),
            End::UpstreamReset,
            Some("upstream_reset"),
        );
        check(
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
            32,
            Some(503),
            End::UpstreamReset,
            Some("connection_failure"),
        );
        check(
            "upstream_reset_before_response_started{connection_termination}",
            64,
            Some(503),
            End::UpstreamReset,
            Some("upstream_reset"),
        );
        check(
            "upstream_reset_before_response_started{overflow}",
            128,
            Some(503),
            End::UpstreamReset,
            Some("overflow"),
        );
        check(
            "upstream_reset_before_response_started{connection_timeout}",
            32,
            Some(503),
            End::UpstreamReset,
            Some("connection_failure"),
        );
        check("response_timeout", 4, Some(504), End::Timeout, Some("timeout"));
        check("upstream_response_timeout", 4, Some(504), End::Timeout, Some("timeout"));
        check("stream_idle_timeout", 65_536, Some(200), End::Timeout, Some("timeout"));
        check("upstream_max_stream_duration_reached", 524_288, Some(200), End::Timeout, Some("timeout"));
        check("max_duration_timeout", 0, Some(504), End::Timeout, Some("timeout"));
        check("request_overall_timeout", 0, Some(408), End::Timeout, Some("timeout"));
        check("upstream_per_try_timeout", 32_772, Some(504), End::Timeout, Some("timeout"));
        check("http2.remote_reset", 268_435_456, Some(200), End::ClientCancelled, Some("cancelled"));
        check("http1.codec_error", 262_144, Some(200), End::ClientCancelled, Some("cancelled"));
        check("http1.codec_error", 262_144, Some(400), End::LocalReply, Some("400"));
        let hung_up = "downstream_local_disconnect(filter_chain_is_being_removed)";
        check(hung_up, 16_384, Some(200), End::LocalReply, Some("_OTHER"));
        check(hung_up, 16_384, None, End::LocalReply, Some("_OTHER"));
        let refused = "downstream_local_disconnect(codec_error:http1.codec_error)";
        check(refused, 262_144, Some(200), End::ClientCancelled, Some("cancelled"));
        check("direct_response", 0, Some(200), End::LocalReply, None);
        check("direct_response", 0, Some(403), End::LocalReply, Some("403"));
        check("cluster_not_found", 16_777_216, Some(503), End::LocalReply, Some("503"));
        check("no_healthy_upstream", 2, Some(503), End::LocalReply, Some("no_healthy_upstream"));
        check("request_rate_limited", 2_048, Some(429), End::LocalReply, Some("rate_limited"));
        check("local_rate_limited", 2_048, Some(429), End::LocalReply, Some("rate_limited"));
        check("", 0, Some(200), End::Complete, None);
        let policy = "rbac_access_denied_matched_policy[ns[apps]-policy[no-timeouts]-rule[0]]";
        check(policy, 0, Some(403), End::LocalReply, Some("403"));
    }
}
