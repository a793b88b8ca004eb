//! The stores' conformance suite against the real ClickHouse server.

use std::time::Duration;

use meshtap_collector::config;
use meshtap_collector::store::clickhouse::ClickHouseStore;
use meshtap_collector::store::conformance;
use meshtap_tests::mesh;

#[tokio::test]
async fn conforms() {
    let mesh = mesh::shared();
    let day = Duration::from_hours(24);
    check(&settings(&mesh, "conformance", 1000), Some(day)).await;
}

/// As another collector would find it that did not write what is there.
#[tokio::test]
async fn conforms_without_a_memory_of_its_own_writes() {
    let mesh = mesh::shared();
    check(&settings(&mesh, "conformance_forgetful", 1), None).await;
}

/// A second start finds the schema in place, and what the first one wrote.
#[tokio::test]
async fn conforms_over_an_existing_schema() {
    let mesh = mesh::shared();
    let settings = settings(&mesh, "conformance_again", 1000);
    check(&settings, None).await;
    check(&settings, None).await;
}

fn settings(mesh: &mesh::Mesh, database: &str, remembered_spans: usize) -> config::ClickHouse {
    config::ClickHouse {
        url: mesh.clickhouse.url(),
        database: mesh.clickhouse.database(database),
        user: "default".to_owned(),
        password: config::Secret::default(),
        timeout: Duration::from_secs(30),
        remembered_spans,
    }
}

async fn check(settings: &config::ClickHouse, retention: Option<Duration>) {
    let store = ClickHouseStore::open(settings, retention).await;
    let store = store.unwrap_or_else(|error| panic!("{}", error.chain()));
    conformance::run(&store).await.unwrap_or_else(|failure| panic!("{failure}"));
}
