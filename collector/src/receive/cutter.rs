//! The second pass over a request, where there is something to leave out: the same request without it, field by field as
//! it came, and no longer than it was.

use bytes::Bytes;

use crate::wire::{Malformed, RESOURCE_SPANS, SCOPE_SPANS, SPANS, fields, put_nested};

/// `cut` are the positions of spans to leave out, in order; those from `end` on are left out too.
pub(super) fn without(request: &[u8], cut: &[usize], end: usize) -> Result<Bytes, Malformed> {
    let mut out = Vec::with_capacity(request.len());
    let mut cutter = Cutter { position: 0, end, cut };
    for_each(&mut out, request, RESOURCE_SPANS, |out, _, message| {
        put_nested(out, RESOURCE_SPANS, |out| {
            for_each(out, message, SCOPE_SPANS, |out, _, message| {
                put_nested(out, SCOPE_SPANS, |out| {
                    for_each(out, message, SPANS, |out, raw, _| {
                        if cutter.keeps_next() {
                            out.extend_from_slice(raw);
                        }
                        Ok(())
                    })
                })
            })
        })
    })?;
    Ok(out.into())
}

struct Cutter<'a> {
    position: usize,
    end: usize,
    cut: &'a [usize],
}

impl Cutter<'_> {
    fn keeps_next(&mut self) -> bool {
        let position = self.position;
        self.position += 1;
        if self.cut.first() == Some(&position) {
            self.cut = self.cut.get(1..).unwrap_or_default();
            return false;
        }
        position < self.end
    }
}

/// Copies a message, but for the messages under this number, which `write` is asked for: as they stand, with their tag,
/// and what is in them.
fn for_each<'a>(
    out: &mut Vec<u8>,
    message: &'a [u8],
    number: u32,
    mut write: impl FnMut(&mut Vec<u8>, &'a [u8], &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in fields(message) {
        let field = field?;
        if field.number == number {
            write(out, field.raw, field.bytes()?)?;
        } else {
            out.extend_from_slice(field.raw);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    fn request(groups: &[&[&str]]) -> Vec<u8> {
        let span = |name: &&str| Span { name: (*name).repeat(100), ..Span::default() };
        let scope_spans = |names: &&[&str]| ScopeSpans {
            spans: names.iter().map(span).collect(),
            schema_url: "url".to_owned(),
            ..ScopeSpans::default()
        };
        let scope_spans: Vec<_> = groups.iter().map(scope_spans).collect();
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    #[test]
    fn what_is_cut_is_gone_and_the_rest_is_as_it_was() {
        let all = request(&[&["a", "b", "c"], &["d", "e"]]);
        assert_eq!(without(&all, &[], 9).unwrap(), all);
        assert_eq!(without(&all, &[0, 3], 9).unwrap(), request(&[&["b", "c"], &["e"]]));
        assert_eq!(without(&all, &[1], 3).unwrap(), request(&[&["a", "c"], &[]]));
    }

    #[test]
    fn it_takes_no_more_memory_than_the_request() {
        let names = vec!["x"; 10_000];
        let all = request(&[&names]);
        let measured = allocation_counter::measure(|| drop(without(&all, &[7], usize::MAX).unwrap()));
        assert!(measured.bytes_max <= all.len() as u64 + 1024, "{measured:?}");
    }
}
