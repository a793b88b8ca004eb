//! The ClickHouse store against the real server: the conformance suite, batches that come twice, several collectors,
//! users with few rights, and two shards.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meshtap_collector::config::{self, Retention};
use meshtap_collector::model::{Dimension, SpanRecord};
use meshtap_collector::store::clickhouse::ClickHouseStore;
use meshtap_collector::store::conformance::{self, plain_span};
use meshtap_collector::store::{Batch, Order, Page, RollupCheck, SpanFilter, SpanReader, SpanWriter};
use meshtap_tests::clickhouse::ClickHouse;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::{mesh, ports};
use serde_json::json;

const DAY: Duration = Duration::from_hours(24);
const HOUR_NANOS: u64 = 3_600_000_000_000;

#[tokio::test]
async fn conforms() {
    let mesh = mesh::shared();
    let month = Some(30 * DAY);
    let retention = Retention { spans: month, content: month, rollups: month };
    check(&settings(&mesh.clickhouse, "conformance", 1000), retention).await;
}

/// As another collector would find it that did not write what is there, over an existing schema.
#[tokio::test]
async fn conforms_without_a_memory_of_its_own_writes() {
    let mesh = mesh::shared();
    let settings = settings(&mesh.clickhouse, "conformance_forgetful", 1);
    open(&settings, Retention::default()).await;
    check(&settings, Retention::default()).await;
}

#[tokio::test]
async fn a_batch_sent_many_times_is_in_rows_and_views_once() {
    let mesh = mesh::shared();
    let settings = settings(&mesh.clickhouse, "same_token", 1);
    let collectors =
        [open(&settings, Retention::default()).await, open(&settings, Retention::default()).await];
    // Of two days, which are two partitions.
    let spans: Vec<SpanRecord> =
        (1..=50).map(|number| call(number, u64::from(number) * HOUR_NANOS)).collect();
    let batch = Batch::new("the-token", spans);
    let collectors = collectors.map(Arc::new);
    let writes: Vec<_> = (0..8)
        .map(|number| {
            let (store, batch) = (Arc::clone(&collectors[number % 2]), batch.clone());
            tokio::spawn(async move { store.write(batch).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap_or_else(|error| panic!("{}", error.chain()));
    }
    let counted = |sql: &str| mesh.clickhouse.query(sql).trim().to_owned();
    assert_eq!(counted("SELECT count() FROM same_token.spans"), "50");
    assert_eq!(counted("SELECT sum(calls) FROM same_token.usage_1m"), "50");
    assert_eq!(counted("SELECT sum(calls) FROM same_token.usage_users_1d"), "50");
    assert_eq!(counted("SELECT count() FROM same_token.span_content"), "50");
}

/// The server is killed between its note of the token and the part itself: the next attempt is a copy to it.
#[tokio::test]
async fn rows_that_a_kill_took_are_sent_again() {
    let sandbox = Sandbox::new("clickhouse-killed");
    let mut server = ClickHouse::start(&sandbox);
    let store = open(&settings(&server, "killed", 1), Retention::default()).await;
    let days: Vec<SpanRecord> = (1..=50).map(|number| call(number, u64::from(number) * HOUR_NANOS)).collect();
    let batch = Batch::new("the-token", days);
    write_batch(&store, batch.clone()).await;
    let lost = "SELECT path FROM system.parts WHERE database = 'killed' AND active \
        AND table IN ('spans', 'span_content') AND partition = toString(yesterday())";
    let lost: Vec<String> = server.query(lost).lines().map(str::to_owned).collect();
    server.kill();
    assert_eq!(lost.len(), 2, "{lost:?}");
    for part in &lost {
        std::fs::remove_dir_all(part).unwrap();
    }
    server.start_again(&sandbox);
    let counted = |table: &str| -> u64 {
        server.query(&format!("SELECT count() FROM killed.{table}")).trim().parse().unwrap()
    };
    let left = counted("spans");
    assert!(0 < left && left < 50, "{left}");
    // What was left of its connections to the one that was killed is closed.
    while store.ping().await.is_err() {}
    write_batch(&store, batch.clone()).await;
    assert_eq!(counted("spans"), left, "the server takes them: nothing of this is needed any more");

    let again = Batch { again: true, ..batch };
    write_batch(&store, again.clone()).await;
    assert_eq!((counted("spans"), counted("span_content")), (50, 50));
    write_batch(&store, again).await;
    assert_eq!((counted("spans"), counted("span_content")), (50, 50));
    check_rollups(&store).await;
    assert_eq!(server.query("SELECT sum(calls) FROM killed.usage_1m").trim(), "50");
}

/// The server cannot know them; the rollup counts them until it is checked.
#[tokio::test]
async fn spans_sent_again_in_other_batches_are_taken_out_of_the_rollups() {
    let mesh = mesh::shared();
    let store = open(&settings(&mesh.clickhouse, "resends", 1), Retention::default()).await;
    let spans: Vec<SpanRecord> = (1..=20).map(|number| call(number, 30 * HOUR_NANOS)).collect();
    write(&store, &spans).await;
    write(&store, &spans[..7]).await;
    write(&store, &spans[3..]).await;
    let sums =
        "SELECT sum(calls), sum(input_tokens), arraySum(mapValues(sumMap(duration))) FROM resends.usage_1m";
    // 20 and 7 and 17, without the one that the collector remembers.
    assert_eq!(mesh.clickhouse.query(sums).trim(), "43\t430\t43");
    let checked = check_rollups(&store).await;
    assert_eq!(checked, RollupCheck { equal: 2, corrected: 2 }, "an hour and a day");
    assert_eq!(mesh.clickhouse.query(sums).trim(), "20\t200\t20");
    assert_eq!(check_rollups(&store).await, RollupCheck::default());
}

/// What a view has lost, for example because its table was full, comes back.
#[tokio::test]
async fn sums_that_a_view_lost_are_made_up() {
    let mesh = mesh::shared();
    let store = open(&settings(&mesh.clickhouse, "lost_sums", 1), Retention::default()).await;
    write(&store, &(1..=9).map(|number| call(number, 30 * HOUR_NANOS)).collect::<Vec<_>>()).await;
    for table in ["usage_1m", "usage_users_1d"] {
        mesh.clickhouse.query(&format!("TRUNCATE TABLE lost_sums.{table}"));
    }
    assert_eq!(check_rollups(&store).await, RollupCheck { equal: 2, corrected: 2 });
    assert_eq!(mesh.clickhouse.query("SELECT sum(calls) FROM lost_sums.usage_1m").trim(), "9");
}

#[tokio::test]
async fn collectors_that_start_together_make_one_schema() {
    let mesh = mesh::shared();
    let mut settings = settings(&mesh.clickhouse, "together", 1);
    mesh.clickhouse.query("DROP DATABASE together SYNC");
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let settings = settings.clone();
            let retention = Retention { spans: Some(DAY), ..Retention::default() };
            tokio::spawn(async move { ClickHouseStore::open(&settings, retention).await.map(drop) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap_or_else(|error| panic!("{}", error.chain()));
    }
    let ledger = "SELECT count(), max(version) FROM together.schema_migrations";
    assert_eq!(mesh.clickhouse.query(ledger).trim(), "3\t3");
    assert_eq!(mesh.clickhouse.query("EXISTS TABLE together.schema_lock").trim(), "0");

    // One that may not change the schema finds it good, or says what to do.
    settings.migrate = false;
    open(&settings, Retention::default()).await;
    mesh.clickhouse.query("DROP TABLE together.schema_migrations SYNC");
    let error = ClickHouseStore::open(&settings, Retention::default()).await.map(drop).unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("meshtap migrate"), "{error}");
}

/// The table is sorted by them behind the hour.
#[tokio::test]
async fn a_filter_by_namespace_reads_its_part_of_an_hour() {
    let sandbox = Sandbox::new("clickhouse-namespaces");
    let server = ClickHouse::start(&sandbox);
    let store = open(&settings(&server, "namespaces", 1), Retention::default()).await;
    server.query(
        "INSERT INTO namespaces.spans \
         (trace_id, span_id, start_time, namespace, kind, status, resource, attributes, events, links) \
         SELECT toFixedString(leftPad(toString(number), 16, '0'), 16), toFixedString('12345678', 8), \
         toStartOfHour(now()), toString(number % 20), 'client', 'ok', '{}', '{}', '[]', '[]' FROM numbers(100000)",
    );
    let read = || -> u64 {
        let rows = server.query("SELECT value FROM system.events WHERE event = 'SelectedRows'");
        rows.trim().parse().unwrap()
    };
    let before = read();
    let of_one = SpanFilter { equals: vec![(Dimension::Namespace, "7".to_owned())], ..SpanFilter::default() };
    let page = Page { limit: 10, after: None, order: Order::OldestFirst };
    let found = store.spans(&of_one, &page).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(found.spans.len(), 10);
    let rows = read() - before;
    assert!((5_000..50_000).contains(&rows), "{rows}");
}

#[tokio::test]
async fn content_goes_before_its_span() {
    let mesh = mesh::shared();
    let retention = Retention { spans: Some(30 * DAY), content: Some(DAY), rollups: None };
    let store = open(&settings(&mesh.clickhouse, "short_content", 1), retention).await;
    write(&store, &[call(1, 72 * HOUR_NANOS), call(2, HOUR_NANOS)]).await;
    mesh.clickhouse.query("OPTIMIZE TABLE short_content.span_content FINAL");
    let page = Page { limit: 10, after: None, order: Order::OldestFirst };
    let found = store.spans(&SpanFilter::default(), &page).await.unwrap().spans;
    let with_content = |span: &SpanRecord| span.attributes.contains_key("gen_ai.input.messages");
    assert_eq!(found.iter().map(with_content).collect::<Vec<_>>(), [false, true]);
}

/// The grants of docs/clickhouse.md.
#[tokio::test]
async fn users_with_few_rights_can_do_their_part() {
    let sandbox = Sandbox::new("clickhouse-users");
    let server = ClickHouse::start_with(&sandbox, "users", &users(&sandbox), ports::free_address());
    let mut settings = settings(&server, "meshtap", 1000);
    settings.user = "meshtap_migrate".to_owned();
    settings.password = config::Secret::new("m".to_owned());
    let month = Some(30 * DAY);
    let retention = Retention { spans: month, content: month, rollups: month };
    let version = ClickHouseStore::migrate(&settings, retention).await;
    let version = version.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!((version.before, version.now), (0, 3));

    settings.user = "meshtap_collector".to_owned();
    settings.password = config::Secret::new("c".to_owned());
    settings.migrate = false;
    check(&settings, retention).await;
    let refused = server.query_as("meshtap_collector", "c", "TRUNCATE TABLE meshtap.spans").unwrap_err();
    assert!(refused.starts_with("Code: 497"), "{refused}");

    for sql in ["SELECT count() FROM meshtap.spans", "SELECT count() FROM meshtap.usage_1m"] {
        server.query_as("meshtap_dashboard", "d", sql).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    let refused =
        server.query_as("meshtap_dashboard", "d", "SELECT * FROM meshtap.span_content").unwrap_err();
    assert!(refused.starts_with("Code: 497"), "{refused}");

    settings.password = config::Secret::new("wrong".to_owned());
    let error = ClickHouseStore::open(&settings, retention).await.map(drop).unwrap_err();
    assert!(!error.is_transient(), "{}", error.chain());
}

fn users(sandbox: &Sandbox) -> String {
    let file = format!("<users_config>{}</users_config>", sandbox.path("users.xml").display());
    let user = |name: &str, password: &str, grants: &[&str]| {
        let grants: Vec<String> =
            grants.iter().map(|grant| format!("<query>GRANT {grant}</query>")).collect();
        format!(
            "<{name}><password>{password}</password><networks><ip>::/0</ip></networks><profile>default</profile>\
             <quota>default</quota><grants>{}</grants></{name}>",
            grants.concat()
        )
    };
    let migrate = [
        "SELECT, INSERT, CREATE DATABASE, CREATE TABLE, CREATE VIEW, ALTER TTL, ALTER ADD COLUMN, ALTER ORDER BY, \
         DROP TABLE ON meshtap.*",
        "TABLE ENGINE ON *",
    ];
    let collector = ["SELECT, INSERT ON meshtap.*"];
    let dashboard =
        ["SELECT ON meshtap.spans", "SELECT ON meshtap.usage_1m", "SELECT ON meshtap.usage_users_1d"];
    configuration(
        &format!(
            "{}{}{}",
            user("meshtap_migrate", "m", &migrate),
            user("meshtap_collector", "c", &collector),
            user("meshtap_dashboard", "d", &dashboard)
        ),
        &file,
    )
}

/// A server's configuration with its users in the same file.
fn configuration(users: &str, others: &str) -> String {
    format!(
        "<clickhouse>{others}<profiles><default/></profiles><quotas><default/></quotas><users>\
         <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>\
         <quota>default</quota></default>{users}</users></clickhouse>"
    )
}

/// What the engine here cannot run, it can at least read: it has no Keeper and no ON CLUSTER.
#[test]
fn the_statements_for_a_replicated_cluster_are_well_formed() {
    let mesh = mesh::shared();
    let settings =
        config::ClickHouse { cluster: Some("c".to_owned()), ..settings(&mesh.clickhouse, "cluster", 1) };
    let statements = ClickHouseStore::schema(&settings);
    let replicated = statements.iter().filter(|statement| statement.contains("ENGINE = Replicated")).count();
    let distributed =
        statements.iter().filter(|statement| statement.contains("ENGINE = Distributed")).count();
    assert_eq!((replicated, distributed), (6, 4), "{statements:#?}");
    for statement in statements {
        let quoted = statement.replace('\\', "\\\\").replace('\'', "\\'");
        mesh.clickhouse.query(&format!("SELECT formatQuery('{quoted}')"));
    }
}

/// Two servers with half of the traces each. Their tables are not replicated, and made one by one.
#[tokio::test]
async fn two_shards_conform() {
    let sandbox = Sandbox::new("clickhouse-shards");
    let ports = [ports::free_address(), ports::free_address()];
    let shard =
        |port: u16| format!("<shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>");
    let cluster = format!(
        "<remote_servers><halves>{}{}</halves></remote_servers>",
        shard(ports[0].port()),
        shard(ports[1].port())
    );
    let servers = [("left", ports[0]), ("right", ports[1])]
        .map(|(name, tcp)| ClickHouse::start_with(&sandbox, name, &configuration("", &cluster), tcp));
    let settings = config::ClickHouse {
        cluster: Some("halves".to_owned()),
        replicated: false,
        migrate: false,
        ..settings(&servers[0], "shards", 1)
    };
    servers[1].database("shards");
    for statement in ClickHouseStore::schema(&settings) {
        let statement = statement.replace(" ON CLUSTER 'halves'", "");
        for server in &servers {
            server.query_in("shards", &statement);
        }
    }
    check(&settings, Retention::default()).await;
    for server in &servers {
        let rows: u64 = server.query("SELECT count() FROM shards.spans_local").trim().parse().unwrap();
        assert!(rows > 100, "{rows}");
    }
}

/// One that holds the lock is waited for; one that has died with it is not, once its lock has expired.
#[tokio::test]
async fn the_lock_of_a_collector_that_died_is_taken_over() {
    let sandbox = Sandbox::new("migration-lock");
    let server = ClickHouse::start(&sandbox);
    let settings = settings(&server, "locked", 1);
    let lock = "CREATE TABLE locked.schema_lock (holder String) ENGINE = Memory COMMENT 'one that died'";
    server.query(lock);
    let waiting =
        tokio::time::timeout(Duration::from_secs(2), ClickHouseStore::open(&settings, Retention::default()));
    assert!(waiting.await.is_err(), "it did not wait");
    assert_eq!(
        server.query("SELECT name FROM system.tables WHERE database = 'locked'").trim(),
        "schema_lock"
    );

    // The server says the age of a table by the time of its file.
    let file = find(&sandbox.path("clickhouse"), "schema_lock.sql").unwrap();
    let long_ago = SystemTime::now() - Duration::from_mins(3);
    std::fs::File::options().append(true).open(file).unwrap().set_modified(long_ago).unwrap();
    let (one, other) =
        tokio::join!(open(&settings, Retention::default()), open(&settings, Retention::default()));
    assert_eq!(server.query("SELECT count() FROM locked.schema_migrations FINAL").trim(), "3");
    assert_eq!(server.query("EXISTS TABLE locked.schema_lock").trim(), "0");
    write(&one, &[call(1, HOUR_NANOS)]).await;
    write(&other, &[call(2, HOUR_NANOS)]).await;
    assert_eq!(server.query("SELECT sum(calls) FROM locked.usage_1m").trim(), "2");
}

/// The file of this name anywhere below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let here = paths.iter().find(|path| path.file_name().is_some_and(|found| found == name));
    here.cloned().or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

fn settings(server: &ClickHouse, database: &str, remembered_spans: usize) -> config::ClickHouse {
    config::ClickHouse {
        url: server.url(),
        database: server.database(database),
        remembered_spans,
        ..config::ClickHouse::default()
    }
}

async fn open(settings: &config::ClickHouse, retention: Retention) -> ClickHouseStore {
    let store = ClickHouseStore::open(settings, retention).await;
    store.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn check(settings: &config::ClickHouse, retention: Retention) {
    let store = open(settings, retention).await;
    conformance::run(&store).await.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn check_rollups(store: &ClickHouseStore) -> RollupCheck {
    store.check_rollups().await.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn write(store: &ClickHouseStore, spans: &[SpanRecord]) {
    write_batch(store, Batch::of(spans)).await;
}

async fn write_batch(store: &ClickHouseStore, batch: Batch) {
    store.write(batch).await.unwrap_or_else(|error| panic!("{}", error.chain()));
}

/// A model call with content, so long ago.
fn call(number: u8, nanos_ago: u64) -> SpanRecord {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let mut span = plain_span(number, now - nanos_ago);
    span.gen_ai.request_model = Some("m".to_owned());
    span.gen_ai.usage.input_tokens = Some(10);
    span.attributes.insert("gen_ai.input.messages".to_owned(), json!([{"role": "user"}]));
    span
}
