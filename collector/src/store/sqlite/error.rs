//! SQLite's errors: which of them may pass by themselves.

use rusqlite::ErrorCode;

use crate::store::{Cause, StoreError};

/// What the disk or another process did to us may be undone from outside while we run; a row or a file that SQLite
/// refuses stays refused.
pub(super) fn cause(error: &rusqlite::Error) -> Cause {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OperationInterrupted,
        ) => Cause::Store,
        Some(ErrorCode::OutOfMemory) => Cause::Load,
        _ => Cause::Request,
    }
}

/// What a lock that can be had says nothing about.
pub(super) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}

pub(super) fn failed(doing: &str, error: rusqlite::Error) -> StoreError {
    StoreError::new(cause(&error), format!("sqlite: {doing}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn the_code_decides() {
        for code in [rusqlite::ffi::SQLITE_BUSY, rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR] {
            assert!(failed("x", failure(code)).is_transient(), "{code}");
        }
        for code in
            [rusqlite::ffi::SQLITE_CORRUPT, rusqlite::ffi::SQLITE_TOOBIG, rusqlite::ffi::SQLITE_NOTADB]
        {
            assert!(!failed("x", failure(code)).is_transient(), "{code}");
        }
        assert_eq!(failed("x", failure(rusqlite::ffi::SQLITE_NOMEM)).cause(), Cause::Load);
        assert!(!failed("x", rusqlite::Error::InvalidQuery).is_transient());
    }
}
