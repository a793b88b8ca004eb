//! The filter itself, made to trap: the module under test with one function more, which stands in front of the one that
//! Envoy calls with the headers of a request.
//!
//! On a request with many headers it executes `unreachable`, which is what a panic in the module comes to; it hands every
//! other request on. All else is the filter's own, so what it watches when the trap comes is what it loses then.

use wasmparser::{ExternalKind, Parser, Payload, Result, TypeRef};

use crate::tools::filter;

/// `(context, number of headers, whether the request ends with them) -> action`
const CALLBACK: &str = "proxy_on_request_headers";
/// So many headers trap. Envoy takes 100, and a call of an SDK has about 20.
pub const TRAPPING_HEADERS: u8 = 60;

const FUNCTIONS: u8 = 3;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;
/// Before the first section.
const MAGIC_AND_VERSION: usize = 8;

/// The filter's bytes with the trap in them.
#[track_caller]
pub fn trapping_filter() -> Vec<u8> {
    let path = filter();
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    with_trap(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Copies the module's sections, and adds the function to three of them.
fn with_trap(module: &[u8]) -> Result<Vec<u8>> {
    let Functions { original, kind, count } = Functions::of(module)?;
    let mut copy = module[..MAGIC_AND_VERSION].to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else { continue };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let section = &module[place(range.start)..place(range.end)];
        let section = match (id, payload) {
            (FUNCTIONS, _) => with_item(section, &number(kind)),
            (CODE, _) => with_item(section, &body(original)),
            (EXPORTS, Payload::ExportSection(exports)) => with_export(exports, count)?,
            _ => section.to_vec(),
        };
        copy.push(id);
        copy.extend(number(u32::try_from(section.len()).unwrap_or(u32::MAX)));
        copy.extend(section);
    }
    Ok(copy)
}

struct Functions {
    /// The callback, and its type.
    original: u32,
    kind: u32,
    /// How many there are, imported ones included: the index of one more.
    count: u32,
}

impl Functions {
    fn of(module: &[u8]) -> Result<Self> {
        let (mut imported, mut kinds, mut original) = (0, Vec::new(), None);
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => kinds = section.into_iter().collect::<Result<_>>()?,
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        original = original.or((export.name == CALLBACK).then_some(export.index));
                    }
                }
                _ => {}
            }
        }
        let original = original.unwrap_or_else(|| panic!("the module does not export {CALLBACK}"));
        let kind = kinds[usize::try_from(original - imported).unwrap_or_default()];
        let count = imported + u32::try_from(kinds.len()).unwrap_or_default();
        Ok(Self { original, kind, count })
    }
}

/// A section whose list has one item more, at its end.
fn with_item(section: &[u8], item: &[u8]) -> Vec<u8> {
    let digits = section.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let count = (0..digits).fold(0, |count, at| count | (u32::from(section[at] & 0x7f) << (7 * at)));
    [&number(count + 1), &section[digits..], item].concat()
}

/// The exports, of which the callback is another function.
fn with_export(exports: wasmparser::ExportSectionReader<'_>, function: u32) -> Result<Vec<u8>> {
    let mut section = number(exports.count());
    for export in exports {
        let export = export?;
        section.extend(number(u32::try_from(export.name.len()).unwrap_or(u32::MAX)));
        section.extend(export.name.bytes());
        section.push(match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => 0,
            ExternalKind::Table => 1,
            ExternalKind::Memory => 2,
            ExternalKind::Global => 3,
            ExternalKind::Tag => 4,
        });
        section.extend(number(if export.name == CALLBACK { function } else { export.index }));
    }
    Ok(section)
}

/// Of the new function: `if (headers >= TRAPPING_HEADERS) unreachable; return original(context, headers, end);`
fn body(original: u32) -> Vec<u8> {
    const NO_LOCALS: u8 = 0;
    const GET: u8 = 0x20;
    const CONST: u8 = 0x41;
    const AT_LEAST: u8 = 0x4f;
    const IF: u8 = 0x04;
    const NOTHING: u8 = 0x40;
    const UNREACHABLE: u8 = 0x00;
    const CALL: u8 = 0x10;
    const END: u8 = 0x0b;
    let guard = [GET, 1, CONST, TRAPPING_HEADERS, AT_LEAST, IF, NOTHING, UNREACHABLE, END];
    let call = [&[GET, 0, GET, 1, GET, 2, CALL], number(original).as_slice(), &[END]].concat();
    let code = [&[NO_LOCALS], guard.as_slice(), &call].concat();
    [number(u32::try_from(code.len()).unwrap_or(u32::MAX)), code].concat()
}

/// LEB128, as the format has its numbers.
fn number(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_one_function_more_and_is_a_module() {
        let bytes = trapping_filter();
        let (before, after) = (std::fs::read(filter()).unwrap(), Functions::of(&bytes).unwrap());
        let before = Functions::of(&before).unwrap();
        assert_eq!((after.count, after.original, after.kind), (before.count + 1, before.count, before.kind));
        let payloads = Parser::new(0).parse_all(&bytes).map(Result::unwrap);
        let bodies = payloads.filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let operators = bodies.last().unwrap().get_operators_reader().unwrap();
        let operators: Vec<String> =
            operators.into_iter().map(|read| format!("{:?}", read.unwrap())).collect();
        assert!(operators.contains(&"Unreachable".to_owned()), "{operators:?}");
        assert!(
            operators.contains(&format!("Call {{ function_index: {} }}", before.original)),
            "{operators:?}"
        );
    }
}
