//! The first pass over a request: what is in it, and what of it is not taken. Nothing is decoded but heartbeats, which end
//! here.

use std::cell::OnceCell;
use std::time::SystemTime;

use tracing::{Level, debug, enabled};

use super::limits::{Checked, Days, Limits, Refused, Window};
use super::refusals::Refusals;
use crate::model::TraceId;
use crate::normalize;
use crate::sidecars::Vm;
use crate::telemetry::metrics::Rejection;
use crate::wire::{Malformed, RESOURCE, RESOURCE_SPANS, SCHEMA_URL, SCOPE, SCOPE_SPANS, SPANS, fields};

pub(super) struct Admission<'a> {
    limits: &'a Limits,
    window: Window,
    pub(super) received: usize,
    /// Positions of the spans to leave out, in order, of those below the bound on their number.
    pub(super) cut: Vec<usize>,
    pub(super) heartbeats: Vec<Vm>,
    pub(super) refusals: Refusals,
    days: Days,
    /// What the spans that are taken come to when they are decoded.
    decoded_bytes: usize,
    /// The same of the resource that is being read, until a span of it is taken: they share it.
    resource_bytes: usize,
}

impl<'a> Admission<'a> {
    pub(super) fn new(limits: &'a Limits, now: SystemTime) -> Self {
        Self {
            limits,
            window: limits.window(now),
            received: 0,
            cut: Vec::new(),
            heartbeats: Vec::new(),
            refusals: Refusals::default(),
            days: Days::new(),
            decoded_bytes: 0,
            resource_bytes: 0,
        }
    }

    pub(super) fn request(&mut self, request: &[u8]) -> Result<(), Malformed> {
        for field in fields(request) {
            let field = field?;
            if field.number == RESOURCE_SPANS {
                self.resource_spans(field.bytes()?)?;
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let resource = Shared::of(message, RESOURCE)?;
        let check = self.limits.check_resource(&resource.parts);
        self.resource_bytes = *check.as_ref().unwrap_or(&0);
        let check = check.map(drop);
        each(
            message,
            |number, bytes| {
                if number == SCOPE_SPANS { self.scope_spans(&resource, &check, bytes) } else { Ok(()) }
            },
        )
    }

    fn scope_spans(
        &mut self,
        resource: &Shared<'_, normalize::Resource>,
        check: &Result<(), Refused>,
        message: &[u8],
    ) -> Result<(), Malformed> {
        let scope = Shared::of(message, SCOPE)?;
        let checked = check.clone().and_then(|()| self.limits.check_scope(&scope.parts));
        each(message, |number, bytes| {
            if number == SPANS {
                self.span(resource, &scope, &checked, bytes);
            }
            Ok(())
        })
    }

    fn span(
        &mut self,
        resource: &Shared<'_, normalize::Resource>,
        scope: &Shared<'_, normalize::Scope>,
        shared: &Result<bool, Refused>,
        span: &[u8],
    ) {
        let position = self.received;
        self.received += 1;
        if position >= self.limits.max_spans_per_batch {
            self.refusals.add(Rejection::TooManySpans, || self.limits.beyond_batch());
            return;
        }
        match self.check(shared, span) {
            // A heartbeat is no span of anyone's trace: it is remembered, not queued.
            Ok(checked) if checked.is_heartbeat => {
                if let Some(vm) = heartbeat(resource, scope, span) {
                    self.heartbeats.push(vm);
                    self.cut.push(position);
                }
            }
            Ok(_) => {}
            Err(refused) => {
                if enabled!(Level::DEBUG) {
                    let (reason, message) = (refused.reason.as_str(), &refused.message);
                    debug!(trace_id = trace_id(span), reason, message, "a span was rejected");
                }
                self.refusals.add(refused.reason, || refused.message);
                self.cut.push(position);
            }
        }
    }

    /// The span by itself, then beside those that are taken.
    fn check(&mut self, shared: &Result<bool, Refused>, span: &[u8]) -> Result<Checked, Refused> {
        let is_filters = shared.clone()?;
        let mut checked = self.limits.check_span(span, &self.window)?;
        checked.is_heartbeat &= is_filters;
        let decoded_bytes = self.decoded_bytes + self.resource_bytes + checked.decoded_bytes;
        if decoded_bytes > self.limits.max_decoded_bytes() {
            return Err(self.limits.beyond_memory());
        }
        self.days.admit(self.limits, checked.start_unix_nanos)?;
        (self.decoded_bytes, self.resource_bytes) = (decoded_bytes, 0);
        Ok(checked)
    }
}

/// Of a span that may be anything, where it has one.
fn trace_id(span: &[u8]) -> Option<String> {
    let id = fields(span).find_map(|field| field.ok().filter(|field| field.number == 1))?;
    let id: [u8; 16] = id.bytes().ok()?.try_into().ok()?;
    Some(TraceId(id).to_string())
}

/// No sender writes a resource or a scope in more than one.
const MAX_PARTS: usize = 16;

/// A resource or a scope, which protobuf allows to come in several parts.
struct Shared<'a, T> {
    parts: Vec<&'a [u8]>,
    /// What it says. It is read for the first heartbeat, and once however many there are.
    read: OnceCell<Option<T>>,
}

impl<'a, T> Shared<'a, T> {
    fn of(message: &'a [u8], number: u32) -> Result<Self, Malformed> {
        Ok(Self { parts: parts(message, number)?, read: OnceCell::new() })
    }

    fn read(&self, read: impl FnOnce(&[&'a [u8]]) -> Result<T, Malformed>) -> Option<&T> {
        self.read.get_or_init(|| read(&self.parts).ok()).as_ref()
    }
}

fn parts(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    let mut parts = Vec::new();
    each(message, |found, bytes| {
        if found != number {
            return Ok(());
        }
        if parts.len() == MAX_PARTS {
            return Err(Malformed("a resource or a scope comes in more than 16 parts"));
        }
        parts.push(bytes);
        Ok(())
    })?;
    Ok(parts)
}

/// Every message and string of a message around spans. All that it may hold are of these.
fn each<'a>(
    message: &'a [u8],
    mut take: impl FnMut(u32, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in fields(message) {
        let field = field?;
        match field.number {
            RESOURCE | SCOPE_SPANS => take(field.number, field.bytes()?)?,
            SCHEMA_URL => _ = field.text()?,
            _ => {}
        }
    }
    Ok(())
}

fn heartbeat(
    resource: &Shared<'_, normalize::Resource>,
    scope: &Shared<'_, normalize::Scope>,
    span: &[u8],
) -> Option<Vm> {
    let resource = resource.read(normalize::Resource::read)?;
    let scope = scope.read(normalize::Scope::read)?;
    let (record, _) = normalize::record(resource, scope, span).ok()?;
    Vm::of(&record)
}
