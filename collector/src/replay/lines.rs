//! Recordings with one JSON object a line:
//!
//! ```json
//! {"id": "…", "request": {"method": "POST", "url": "https://…", "headers": [["name", "value"]], "body_b64": "…"},
//!  "response": {"status": 200, "headers": [], "body_b64": "…"}}
//! ```
//!
//! Bodies are decoded of any content coding. `id` and `response` may be absent, and whatever else is there is ignored.

use std::io::BufRead;
use std::path::PathBuf;

use serde::Deserialize;

use super::recording::{Recorded, RecordingError, base64, headers, split_url};
use crate::wasm::replay::{Exchange, Response};

#[derive(Deserialize)]
struct Record {
    id: Option<String>,
    request: RequestRecord,
    response: Option<ResponseRecord>,
}

#[derive(Deserialize)]
struct RequestRecord {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: String,
}

#[derive(Deserialize)]
struct ResponseRecord {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: String,
}

/// Whether the first line of a file is a whole record, though maybe a wrong one.
pub(super) fn is_record(line: &[u8]) -> bool {
    let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(line);
    object.is_ok_and(|object| !object.contains_key("log"))
}

pub(super) fn entries(
    path: PathBuf,
    text: impl BufRead,
) -> impl Iterator<Item = Result<Recorded, RecordingError>> {
    let mut number = 0_u64;
    text.lines().filter_map(move |line| {
        number += 1;
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(RecordingError::Read { path: path.clone(), error })),
        };
        if line.trim().is_empty() {
            return None;
        }
        let place = format!("line {number}");
        Some(entry(&line, &place).map_err(|problem| RecordingError::Entry {
            path: path.clone(),
            place,
            problem,
        }))
    })
}

pub(super) fn entry(line: &str, place: &str) -> Result<Recorded, String> {
    let record: Record = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let (authority, path) = split_url(&record.request.url)?;
    let response = record.response.map(|response| {
        Ok::<_, String>(Response {
            status: response.status,
            headers: headers(response.headers.into_iter()),
            body: base64(&response.body_b64, "response.body_b64")?,
        })
    });
    Ok(Recorded {
        name: record.id.unwrap_or_else(|| place.to_owned()),
        exchange: Exchange {
            method: record.request.method,
            authority,
            path,
            request_headers: headers(record.request.headers.into_iter()),
            request_body: base64(&record.request.body_b64, "request.body_b64")?,
            response: response.transpose()?,
            times: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record() {
        let line = r#"{"id":"a","x":1,"request":{"method":"POST","url":"https://h/p","headers":[["A","b"]],"body_b64":"e30="},
            "response":{"status":200,"headers":[],"body_b64":"e30="}}"#;
        let recorded = entry(line, "line 1").unwrap();
        assert_eq!(recorded.name, "a");
        assert_eq!((recorded.exchange.authority.as_str(), recorded.exchange.path.as_str()), ("h", "/p"));
        assert_eq!(recorded.exchange.request_body, b"{}");
        assert_eq!(recorded.exchange.response.unwrap().status, 200);
    }

    #[test]
    fn mistakes_name_the_field() {
        fn check(line: &str, expected: &str) {
            let error = entry(line, "line 1").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        check("{}", "missing field `request`");
        check(r#"{"request":{"method":"POST","url":"x"}}"#, "request.url: not an absolute URL");
        check(
            r#"{"request":{"method":"POST","url":"a://b","body_b64":"%"}}"#,
            "request.body_b64: not base64",
        );
    }

    #[test]
    fn bad_lines_leave_the_others() {
        let good = r#"{"request":{"method":"GET","url":"https://h/p"}}"#;
        let text = format!("{good}\n\nnonsense\n{good}\n");
        let read: Vec<_> = entries(PathBuf::from("f"), text.as_bytes()).collect();
        let names: Vec<String> = read
            .iter()
            .map(|entry| entry.as_ref().map_or_else(ToString::to_string, |recorded| recorded.name.clone()))
            .collect();
        assert_eq!(names[0], "line 1");
        assert!(names[1].starts_with("f: line 3: expected"), "{}", names[1]);
        assert_eq!(names[2], "line 4");
    }
}
