//! ClickHouse's errors: which of them may pass by themselves, and which of those may lie in what was sent. The number
//! decides, never the text around it. Names and numbers are those of `src/Common/ErrorCodes.cpp`.

use clickhouse::error::Error;

use crate::store::{Cause, StoreError};

/// The server as a whole says "not now", whatever is sent to it.
const STORE: &[(u32, &str)] = &[
    (74, "CANNOT_READ_FROM_FILE_DESCRIPTOR"), // its disk, as with the next five
    (75, "CANNOT_WRITE_TO_FILE_DESCRIPTOR"),
    (76, "CANNOT_OPEN_FILE"),
    (77, "CANNOT_CLOSE_FILE"),
    (172, "CANNOT_CREATE_DIRECTORY"),
    (204, "CANNOT_FSYNC"),
    (294, "CANNOT_WRITE_TO_FILE"),
    (586, "CANNOT_CREATE_FILE"),
    (95, "CANNOT_READ_FROM_SOCKET"), // its network, as with the next four
    (96, "CANNOT_WRITE_TO_SOCKET"),
    (198, "DNS_ERROR"),
    (210, "NETWORK_ERROR"),
    (279, "ALL_CONNECTION_TRIES_FAILED"),
    (201, "QUOTA_EXCEEDED"), // of an interval of time
    (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    (203, "NO_FREE_CONNECTION"),
    (364, "RECEIVED_ERROR_TOO_MANY_REQUESTS"),
    (439, "CANNOT_SCHEDULE_TASK"), // no thread is free
    (574, "DISTRIBUTED_TOO_MANY_PENDING_BYTES"),
    (745, "SERVER_OVERLOADED"),
    (749, "TCP_CONNECTION_LIMIT_REACHED"),
    (762, "HTTP_CONNECTION_LIMIT_REACHED"),
    (225, "NO_ZOOKEEPER"),
    (244, "UNEXPECTED_ZOOKEEPER_ERROR"),
    (999, "KEEPER_EXCEPTION"),
    (242, "TABLE_IS_READ_ONLY"), // a replica without its keeper
    (254, "NO_ACTIVE_REPLICAS"),
    (265, "NO_AVAILABLE_REPLICA"),
    (285, "TOO_FEW_LIVE_REPLICAS"),
    (286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE"),
    (319, "UNKNOWN_STATUS_OF_INSERT"),
    (369, "ALL_REPLICAS_ARE_STALE"),
    (519, "NO_REMOTE_SHARD_AVAILABLE"),
    (904, "TOO_MANY_UNAVAILABLE_SHARDS"),
    (236, "ABORTED"), // the server is stopping
    (243, "NOT_ENOUGH_SPACE"),
    (252, "TOO_MANY_PARTS"),
    (425, "SYSTEM_ERROR"),
    (473, "DEADLOCK_AVOIDED"),
    (499, "S3_ERROR"),
    (500, "AZURE_BLOB_STORAGE_ERROR"),
    (695, "ASYNC_LOAD_FAILED"), // a table that is not there yet after a start, as with the next two
    (696, "ASYNC_LOAD_CANCELED"),
    (722, "ASYNC_LOAD_WAIT_FAILED"),
    (733, "TABLE_IS_BEING_RESTARTED"),
];

/// The server cannot do it now, or not so much at once.
const LOAD: &[(u32, &str)] = &[
    (159, "TIMEOUT_EXCEEDED"),
    (160, "TOO_SLOW"),
    (209, "SOCKET_TIMEOUT"),
    (173, "CANNOT_ALLOCATE_MEMORY"),
    (241, "MEMORY_LIMIT_EXCEEDED"),
    (776, "RESOURCE_LIMIT_EXCEEDED"),
    (777, "MEMORY_RESERVATION_KILLED"),
    (778, "MEMORY_RESERVATION_FAILED"),
    (394, "QUERY_WAS_CANCELLED"), // by an operator, or for its memory
    (677, "THREAD_WAS_CANCELED"),
];

pub(super) fn failed(doing: &str, error: Error) -> StoreError {
    StoreError::new(cause(&error), format!("clickhouse: {doing}")).with_source(error)
}

fn cause(error: &Error) -> Cause {
    match error {
        // An answer without a number is not ClickHouse's own. It comes from what stands before it, which may have a
        // bound on the size of a request.
        Error::BadResponse(_) => number(error).map_or(Cause::Load, cause_of),
        // A connection that breaks may be a server that is away, which a ping tells, and a proxy's way of saying no.
        Error::TimedOut | Error::Network(_) | Error::NotEnoughData | Error::Decompression(_) => Cause::Load,
        _ => Cause::Request,
    }
}

fn cause_of(number: u32) -> Cause {
    let is_in = |list: &[(u32, &str)]| list.iter().any(|(listed, _)| *listed == number);
    if is_in(STORE) {
        Cause::Store
    } else if is_in(LOAD) {
        Cause::Load
    } else {
        Cause::Request
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

    fn check(text: &str, cause: Cause) {
        assert_eq!(failed("x", Error::BadResponse(text.to_owned())).cause(), cause, "{text}");
    }

    #[test]
    fn the_number_decides() {
        check("Code: 252. DB::Exception: Too many parts", Cause::Store);
        check("Code: 198. DB::Exception: Not found address of host", Cause::Store);
        check("Code: 439. DB::Exception: Cannot schedule a task", Cause::Store);
        check("Code: 75. DB::Exception: Cannot write to file", Cause::Store);
        check("Code: 241. DB::Exception: Memory limit", Cause::Load);
        check("Code: 173. DB::Exception: Cannot allocate memory", Cause::Load);
        check("Code: 53. DB::Exception: Type mismatch", Cause::Request);
        check("Code: 530. DB::Exception: something else", Cause::Request);
        check("Code: 2521. DB::Exception: not 252", Cause::Request);
        check("Code: 516. DB::Exception: Code: 252. DB::Exception", Cause::Request);
        check("<html>502 Bad Gateway</html>", Cause::Load);
        assert_eq!(failed("x", Error::Network("reset".into())).cause(), Cause::Load);
        assert!(!failed("x", Error::SchemaMismatch(String::new())).is_transient());
    }

    #[test]
    fn every_number_is_decided_once() {
        let all = [STORE, LOAD].concat();
        let unique: std::collections::HashSet<u32> = all.iter().map(|(number, _)| *number).collect();
        assert_eq!(unique.len(), all.len());
    }

    const START: &str = "<!-- made from collector/src/store/clickhouse/error.rs -->\n";
    const END: &str = "<!-- end -->\n";

    /// Rewrites the table of the document when `UPDATE_DOCS` is set; fails when it differs otherwise.
    #[test]
    fn the_document_lists_every_number() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/clickhouse.md");
        let document = std::fs::read_to_string(file).unwrap();
        let (before, rest) = document.split_once(START).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let made = format!("{before}{START}{}{END}{after}", table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, made).unwrap();
            return;
        }
        assert!(
            document == made,
            "docs/clickhouse.md is out of date: UPDATE_DOCS=1 cargo test -p meshtap-collector the_document"
        );
    }

    fn table() -> String {
        let row = |cause: &str, list: &[(u32, &str)], then: &str| {
            let mut list = list.to_vec();
            list.sort_unstable();
            let list: Vec<String> = list.iter().map(|(number, name)| format!("{number} `{name}`")).collect();
            format!("| {cause} | {} | {then} |\n", list.join(", "))
        };
        let head = "| what it lies in | numbers | what happens |\n|---|---|---|\n";
        let store = row("the server as a whole", STORE, "sent again with growing pauses, for ever");
        let load = row(
            "the server now, or the size of the batch",
            LOAD,
            "sent again `pump.max_attempts` times, then halved, in the end parked",
        );
        let rest = "| the batch | every other | halved at once until the entry is found, which is parked; sent again, \
            for ever, while the server does not answer a ping either |\n";
        format!("{head}{store}{load}{rest}")
    }
}
