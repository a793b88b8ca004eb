use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::model::{CallSide, Dimension, SpanRecord};
use crate::store::conformance::{self, plain_span};
use crate::store::{Order, Page};

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("meshtap-sqlite-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sub/spans.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const ALL: Page = Page { limit: 1000, after: None, order: Order::OldestFirst };

async fn count(store: &SqliteStore) -> usize {
    store.spans(&SpanFilter::default(), &ALL).await.unwrap().spans.len()
}

#[tokio::test]
async fn a_file_has_one_collector() {
    let folder = Folder::new("lock");
    let path = folder.file();
    let first = SqliteStore::open(&path).await.unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(refused.to_string().contains("another collector"), "{refused}");
    first.close().await.unwrap();
    SqliteStore::open(&path).await.unwrap();
}

/// Prompts are in it, and in the write-ahead log and the index of that too.
#[tokio::test]
async fn nobody_else_may_read_the_database() {
    let folder = Folder::new("modes");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    store.write(Batch::of([plain_span(1, 10)])).await.unwrap();
    let files = fs::read_dir(folder.file().parent().unwrap()).unwrap().count();
    assert_eq!(files, 4, "the database, its log, the log's index and the lock");
    assert_eq!(private::tests::open_to_others(&folder.0), std::collections::BTreeMap::new());
    store.close().await.unwrap();
}

#[tokio::test]
async fn conforms_and_makes_its_folder() {
    let folder = Folder::new("conforms");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    conformance::run(&store).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn spans_survive_closing_and_opening() {
    let folder = Folder::new("reopen");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    store.write(Batch::of([plain_span(1, 10), plain_span(2, 20)])).await.unwrap();
    store.close().await.unwrap();
    assert!(store.write(Batch::of([plain_span(3, 30)])).await.unwrap_err().is_transient());
    let wal = folder.0.join("sub/spans.db-wal");
    assert_eq!(fs::metadata(&wal).map_or(0, |data| data.len()), 0, "the log is written back");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn what_was_queued_before_close_is_stored_and_answered() {
    let folder = Folder::new("drain");
    let store = Arc::new(SqliteStore::open(&folder.file()).await.unwrap());
    let writes: Vec<_> = (1..=50u8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.write(Batch::of([plain_span(n, u64::from(n))])).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut answered = 0;
    for write in writes {
        answered += usize::from(write.await.unwrap().is_ok());
    }
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    assert_eq!(count(&store).await, answered);
}

#[tokio::test]
async fn expired_spans_are_deleted_in_chunks() {
    let folder = Folder::new("expire");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    store.write(Batch::of((1..=9).map(|n| plain_span(n, u64::from(n))).collect::<Vec<_>>())).await.unwrap();
    let cutoffs = Cutoffs { spans_unix_nanos: Some(6), ..Cutoffs::default() };
    assert_eq!(store.expire(cutoffs).await.unwrap(), Expired { spans: 5, more: false });
    assert_eq!(store.expire(cutoffs).await.unwrap(), Expired::default());
    assert_eq!(count(&store).await, 4);
}

#[tokio::test]
async fn what_cannot_be_a_database_is_refused_with_its_path() {
    let folder = Folder::new("refused");
    fs::create_dir_all(folder.file().parent().unwrap()).unwrap();
    fs::write(folder.file(), "this is not a database, and long enough to be read as a header of one")
        .unwrap();
    let error = SqliteStore::open(&folder.file()).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("spans.db: the file is not a SQLite database"), "{error}");

    let below_a_file = folder.file().join("x.db");
    let error = SqliteStore::open(&below_a_file).await.unwrap_err();
    assert!(error.to_string().contains("cannot create the folder"), "{error}");
}

#[tokio::test]
async fn a_locked_database_fails_transiently_and_recovers() {
    let folder = Folder::new("locked");
    let store = SqliteStore::open_waiting(&folder.file(), Duration::from_millis(1)).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = store.write(Batch::of([plain_span(1, 1)])).await.unwrap_err();
    assert!(error.is_transient(), "{}", error.chain());
    other.execute_batch("ROLLBACK").unwrap();
    store.ping().await.unwrap();
    store.write(Batch::of([plain_span(1, 1)])).await.unwrap();
}

/// Whoever starts with it goes on without it for a while.
#[tokio::test]
async fn what_may_be_opened_later_is_told_from_what_never_will() {
    let folder = Folder::new("later");
    let patience = Duration::from_millis(1);
    SqliteStore::open_waiting(&folder.file(), patience).await.unwrap().close().await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let locked = SqliteStore::open_waiting(&folder.file(), patience).await.unwrap_err();
    assert!(locked.is_transient(), "{}", locked.chain());
    assert!(locked.to_string().contains("another process holds the database locked"), "{locked}");
    drop(other);
    SqliteStore::open_waiting(&folder.file(), patience).await.unwrap().close().await.unwrap();

    let a_folder = folder.file().parent().unwrap().join("folder.db");
    fs::create_dir_all(&a_folder).unwrap();
    let error = SqliteStore::open(&a_folder).await.unwrap_err();
    assert!(!error.is_transient(), "{}", error.chain());
}

/// A lock can be had on a full disk.
#[tokio::test]
async fn a_ping_fails_while_there_is_no_room_for_what_was_written_last() {
    let folder = Folder::new("no-room");
    create_folder(&folder.file()).unwrap();
    let mut db = open_for_writing(&folder.file(), Duration::from_millis(1)).unwrap();
    schema::migrate(&mut db).unwrap();
    let dictionary = pack::dictionary(&db).unwrap();
    db.execute_batch("PRAGMA max_page_count = 1").unwrap();
    let writer = Writer::start(db, &dictionary).unwrap();
    writer.ping().await.unwrap();
    let batch = |attributes: usize| {
        let mut span = plain_span(1, 1);
        let value = |n: usize| (n.to_string(), serde_json::json!(Sha256::digest(n.to_le_bytes()).to_vec()));
        span.attributes.extend((0..attributes).map(value));
        Batch::of([span])
    };
    let error = writer.write(batch(2_000)).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Store, "{}", error.chain());
    let unready = writer.ping().await.unwrap_err();
    assert!(unready.is_transient() && unready.chain().contains("full"), "{}", unready.chain());
    writer.write(batch(0)).await.unwrap();
    writer.ping().await.unwrap();
}

/// A call of one minute's start, with content.
fn call(number: u8, start_unix_nanos: u64) -> SpanRecord {
    let mut span = plain_span(number, start_unix_nanos);
    span.gen_ai.request_model = Some("m".to_owned());
    for name in ["gen_ai.input.messages", "input.value", "gen_ai.prompt.0.content"] {
        span.attributes.insert(name, serde_json::json!("hi"));
    }
    span
}

async fn calls(store: &SqliteStore) -> u64 {
    let query = UsageQuery {
        group_by: vec![Dimension::Model],
        filter: SpanFilter::default(),
        side: CallSide::Outbound,
        interval_nanos: None,
        limit: 10,
    };
    store.usage(&query).await.unwrap().rows.iter().map(|row| row.calls).sum()
}

#[tokio::test]
async fn content_goes_first_and_sums_stay_longest() {
    let folder = Folder::new("retention");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    let minute = 60_000_000_000;
    let day = 24 * 60 * minute;
    store.write(Batch::of((1..=4).map(|n| call(n, u64::from(n) * day)).collect::<Vec<_>>())).await.unwrap();
    let cutoffs = Cutoffs {
        spans_unix_nanos: Some(3 * day),
        content_unix_nanos: Some(4 * day),
        rollups_unix_nanos: Some(2 * day),
    };
    assert_eq!(store.expire(cutoffs).await.unwrap(), Expired { spans: 2, more: false });
    let spans = store.spans(&SpanFilter::default(), &ALL).await.unwrap().spans;
    let with_content: Vec<bool> = spans.iter().map(|span| !span.attributes.is_empty()).collect();
    assert_eq!(with_content, [false, true]);
    assert_eq!(calls(&store).await, 3, "the sums of days 2, 3 and 4");
}

#[tokio::test]
async fn what_no_span_needs_is_deleted_and_made_anew() {
    let folder = Folder::new("unneeded");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    let day = 86_400_000_000_000;
    store.write(Batch::of([call(1, day)])).await.unwrap();
    let rows = |table: &str| -> i64 {
        let db = Connection::open(folder.file()).unwrap();
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!([rows("sources"), rows("keys"), rows("content")], [1, 1, 1]);
    let cutoffs = Cutoffs {
        spans_unix_nanos: Some(3 * day),
        content_unix_nanos: None,
        rollups_unix_nanos: Some(3 * day),
    };
    store.expire(cutoffs).await.unwrap();
    assert_eq!([rows("sources"), rows("keys"), rows("content"), rows("usage_1m")], [0, 0, 0, 0]);
    store.write(Batch::of([call(2, 5 * day)])).await.unwrap();
    assert_eq!((count(&store).await, calls(&store).await), (1, 1));
}

#[tokio::test]
async fn a_file_gives_room_back() {
    let folder = Folder::new("vacuum");
    let store = SqliteStore::open(&folder.file()).await.unwrap();
    let mut spans: Vec<SpanRecord> = (1..=200).map(|n| plain_span(n, 1)).collect();
    for span in &mut spans {
        // What does not compress.
        let noise: String = (0..5000).map(|_| fastrand::alphanumeric()).collect();
        span.attributes.insert("noise".to_owned(), serde_json::json!(noise));
    }
    store.write(Batch::of(spans)).await.unwrap();
    let pages = || -> i64 {
        let db = Connection::open(folder.file()).unwrap();
        db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
    };
    let before = pages();
    let cutoffs = Cutoffs { spans_unix_nanos: Some(2), ..Cutoffs::default() };
    store.expire(cutoffs).await.unwrap();
    assert!(pages() < before / 2, "{before} pages, then {}", pages());
}
