//! Both ends of a call on the wire, for what no SDK sends and no provider should answer.
//!
//! - [`Answer`] is what an upstream does, step by step; [`Upstream`] plays answers in either version of HTTP and
//!   remembers what it was asked.
//! - [`Request`] is what a client sends; [`Http1`] and [`http2`] send it and read the [`Reply`], as far as it comes.
//! - [`Unreachable`] is where no connection comes about. `message` reads HTTP/1.1.
//!
//! Nothing here waits for time to pass: [`Answer::seen`] has the upstream wait until the client has read what was sent,
//! and whoever watches a reply decides when the client leaves.

mod answer;
mod breaking;
mod http1_client;
mod http1_upstream;
mod http2_client;
mod http2_upstream;
mod message;
mod unreachable;
mod upstream;

pub use self::answer::Answer;
pub use self::breaking::Breaking;
pub use self::http1_client::Http1;
pub use self::http2_client::http2;
pub use self::unreachable::Unreachable;
pub use self::upstream::Upstream;
pub use crate::standin::record::Headers;

/// What a client sends.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub host: String,
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// The body's end is never sent.
    pub is_unfinished: bool,
}

impl Request {
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What came back, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Statuses before the one that counts.
    pub informational: Vec<u16>,
    /// Zero as long as none came.
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    pub end: ReplyEnd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyEnd {
    #[default]
    Open,
    /// As HTTP says that a message ends.
    Whole,
    /// The other side broke off.
    Broken,
    /// The client left.
    Left,
}

/// Is shown a reply whenever more of it may have come, and says what the client does next.
pub type Watch<'a> = &'a mut dyn FnMut(&Reply) -> Next;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Stay,
    /// Bytes as they are; over HTTP/1.1 only.
    Say(Vec<u8>),
    Leave,
}

pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Headers as tests write them.
pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
