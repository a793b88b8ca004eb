//! The parts that every other test stands on, without the filter.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use meshtap_tests::clickhouse::ClickHouse;
use meshtap_tests::client::{Call, OpenAiClient};
use meshtap_tests::envoy::{Envoy, Listener};
use meshtap_tests::mesh::{self, Side};
use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::standin::record::End;
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::standin::{self, Standin};
use meshtap_tests::wait;
use meshtap_tests::workload::Workload;

#[test]
fn provider_answers_the_sdk_through_a_plain_envoy() {
    let sandbox = Sandbox::new("plain-envoy");
    let standin = Standin::start();
    let listener = Listener::new("plain", standin.address());
    let envoy = Envoy::start(&sandbox, &Workload::new("plain", "default"), &[listener]);
    let client = OpenAiClient::shared();
    let through = |call: Call| -> Side {
        let side = mesh::one_way(client, &standin, envoy.address("plain"), "plain", &call);
        side.assert_faithful("plain");
        side
    };

    let plain = through(Call::chat("plain", "gpt-4o-mini"));
    assert_eq!(plain.outcome.status, 200, "{:?}", plain.outcome.error);
    assert_eq!(plain.outcome.parsed["choices"][0]["finish_reason"], "stop");
    assert_eq!(plain.outcome.parsed["usage"]["prompt_tokens"], plain.exchange.usage.unwrap().input);

    let streamed = through(Call::chat("streamed", "gpt-4o").streamed().with_usage());
    let last = streamed.outcome.chunks.last().unwrap();
    assert_eq!(last["usage"]["completion_tokens"], streamed.exchange.usage.unwrap().output);
    assert_eq!(last["choices"].as_array().unwrap().len(), 0);

    let tools = through(Call::chat("tools", "gpt-4.1").streamed().scenario(Scenario::ToolCall));
    assert_eq!(
        tools.outcome.chunks[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"],
        "get_weather"
    );

    let gzip = through(Call::chat("gzip", "gpt-4o").scenario(Scenario::Gzip));
    assert_eq!(gzip.outcome.parsed["object"], "chat.completion");
    assert_eq!(gzip.outcome.body[..2], [0x1f, 0x8b]);

    let limited = through(Call::chat("limited", "gpt-4o").scenario(Scenario::Error429));
    assert_eq!(limited.outcome.error_class(), "RateLimitError");

    let failed = through(Call::chat("failed", "gpt-4o").scenario(Scenario::Error500));
    assert_eq!(failed.outcome.error_class(), "InternalServerError");

    let cancelled = through(
        Call::chat("cancelled", "gpt-4o").streamed().scenario(Scenario::HangMidStream).cancelled_after(3),
    );
    assert_eq!(cancelled.exchange.end, Some(End::ClientGone));
    assert_eq!(cancelled.outcome.chunks.len(), 3);

    let reset = through(Call::chat("reset", "gpt-4o").streamed().scenario(Scenario::ResetMidStream));
    assert_eq!(reset.exchange.end, Some(End::Reset));
    assert!(!reset.outcome.body.is_empty());
    assert_ne!(reset.outcome.error_class(), "");

    let refused = through(Call::chat("refused", "gpt-4o").scenario(Scenario::ResetBeforeHeaders));
    assert_eq!(refused.outcome.status, 503);
}

#[test]
fn a_reset_is_a_reset_and_not_an_orderly_end() {
    let standin = Standin::start();
    let mut connection = TcpStream::connect(standin.address()).unwrap();
    let body = r#"{"model":"gpt-4o","messages":[]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n{}: {}\r\n{}: raw@reset\r\ncontent-length: {}\r\n\r\n{body}",
        standin::SCENARIO,
        Scenario::ResetBeforeHeaders.name(),
        standin::CALL,
        body.len()
    );
    std::io::Write::write_all(&mut connection, head.as_bytes()).unwrap();
    let error = connection.read(&mut [0; 64]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn clickhouse_answers_queries() {
    let sandbox = Sandbox::new("clickhouse");
    let server = ClickHouse::start(&sandbox);
    let database = server.database("parts");
    server.query(&format!("CREATE TABLE {database}.t (n UInt8) ENGINE = MergeTree ORDER BY n"));
    server.query(&format!("INSERT INTO {database}.t VALUES (1), (2)"));
    assert_eq!(server.query(&format!("SELECT sum(n) FROM {database}.t")).trim(), "3");
}

#[test]
fn a_part_that_fails_to_start_says_why() {
    let sandbox = Sandbox::new("fails");
    let mut command = Command::new("sh");
    command.args(["-c", "echo no such port >&2; exit 3"]);
    let process = Process::spawn("part", command, &sandbox);
    let failure = catch_unwind(AssertUnwindSafe(|| process.wait_ready(|| None::<()>))).unwrap_err();
    let message = failure.downcast_ref::<String>().unwrap();
    assert!(message.contains("exit status: 3") && message.contains("no such port"), "{message}");
}

#[test]
fn a_part_ends_with_whatever_it_started() {
    let sandbox = Sandbox::new("ends");
    let child = sandbox.path("child");
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("tail -f /dev/null & echo $! > {}; wait", child.display()));
    let process = Process::spawn("part", command, &sandbox);
    let pid = process.wait_ready(|| fs::read_to_string(&child).ok().filter(|pid| pid.ends_with('\n')));
    assert!(Path::new("/proc").join(pid.trim()).exists());
    drop(process);
    wait::until("the end of the grandchild", || {
        let status =
            fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status")).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    });
}
