use std::sync::Arc;
use std::time::Duration;

use meshtap_collector::app::RunError;
use meshtap_collector::model::TraceId;
use meshtap_collector::store::SpanReader as _;

use crate::otlp::{request, span};
use crate::running::Running;

async fn stored(collector: &crate::running::Valve, id: u8) -> usize {
    collector.trace(TraceId([id; 16]), 1).await.unwrap().spans.len()
}

#[tokio::test]
async fn what_was_answered_is_stored_before_the_end_and_readiness_goes_first() {
    let mut collector = Running::start().await;
    collector.store.hold();
    collector.send(request(vec![span(1)])).await.unwrap();
    collector.store.arrivals(1).await;
    collector.send(request(vec![span(2)])).await.unwrap();

    collector.stop();
    let stopping = loop {
        let (status, health) = collector.json("/health/ready").await;
        if status == 503 {
            break health;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(stopping["checks"][0]["detail"], "the collector is stopping");

    collector.store.release();
    let store = Arc::clone(&collector.store);
    collector.ended().await.unwrap();
    assert_eq!((stored(&store, 1).await, stored(&store, 2).await), (1, 1));
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hold_the_stop_and_gets_the_rest_at_the_next_start() {
    let collector = Running::with(|config| config.shutdown.deadline = Duration::from_millis(50)).await;
    collector.store.hold();
    collector.send(request(vec![span(1)])).await.unwrap();
    collector.store.arrivals(1).await;
    collector.send(request(vec![span(2)])).await.unwrap();
    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    collector.ended().await.unwrap();
    assert_eq!((stored(&store, 1).await, stored(&store, 2).await), (0, 0));

    store.release();
    let collector = Running::over(folder, store, |_| {}).await;
    collector.drained().await;
    assert_eq!((stored(&collector.store, 1).await, stored(&collector.store, 2).await), (1, 1));
    collector.ended().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_does_not_hold_the_stop() {
    let collector = Running::with(|config| config.shutdown.deadline = Duration::from_hours(1)).await;
    collector.store.fail_transiently();
    collector.send(request(vec![span(1)])).await.unwrap();
    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    collector.ended().await.unwrap();
    store.recover();
    let collector = Running::over(folder, store, |_| {}).await;
    collector.drained().await;
    assert_eq!(stored(&collector.store, 1).await, 1);
}

#[tokio::test]
async fn a_task_that_panics_ends_the_collector_and_nothing_is_lost() {
    let collector = Running::start().await;
    collector.store.panic_at_pings();
    collector.send(request(vec![span(1)])).await.unwrap();
    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    let error = collector.failed().await;
    assert!(matches!(error, RunError::Failed { task: "pump" }), "{error}");
    store.recover();
    let collector = Running::over(folder, store, |_| {}).await;
    collector.drained().await;
    assert_eq!(stored(&collector.store, 1).await, 1);
}

#[tokio::test]
async fn a_queue_has_one_collector() {
    let collector = Running::start().await;
    let mut config = meshtap_collector::config::Config::default();
    config.queue.path.clone_from(&collector.folder.0);
    for listen in [&mut config.receive.grpc.listen, &mut config.receive.http.listen, &mut config.http.listen]
    {
        "127.0.0.1:0".clone_into(listen);
    }
    let store = Arc::clone(&collector.store);
    let error = meshtap_collector::app::App::with_store(config, store).await.unwrap_err().to_string();
    assert!(error.contains("queue.path") && error.contains("another process runs this queue"), "{error}");
}
