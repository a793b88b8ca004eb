//! What many spans share is stored once: the sender (`sources`) and what calls are summed up by (`keys`). Ids of the
//! latest ones are remembered.
//!
//! Invariant: an id in the memory is in the file, so the memory is cleared when a transaction fails and when rows that
//! nothing needs are deleted.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rusqlite::{OptionalExtension as _, Transaction};
use sha2::{Digest as _, Sha256};

use crate::model::{Attributes, CallSide, SpanRecord};
use crate::store::encode::json_text;
use crate::store::plan::NANOS_PER_DAY;

/// Rows of one table whose ids are remembered; then all are forgotten, and read again as they come.
const REMEMBERED: usize = 50_000;
/// Texts whose digest is remembered; longer ones are rare.
const REMEMBERED_BYTES: usize = 512;

#[derive(Clone, Copy)]
struct Known {
    id: i64,
    last_day: u64,
}

#[derive(Default)]
pub(super) struct Interner {
    sources: HashMap<[u8; 32], Known>,
    keys: HashMap<[u8; 32], Known>,
    digests: Digests,
    last_source: Option<LastSource>,
}

/// Spans of one sender come together.
struct LastSource {
    resource: Arc<Attributes>,
    scope_name: Option<String>,
    scope_version: Option<String>,
    digest: [u8; 32],
}

impl LastSource {
    fn is_of(&self, span: &SpanRecord) -> bool {
        Arc::ptr_eq(&self.resource, &span.resource)
            && self.scope_name == span.scope_name
            && self.scope_version == span.scope_version
    }
}

impl Interner {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn source(&mut self, db: &Transaction<'_>, span: &SpanRecord) -> rusqlite::Result<i64> {
        let digest = match &self.last_source {
            Some(last) if last.is_of(span) => last.digest,
            _ => self.digest_source(span),
        };
        let day = span.start_unix_nanos / NANOS_PER_DAY;
        if let Some(id) = known(&mut self.sources, db, "sources", &digest, day)? {
            return Ok(id);
        }
        let id = db
            .prepare_cached(
                "INSERT INTO sources (digest, resource, pod, scope_name, scope_version, last_day) \
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            )?
            .query_row(
                (
                    digest,
                    json_text(&*span.resource),
                    &span.origin.pod,
                    &span.scope_name,
                    &span.scope_version,
                    day.cast_signed(),
                ),
                |row| row.get(0),
            )?;
        remember(&mut self.sources, digest, Known { id, last_day: day });
        Ok(id)
    }

    fn digest_source(&mut self, span: &SpanRecord) -> [u8; 32] {
        let resource = json_text(&*span.resource);
        let digest = digest(
            [
                Some(&resource),
                span.origin.pod.as_ref(),
                span.scope_name.as_ref(),
                span.scope_version.as_ref(),
            ]
            .map(|text| text.map(String::as_str)),
        );
        self.last_source = Some(LastSource {
            resource: Arc::clone(&span.resource),
            scope_name: span.scope_name.clone(),
            scope_version: span.scope_version.clone(),
            digest,
        });
        digest
    }

    pub(super) fn key(&mut self, db: &Transaction<'_>, span: &SpanRecord) -> rusqlite::Result<i64> {
        let (origin, gen_ai) = (&span.origin, &span.gen_ai);
        let texts = [
            span.call_side().map(CallSide::as_str),
            origin.service_name.as_deref(),
            origin.service_namespace.as_deref(),
            origin.namespace.as_deref(),
            origin.workload.as_deref(),
            gen_ai.operation_name.as_deref(),
            gen_ai.provider_name.as_deref(),
            gen_ai.request_model.as_deref(),
            gen_ai.response_model.as_deref(),
            span.is_error().then_some("error"),
        ];
        let digest = self.digests.of(texts);
        let day = span.start_unix_nanos / NANOS_PER_DAY;
        if let Some(id) = known(&mut self.keys, db, "keys", &digest, day)? {
            return Ok(id);
        }
        let [
            side,
            service,
            service_namespace,
            namespace,
            workload,
            operation,
            provider,
            request,
            response,
            _,
        ] = texts;
        let id = db
            .prepare_cached(
                "INSERT INTO keys (digest, call_side, service_name, service_namespace, namespace, workload, \
                 operation_name, provider_name, request_model, response_model, is_error, last_day) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            )?
            .query_row(
                (
                    digest,
                    side,
                    service,
                    service_namespace,
                    namespace,
                    workload,
                    operation,
                    provider,
                    request,
                    response,
                    span.is_error(),
                    day.cast_signed(),
                ),
                |row| row.get(0),
            )?;
        remember(&mut self.keys, digest, Known { id, last_day: day });
        Ok(id)
    }
}

/// Digests of the latest texts: making one takes longer than everything else about a key.
#[derive(Default)]
struct Digests {
    known: HashMap<Box<[u8]>, [u8; 32], RandomState>,
    encoded: Vec<u8>,
}

impl Digests {
    fn of<const N: usize>(&mut self, texts: [Option<&str>; N]) -> [u8; 32] {
        self.encoded.clear();
        encode(texts, &mut self.encoded);
        if let Some(digest) = self.known.get(&*self.encoded) {
            return *digest;
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let digest = Sha256::digest(&self.encoded).into();
        if self.encoded.len() <= REMEMBERED_BYTES {
            self.known.insert(self.encoded.as_slice().into(), digest);
        }
        digest
    }
}

/// Of texts of which each may be absent.
fn digest<const N: usize>(texts: [Option<&str>; N]) -> [u8; 32] {
    let mut encoded = Vec::new();
    encode(texts, &mut encoded);
    Sha256::digest(&encoded).into()
}

/// Different texts are different bytes.
fn encode<const N: usize>(texts: [Option<&str>; N], encoded: &mut Vec<u8>) {
    for text in texts {
        encoded.extend_from_slice(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        encoded.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
}

/// The id of a row that exists, whose last day is kept up.
fn known(
    memory: &mut HashMap<[u8; 32], Known>,
    db: &Transaction<'_>,
    table: &str,
    digest: &[u8; 32],
    day: u64,
) -> rusqlite::Result<Option<i64>> {
    let remembered = memory.get(digest).copied();
    let Some(mut known) = remembered.map_or_else(|| find(db, table, digest), |known| Ok(Some(known)))? else {
        return Ok(None);
    };
    if remembered.is_none() {
        remember(memory, *digest, known);
    }
    if day > known.last_day {
        db.prepare_cached(&format!("UPDATE {table} SET last_day = ? WHERE id = ?"))?
            .execute((day.cast_signed(), known.id))?;
        known.last_day = day;
        memory.insert(*digest, known);
    }
    Ok(Some(known.id))
}

fn find(db: &Transaction<'_>, table: &str, digest: &[u8; 32]) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached(&format!("SELECT id, last_day FROM {table} WHERE digest = ?"))?
        .query_row([digest], |row| {
            Ok(Known { id: row.get(0)?, last_day: row.get::<_, i64>(1)?.cast_unsigned() })
        })
        .optional()
}

fn remember(memory: &mut HashMap<[u8; 32], Known>, digest: [u8; 32], known: Known) {
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(digest, known);
}
