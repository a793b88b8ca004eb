//! ClickHouse's errors: which of them may pass by themselves. The number decides, never the text around it.

use clickhouse::error::Error;

use crate::store::StoreError;

/// Error numbers that say "not now".
const TRANSIENT: &[u32] = &[
    159, // TIMEOUT_EXCEEDED
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    203, // NO_FREE_CONNECTION
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    225, // NO_ZOOKEEPER
    236, // ABORTED: the server is stopping
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY: a replica without its keeper
    243, // NOT_ENOUGH_SPACE
    252, // TOO_MANY_PARTS
    279, // ALL_CONNECTION_TRIES_FAILED
    285, // TOO_FEW_LIVE_REPLICAS
    286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    319, // UNKNOWN_STATUS_OF_INSERT
    394, // QUERY_WAS_CANCELLED
    425, // SYSTEM_ERROR
    999, // KEEPER_EXCEPTION
];

pub(super) fn failed(doing: &str, error: Error) -> StoreError {
    let message = format!("clickhouse: {doing}");
    let mapped =
        if is_transient(&error) { StoreError::transient(message) } else { StoreError::permanent(message) };
    mapped.with_source(error)
}

fn is_transient(error: &Error) -> bool {
    match error {
        // An answer without a number is not ClickHouse's own: it comes from what stands before it.
        Error::BadResponse(_) => number(error).is_none_or(|number| TRANSIENT.contains(&number)),
        Error::Network(_) | Error::TimedOut | Error::NotEnoughData | Error::Decompression(_) => true,
        _ => false,
    }
}

/// The number in `Code: 252. DB::Exception: …`.
pub(super) fn number(error: &Error) -> Option<u32> {
    let Error::BadResponse(text) = error else { return None };
    let digits = text.trim_start().strip_prefix("Code: ")?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit())?;
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, transient: bool) {
        assert_eq!(failed("x", Error::BadResponse(text.to_owned())).is_transient(), transient, "{text}");
    }

    #[test]
    fn the_number_decides() {
        check("Code: 252. DB::Exception: Too many parts", true);
        check("Code: 241. DB::Exception: Memory limit", true);
        check("Code: 53. DB::Exception: Type mismatch", false);
        check("Code: 530. DB::Exception: something else", false);
        check("Code: 2521. DB::Exception: not 252", false);
        check("Code: 516. DB::Exception: Code: 252. DB::Exception", false);
        check("<html>502 Bad Gateway</html>", true);
        assert!(!failed("x", Error::SchemaMismatch(String::new())).is_transient());
    }
}
