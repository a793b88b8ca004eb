//! JSON values as they are stored: text, compressed where that helps. Nothing is stored for what is empty.
//!
//! A packed value starts with a byte that says how it is written. Attributes repeat their names in every span, so they
//! are compressed with a dictionary of names, which the file holds itself: a later version may start files with
//! another one.

use meshtap_filter::semconv;
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::{Compressor, Decompressor};

use crate::store::StoreError;
use crate::store::encode::{from_json_text, json_text};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const LEVEL: i32 = 1;
/// Shorter texts are not compressed.
const SMALLEST: usize = 64;
/// More than a request can hold: what claims to be larger is damaged.
const LARGEST: usize = 1 << 30;

/// Names of attributes that spans of the filter often have and that have no column of their own.
const NAMES: &[&str] = &[
    "gen_ai.request.choice.count",
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.seed",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.top_k",
    "gen_ai.request.top_p",
    "gen_ai.request.temperature",
    "gen_ai.request.max_tokens",
    "gen_ai.output.type",
    "network.protocol.name",
    "url.full",
    "url.path",
    "user_agent.original",
    "http.request.method",
    "http.route",
    "server.address",
    "server.port",
    semconv::MESHTAP_OUTPUT_TOOL_CALLS,
    semconv::MESHTAP_REQUEST_TOOLS,
    semconv::MESHTAP_CONTENT_MODE,
    semconv::MESHTAP_CONTENT_TRUNCATED,
    semconv::GEN_AI_CONVERSATION_ID,
    semconv::GEN_AI_SYSTEM_INSTRUCTIONS,
    semconv::GEN_AI_TOOL_DEFINITIONS,
    semconv::GEN_AI_INPUT_MESSAGES,
    semconv::GEN_AI_OUTPUT_MESSAGES,
    semconv::MESHTAP_ENVOY_RESPONSE_FLAGS,
    semconv::MESHTAP_ENVOY_RESPONSE_CODE_DETAILS,
    semconv::MESHTAP_ENVOY_ATTEMPTS,
    semconv::MESHTAP_ENVOY_ROUTE,
    semconv::MESHTAP_ENVOY_CLUSTER,
    semconv::MESHTAP_MESH_ID,
    semconv::MESHTAP_API_KEY_FINGERPRINT,
    semconv::MESHTAP_TENANT_ID,
    semconv::MESHTAP_CORRELATION_ID,
    semconv::MESHTAP_OUTPUT_CHUNK_GAP_MEAN,
    semconv::MESHTAP_OUTPUT_CHUNK_GAP_MAX,
    semconv::MESHTAP_OUTPUT_CHUNKS,
    semconv::MESHTAP_USAGE_TOTAL_TOKENS,
    semconv::MESHTAP_USAGE_RAW,
    semconv::MESHTAP_REQUEST_BYTES,
    semconv::MESHTAP_RESPONSE_BYTES,
    semconv::MESHTAP_API,
];

/// Makes sure the file has a dictionary, and reads it.
pub(super) fn dictionary(db: &Connection) -> rusqlite::Result<Vec<u8>> {
    let texts: Vec<String> = NAMES.iter().map(|name| format!(",\"{name}\":\"")).collect();
    db.execute(
        "INSERT INTO dictionary (content) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM dictionary)",
        [texts.concat().into_bytes()],
    )?;
    db.query_row("SELECT content FROM dictionary", [], |row| row.get(0))
}

pub(super) struct Packer {
    compressor: Option<Compressor<'static>>,
}

impl Packer {
    /// Without memory for a compressor, texts are stored as they are.
    pub(super) fn new(dictionary: &[u8]) -> Self {
        Self { compressor: Compressor::with_dictionary(LEVEL, dictionary).ok() }
    }

    pub(super) fn pack<T: Serialize + ?Sized>(&mut self, value: &T) -> Vec<u8> {
        let text = json_text(value);
        if text.len() >= SMALLEST
            && let Some(compressor) = &mut self.compressor
            && let Ok(compressed) = compressor.compress(text.as_bytes())
            && compressed.len() < text.len()
        {
            return tagged(ZSTD, &compressed);
        }
        tagged(PLAIN, text.as_bytes())
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() + 1);
    packed.push(tag);
    packed.extend_from_slice(bytes);
    packed
}

pub(super) struct Unpacker {
    decompressor: Option<Decompressor<'static>>,
}

impl Unpacker {
    pub(super) fn new(dictionary: &[u8]) -> Self {
        Self { decompressor: Decompressor::with_dictionary(dictionary).ok() }
    }

    /// The default for what was not stored, because it was empty.
    pub(super) fn unpack<T: DeserializeOwned + Default>(
        &mut self,
        packed: Option<&[u8]>,
    ) -> Result<T, StoreError> {
        match packed.and_then(<[u8]>::split_first) {
            None => Ok(T::default()),
            Some((&PLAIN, text)) => from_json_text(text_of(text)?),
            Some((&ZSTD, compressed)) => {
                let text = self.decompress(compressed)?;
                from_json_text(text_of(&text)?)
            }
            Some(_) => Err(damaged("it is of an unknown kind")),
        }
    }

    fn decompress(&mut self, compressed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let size = zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten();
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= LARGEST);
        let size = size.ok_or_else(|| damaged("it does not say its size"))?;
        let decompressor = self.decompressor.as_mut().ok_or_else(|| damaged("there is no memory for it"))?;
        decompressor.decompress(compressed, size).map_err(|error| damaged("it is damaged").with_source(error))
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|error| damaged("it is not text").with_source(error))
}

fn damaged(why: &str) -> StoreError {
    StoreError::permanent(format!("sqlite: a packed value cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        let dictionary = b",\"meshtap.request.bytes\":\"";
        let (mut packer, mut unpacker) = (Packer::new(dictionary), Unpacker::new(dictionary));
        let long = json!({"meshtap.request.bytes": 1, "x": "y".repeat(1000)});
        for value in [json!({}), json!([1, "é"]), long.clone()] {
            let stored = packer.pack(&value);
            assert_eq!(unpacker.unpack::<Value>(Some(&stored)).unwrap(), value);
        }
        assert!(packer.pack(&long).len() < 60);
        assert_eq!(unpacker.unpack::<Vec<Value>>(None).unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn damage_is_an_error() {
        let mut unpacker = Unpacker::new(b"");
        let mut packed = Packer::new(b"").pack(&"y".repeat(1000));
        packed.truncate(packed.len() - 3);
        for bad in [&packed[..], &[9, 1], &[PLAIN, 0xff], &[ZSTD, 1, 2, 3]] {
            assert!(unpacker.unpack::<Value>(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
