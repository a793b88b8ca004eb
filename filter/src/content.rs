//! What the messages of a call say, for those who switch it on: collected bounded, kept by sampling, and on its way out
//! turned into fingerprints, redacted, or left as it is.
//!
//! It is a reading of the bodies of its own, beside the one that counts tokens: another [`Scanner`] with trees of
//! [`Part`]s ([`shapes`]) that fills a [`Transcript`]. Where content is off neither exists, and nothing of what is read
//! here can reach counts or times.
//!
//! [`Scanner`]: crate::wire::json::Scanner

mod draft;
mod encode;
mod message;
pub mod shapes;
mod store;
mod transcript;
mod write;

use std::rc::Rc;

use crate::config::{self, ContentMode};
use crate::detect::Detected;
use crate::fingerprint::Key;
use crate::provider::{Facts, Field};
use crate::redact::{Found, Redactor};
use crate::wire::json::Node;

use encode::Treatment;
pub use transcript::{Collector, Transcript};

/// Where the bodies of one API hold content.
#[derive(Debug)]
pub struct ContentShape {
    pub request: &'static Node<Field>,
    /// An answer in one JSON document.
    pub response: &'static Node<Field>,
    /// One document of a streamed answer.
    pub event: &'static Node<Field>,
}

/// What a place in a body means for its content, whatever the provider calls it.
///
/// A message is a role and items; an item is a text, a call of a tool, its result, or something that is no text. What
/// stands outside of any message belongs to one that the document itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Instructions apart from the messages.
    System,
    /// A message of the request.
    Message,
    /// A text that is a whole message of the request.
    Prompt,
    /// One of several alternative answers.
    Choice,
    /// One item of a message.
    Item,
    /// One document of an array that streams them.
    StreamedDocument,
    /// The items so far, all of them again: what a stream ends with.
    WholeAnswer,

    Role,
    ChoiceIndex,
    /// Which item of the answer an event, or a piece of a call, goes on with.
    Index,
    /// What kind of item this is, in the provider's words.
    Kind,
    /// The kind of an event of which there are many with the same members.
    EventKind,
    /// A piece of what the kind of its event says.
    Delta,

    Text,
    Reasoning,
    /// Whether the text beside it is reasoning.
    IsReasoning,
    Refusal,

    CallId,
    Name,
    Arguments,
    /// Empty, and to be filled by the events that follow.
    FirstArguments,
    ResultId,
    /// The tool whose result this is.
    ResultName,
    Result,

    Image,
    Audio,
    Video,
    Document,
    MediaType,
    Uri,
    FileId,

    /// A tool that the model may call.
    OfferedTool,
    OfferedToolType,
    OfferedToolName,
}

/// The content of one call as it travels: JSON after the schemas of the semantic conventions.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Content {
    /// `meshtap.content.mode`: what was done to the texts.
    pub mode: &'static str,
    /// Each of them absent when there is none of it.
    pub system_instructions: Option<String>,
    pub input_messages: Option<String>,
    pub output_messages: Option<String>,
    pub tool_definitions: Option<String>,
    /// Something was cut or left out to stay within the bounds.
    pub truncated: bool,
    /// What was taken out of the texts, where that is the mode.
    pub redactions: Found,
    /// Messages of the request that were left out, the oldest first.
    pub dropped_messages: u64,
}

/// What is to become of the content of one exchange.
#[derive(Debug)]
pub struct Capture {
    mode: ContentMode,
    /// There for `Fingerprint`.
    key: Option<Key>,
    sampled: bool,
    redactor: Rc<Redactor>,
}

impl Capture {
    /// `None` when no content is collected.
    pub fn begin(
        config: &config::Config,
        detected: &Detected,
        trace_id: &[u8; 16],
    ) -> Option<(Self, Box<Transcript>)> {
        let content = &config.content;
        let mode = detected.content.unwrap_or(content.mode);
        detected.adapter.content.filter(|_| mode != ContentMode::Off)?;
        let sampled = content.sample_rate.keeps(trace_id);
        if !sampled && !content.errors {
            return None;
        }
        let key = config.api_key.fingerprint_key.clone();
        if mode == ContentMode::Fingerprint && key.is_none() {
            return None;
        }
        let transcript = Transcript::new(content.max_message_bytes, content.max_span_bytes);
        Some((Self { mode, key, sampled, redactor: Rc::clone(&config.redactor) }, Box::new(transcript)))
    }

    /// `None` when the exchange is not sampled and did not fail. An answer that is not `whole` broke off.
    pub fn finish(self, transcript: Transcript, facts: &Facts, failed: bool, whole: bool) -> Option<Content> {
        // A failure is only collected for where the configuration wants it.
        if !self.sampled && !failed {
            return None;
        }
        let treatment = match self.mode {
            ContentMode::Full => Treatment::Full,
            ContentMode::Redacted => Treatment::Redacted(&self.redactor),
            ContentMode::Fingerprint | ContentMode::Off => Treatment::Fingerprint(self.key.as_ref()?),
        };
        transcript.into_content(treatment, &facts.finish_reasons, failed, whole)
    }
}

#[cfg(test)]
mod tests;
