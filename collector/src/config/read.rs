//! Reads one setting after the other into its type. A value that does not fit is a mistake, and the default goes on in
//! its place, so that the next mistake is found too.

use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;

use super::mistakes::Mistakes;
use super::raw::{Setting, Settings};
use super::units::{parse_duration, parse_size};

/// More than anyone needs of anything, and less than what semaphores and queries can take.
const MAX_COUNT: usize = 1_000_000_000;

pub(super) struct Reader {
    pub(super) settings: Settings,
    pub(super) mistakes: Mistakes,
}

impl Reader {
    pub(super) fn text(&mut self, path: &str, default: &str) -> String {
        self.read(path, default.to_owned(), "must be text", "put it in quotes", |text| {
            text.quoted.then(|| text.text.to_owned())
        })
    }

    /// A word out of a closed list.
    pub(super) fn word<T: Copy>(&mut self, path: &str, default: T, words: &[(&str, T)]) -> T {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let fix = format!("use one of {}", known.join(", "));
        self.read(path, default, "unknown value", &fix, |text| {
            words.iter().find(|(word, _)| *word == text.text).map(|(_, value)| *value)
        })
    }

    /// `host:port`.
    pub(super) fn listen(&mut self, path: &str, default: &str) -> String {
        let fix = format!("write host:port, such as {default} or 0.0.0.0:{}", port(default));
        self.read(path, default.to_owned(), "is not an address to listen on", &fix, |text| {
            is_listen(text.text).then(|| text.text.to_owned())
        })
    }

    /// `host:port` where one is given. `example` is what a fix suggests.
    pub(super) fn listen_or_none(&mut self, path: &str, example: &str) -> Option<String> {
        let fix = format!("write host:port, such as {example} or 0.0.0.0:{}", port(example));
        self.read(path, None, "is not an address to listen on", &fix, |text| {
            is_listen(text.text).then(|| Some(text.text.to_owned()))
        })
    }

    /// A count from 1 to [`MAX_COUNT`].
    pub(super) fn count(&mut self, path: &str, default: usize) -> usize {
        self.count_up_to(path, default, MAX_COUNT)
    }

    /// A count from 1 to `max`.
    pub(super) fn count_up_to(&mut self, path: &str, default: usize, max: usize) -> usize {
        let wrong = format!("must be a whole number from 1 to {max}");
        self.read(path, default, &wrong, &format!("such as {default}"), |text| {
            text.text.parse().ok().filter(|count| (1..=max).contains(count))
        })
    }

    /// Bytes, from 1 up and at most `max`.
    pub(super) fn size(&mut self, path: &str, default: &str, max: usize) -> usize {
        let fix = format!("write a size from 1 to {max} bytes with its unit, such as {default} or 512KiB");
        self.size_with(path, default, max, &fix)
    }

    /// Like `size`, where the message has more to say of the bounds.
    pub(super) fn size_with(&mut self, path: &str, default: &str, max: usize, fix: &str) -> usize {
        let fallback = parse_size(default).unwrap_or(max);
        self.read(path, fallback, "is not a size", fix, |text| {
            parse_size(text.text).filter(|bytes| (1..=max).contains(bytes))
        })
    }

    pub(super) fn duration(&mut self, path: &str, default: &str) -> Duration {
        let fix = format!("write a duration with its unit (ms, s, m, h, d), such as {default}");
        let fallback = parse_duration(default).unwrap_or_default();
        self.read(path, fallback, "is not a duration", &fix, |text| {
            parse_duration(text.text).filter(|duration| !duration.is_zero())
        })
    }

    /// Like `duration`, with one word that stands for "without end".
    pub(super) fn duration_or(&mut self, path: &str, default: &str, endless: &str) -> Option<Duration> {
        let fix = format!("write a duration with its unit (ms, s, m, h, d), such as {default}, or {endless}");
        let fallback = parse_duration(default);
        self.read(path, fallback, "is not a duration", &fix, |text| {
            if text.text == endless {
                return Some(None);
            }
            parse_duration(text.text).filter(|duration| !duration.is_zero()).map(Some)
        })
    }

    pub(super) fn read<T>(
        &mut self,
        path: &str,
        default: T,
        problem: &str,
        fix: &str,
        parse: impl FnOnce(&Text<'_>) -> Option<T>,
    ) -> T {
        let Some(Setting { origin, value }) = self.settings.take(path) else { return default };
        let written = plain(&value);
        let text = Text { text: &written, quoted: value.is_string() };
        parse(&text).unwrap_or_else(|| {
            self.mistakes.add(&origin, format!("{problem}: {}", shown(path, &value)), fix);
            default
        })
    }
}

/// What was written, and whether YAML took it for text.
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    quoted: bool,
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The value in a message; a secret is not shown, nor what may hold one before an `@`.
fn shown(path: &str, value: &Value) -> impl Display {
    let is_secret = ["password", "headers"].iter().any(|end| path.ends_with(end));
    if is_secret || value.as_str().is_some_and(|text| text.contains('@')) {
        "(not shown)".to_owned()
    } else {
        value.to_string()
    }
}

fn is_listen(text: &str) -> bool {
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return true;
    }
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        !host.is_empty() && host.bytes().all(host_letters) && port.parse::<u16>().is_ok()
    })
}

fn port(listen: &str) -> &str {
    listen.rsplit_once(':').map_or("0", |(_, port)| port)
}
