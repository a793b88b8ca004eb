use std::time::Duration;

use tonic::Code;

use crate::otlp::{request, span};
use crate::running::Running;

#[tokio::test]
async fn calls_under_way_are_answered_and_readiness_goes_first() {
    let mut collector = Running::start().await;
    collector.store.hold();
    let mut client = collector.client().await;
    let call = tokio::spawn(async move { client.export(request(vec![span(1)])).await });
    collector.store.arrivals(1).await;

    collector.stop();
    let stopping = loop {
        let (status, health) = collector.json("/health/ready").await;
        if status == 503 {
            break health;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(stopping["checks"][0]["detail"], "the collector is stopping");
    assert!(!call.is_finished());

    collector.store.release();
    call.await.unwrap().unwrap();
    let store = std::sync::Arc::clone(&collector.store);
    collector.ended().await.unwrap();
    let id = meshtap_collector::model::TraceId([1; 16]);
    let trace = meshtap_collector::store::SpanReader::trace(&*store, id, 1).await.unwrap();
    assert_eq!(trace.spans.len(), 1);
}

#[tokio::test]
async fn a_batch_is_stored_even_when_its_sender_hangs_up() {
    let collector = Running::start().await;
    collector.store.hold();
    let mut client = collector.client().await;
    let call = tokio::spawn(async move { client.export(request(vec![span(1)])).await });
    collector.store.arrivals(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    collector.store.release();
    while collector.metric("meshtap_spans_stored_total").await != Some(1.0) {
        tokio::task::yield_now().await;
    }
    collector.ended().await.unwrap();
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hold_the_stop_for_ever() {
    let collector = Running::with(|config| config.shutdown.deadline = Duration::from_millis(1)).await;
    collector.store.hold();
    let mut client = collector.client().await;
    let call = tokio::spawn(async move { client.export(request(vec![span(1)])).await });
    collector.store.arrivals(1).await;
    let error = collector.ended().await.unwrap_err();
    assert!(error.to_string().contains("shutdown.deadline"), "{error}");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
