//! HAR 1.2, as browsers and proxies write it. <http://www.softwareishard.com/blog/har-12-spec/>

use jiff::Timestamp;
use serde::Deserialize;

use super::recording::{Recorded, base64, headers, split_url};
use crate::wasm::replay::{Exchange, Response, Times};

#[derive(Deserialize)]
struct Document {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    /// Read one by one, so that a wrong one leaves the others.
    entries: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    /// Milliseconds, all of it.
    time: Option<f64>,
    timings: Option<Timings>,
    request: Request,
    response: Option<Answer>,
}

/// Milliseconds; -1 or absent where a phase does not apply.
#[derive(Deserialize)]
struct Timings {
    receive: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: String,
    /// Not in the specification, but mitmproxy and others write it.
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    /// Zero when none came.
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    /// Bytes; what the answer had, even where `text` was left out.
    size: Option<i64>,
    text: Option<String>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: String,
}

/// Where it stands in the document, and what is there or what is wrong with it.
type Placed = (String, Result<Recorded, String>);

/// Every entry, or why the document is none of ours.
pub(super) fn entries(document: &[u8]) -> Result<Vec<Placed>, String> {
    let document: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let entries = document.log.entries.into_iter().enumerate();
    Ok(entries
        .map(|(index, value)| {
            let place = format!("log.entries[{index}]");
            let entry = serde_json::from_value(value).map_err(|error| error.to_string());
            let recorded = entry.and_then(|entry| recorded(entry, &place));
            (place, recorded)
        })
        .collect())
}

fn recorded(entry: Entry, place: &str) -> Result<Recorded, String> {
    let times = times(&entry)?;
    let (authority, path) = split_url(&entry.request.url)?;
    let request_body = entry
        .request
        .post_data
        .map_or(Ok(Vec::new()), |data| body(data.text, data.encoding.as_deref(), "request.postData.text"))?;
    let response = entry.response.filter(|response| response.status != 0).map(answer).transpose()?;
    Ok(Recorded {
        name: place.to_owned(),
        exchange: Exchange {
            method: entry.request.method,
            authority,
            path,
            request_headers: pairs(entry.request.headers),
            request_body,
            response,
            times,
        },
    })
}

fn answer(answer: Answer) -> Result<Response, String> {
    let body = match answer.content {
        Some(Content { text: Some(text), encoding, .. }) => {
            body(text, encoding.as_deref(), "response.content.text")?
        }
        Some(Content { size: Some(1..), .. }) => {
            return Err(
                "response.content.text: the recording left the body out; record with content".to_owned()
            );
        }
        _ => Vec::new(),
    };
    Ok(Response { status: answer.status, headers: pairs(answer.headers), body })
}

fn pairs(given: Vec<Header>) -> Vec<crate::wasm::host::Header> {
    headers(given.into_iter().map(|Header { name, value }| (name, value)))
}

fn body(text: String, encoding: Option<&str>, field: &str) -> Result<Vec<u8>, String> {
    match encoding {
        None | Some("") => Ok(text.into_bytes()),
        Some(name) if name.eq_ignore_ascii_case("base64") => base64(&text, field),
        Some(name) => Err(format!("{field}: encoding {name:?} is not known; HAR has base64")),
    }
}

fn times(entry: &Entry) -> Result<Option<Times>, String> {
    let (Some(started), Some(whole)) = (&entry.started_date_time, entry.time) else { return Ok(None) };
    let started: Timestamp = started.parse().map_err(|error| format!("startedDateTime: {error}"))?;
    let Ok(start) = u64::try_from(started.as_nanosecond()) else {
        return Err("startedDateTime: before 1970".to_owned());
    };
    let receive = entry.timings.as_ref().and_then(|timings| timings.receive).unwrap_or_default();
    let end = start.saturating_add(nanos(whole));
    Ok(Some(Times { start, first_byte: end.saturating_sub(nanos(receive)).max(start), end }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; `as` saturates")]
fn nanos(millis: f64) -> u64 {
    (millis.max(0.0) * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(entry: &str) -> Result<Recorded, String> {
        let document = format!(r#"{{"log":{{"version":"1.2","entries":[{entry}]}}}}"#);
        entries(document.as_bytes()).unwrap().pop().unwrap().1
    }

    #[test]
    fn an_entry_with_times() {
        let recorded = one(
            r#"{"startedDateTime":"2026-01-02T03:04:05.500Z","time":1500.5,"timings":{"send":1,"wait":999,"receive":500.5},
                "request":{"method":"POST","url":"https://h/p","headers":[{"name":"A","value":"b"}],
                           "postData":{"mimeType":"application/json","text":"{}"}},
                "response":{"status":200,"headers":[],"content":{"size":2,"text":"e30=","encoding":"base64"}}}"#,
        );
        let exchange = recorded.unwrap().exchange;
        assert_eq!(exchange.request_body, b"{}");
        assert_eq!(exchange.response.unwrap().body, b"{}");
        let times = exchange.times.unwrap();
        assert_eq!(times.start % 1_000_000_000, 500_000_000);
        assert_eq!(times.first_byte - times.start, 1_000_000_000);
        assert_eq!(times.end - times.start, 1_500_500_000);
    }

    #[test]
    fn an_answer_that_never_came() {
        let recorded = one(r#"{"request":{"method":"GET","url":"https://h/p"},"response":{"status":0}}"#);
        let exchange = recorded.unwrap().exchange;
        assert_eq!((exchange.response, exchange.times), (None, None));
    }

    #[test]
    fn mistakes_name_the_field() {
        fn check(entry: &str, expected: &str) {
            let error = one(entry).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        check("{}", "missing field `request`");
        let request = r#""request":{"method":"GET","url":"https://h/p"}"#;
        check(
            &format!(r#"{{{request},"response":{{"status":200,"content":{{"size":9}}}}}}"#),
            "left the body out",
        );
        check(
            &format!(
                r#"{{{request},"response":{{"status":200,"content":{{"text":"x","encoding":"rot13"}}}}}}"#
            ),
            "response.content.text: encoding",
        );
        check(&format!(r#"{{{request},"startedDateTime":"now","time":1}}"#), "startedDateTime");
        assert!(entries(b"{}").unwrap_err().contains("missing field `log`"));
    }
}
