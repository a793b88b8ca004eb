use super::*;
use crate::config::Secret;
use crate::store::conformance;

fn config(url: &str) -> config::ClickHouse {
    config::ClickHouse {
        url: url.to_owned(),
        database: "meshtap_conformance".to_owned(),
        user: "default".to_owned(),
        password: Secret::default(),
        timeout: Duration::from_secs(30),
        remembered_spans: 1000,
        ..config::ClickHouse::default()
    }
}

/// Against a real server, where one is named. The workspace's tests bring their own and run the same suite.
#[tokio::test]
async fn conforms() {
    let Ok(url) = std::env::var("MESHTAP_TEST_CLICKHOUSE_URL") else {
        println!(
            "MESHTAP_TEST_CLICKHOUSE_URL is not set: the workspace's tests cover ClickHouse, this one did nothing"
        );
        return;
    };
    let month = Some(Duration::from_hours(30 * 24));
    let retention = Retention { spans: month, content: month, rollups: month };
    let store = ClickHouseStore::open(&config(&url), retention).await.unwrap();
    conformance::run(&store).await.unwrap();

    // Without a memory of its own, as another collector would be, and with another retention.
    let forgetful = config::ClickHouse { remembered_spans: 1, ..config(&url) };
    let store = ClickHouseStore::open(&forgetful, Retention::default()).await.unwrap();
    conformance::run(&store).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_may_come() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = ClickHouseStore::open(&config(&url), Retention::default()).await.map(drop).unwrap_err();
    assert!(error.is_transient(), "{}", error.chain());
}
