//! A WebAssembly module taken apart: its sections, and whose its functions and constants are.

use std::collections::{HashMap, HashSet};

use rustc_demangle::try_demangle;
use wasmparser::{BinaryReaderError, ExternalKind, KnownCustom, Name, Parser, Payload, TypeRef};

/// What the linker gives no name: texts, tables, places of panics.
const NAMELESS: &str = "(constants without a name)";
/// Whatever is not mangled as Rust mangles.
const LIBC: &str = "(C library)";
/// The module's own exports are not mangled either.
const OURS: &str = "meshtap_filter";

/// A function or a constant.
pub(super) struct Part {
    pub(super) name: String,
    /// The crate it comes from.
    pub(super) origin: String,
    pub(super) bytes: u64,
}

pub(super) struct Module {
    /// In their order, with their headers.
    pub(super) sections: Vec<(String, u64)>,
    pub(super) functions: Vec<Part>,
    pub(super) constants: Vec<Part>,
}

impl Module {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut sections = Vec::new();
        let mut end = 0;
        let mut imported_functions = 0_u32;
        let mut exports = HashSet::new();
        let (mut functions, mut segments) = (Vec::new(), Vec::new());
        let (mut function_names, mut segment_names) = (HashMap::new(), HashMap::new());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((name, until)) = section(&payload) {
                sections.push((name, until - end));
                end = until;
            }
            match payload {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        imported_functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            exports.insert(export.name);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => functions.push(body.as_bytes().len() as u64),
                Payload::DataSection(reader) => {
                    for segment in reader {
                        segments.push(segment?.data.len() as u64);
                    }
                }
                Payload::CustomSection(custom) => {
                    if let KnownCustom::Name(reader) = custom.as_known() {
                        for names in reader {
                            match names? {
                                Name::Function(map) => collect(map, &mut function_names)?,
                                Name::Data(map) => collect(map, &mut segment_names)?,
                                _ => {}
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        let name = |names: &HashMap<u32, &str>, index: u32| (*names.get(&index).unwrap_or(&"")).to_owned();
        let functions = (imported_functions..).zip(functions).map(|(index, bytes)| {
            let symbol = name(&function_names, index);
            let ours = exports.contains(symbol.as_str());
            let origin = if ours { OURS.to_owned() } else { origin(&symbol).unwrap_or(LIBC.to_owned()) };
            Part { name: shown(&symbol), origin, bytes }
        });
        let constants = (0..).zip(segments).map(|(index, bytes)| {
            let symbol = name(&segment_names, index);
            let origin = mangled(&symbol).and_then(origin).unwrap_or(NAMELESS.to_owned());
            Part { name: shown(mangled(&symbol).unwrap_or(&symbol)), origin, bytes }
        });
        Ok(Self { sections, functions: functions.collect(), constants: constants.collect() })
    }
}

/// The name of a section, and where it ends.
fn section(payload: &Payload<'_>) -> Option<(String, u64)> {
    let name = match payload {
        Payload::Version { range, .. } => return Some(("magic and version".to_owned(), range.end)),
        Payload::TypeSection(_) => "type",
        Payload::ImportSection(_) => "import",
        Payload::FunctionSection(_) => "function",
        Payload::TableSection(_) => "table",
        Payload::MemorySection(_) => "memory",
        Payload::GlobalSection(_) => "global",
        Payload::ExportSection(_) => "export",
        Payload::StartSection { .. } => "start",
        Payload::ElementSection(_) => "element",
        Payload::DataCountSection { .. } => "data count",
        Payload::CodeSectionStart { .. } => "code",
        Payload::DataSection(_) => "data",
        Payload::CustomSection(custom) => {
            return Some((format!("custom {}", custom.name()), custom.range().end));
        }
        _ => "other",
    };
    let (_, range) = payload.as_section()?;
    Some((name.to_owned(), range.end))
}

fn collect<'a>(
    map: wasmparser::NameMap<'a>,
    names: &mut HashMap<u32, &'a str>,
) -> Result<(), BinaryReaderError> {
    for naming in map {
        let naming = naming?;
        names.insert(naming.index, naming.name);
    }
    Ok(())
}

/// The symbol in the name of a data segment, as `.rodata._ZN4core…` or `.rodata..Lswitch.table._RNv….3`.
fn mangled(segment: &str) -> Option<&str> {
    let start = segment.find("_ZN").or_else(|| segment.find("_R"))?;
    segment.get(start..)
}

fn shown(symbol: &str) -> String {
    try_demangle(symbol).map_or_else(|_| symbol.to_owned(), |name| format!("{name:#}"))
}

/// The crate that a Rust symbol names first: of `<f64 as zmij::Sealed>::write` it is `zmij`. An inherent function of a
/// primitive type names none and is of `core`.
fn origin(symbol: &str) -> Option<String> {
    let name = format!("{:#}", try_demangle(symbol).ok()?);
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let word = name.match_indices("::").find_map(|(at, _)| {
        let before = name.get(..at)?;
        before.rsplit(|character| !is_word(character)).next().filter(|word| !word.is_empty())
    });
    Some(word.unwrap_or("core").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_crate_it_names_first() {
        let check = |symbol: &str, expected: Option<&str>| {
            assert_eq!(origin(symbol).as_deref(), expected, "{}", shown(symbol));
        };
        check(
            "_ZN19brotli_decompressor6decode15ProcessCommands17h36c74c7448db9ca6E",
            Some("brotli_decompressor"),
        );
        check(
            "_ZN45_$LT$f64$u20$as$u20$zmij..private..Sealed$GT$20write_to_zmij_buffer17h1417c360953d4e29E",
            Some("zmij"),
        );
        check("_RNvNtCsdHhIpgkcIfN_4core3str19slice_error_fail_rt", Some("core"));
        check("dlmalloc", None);
    }

    #[test]
    fn a_segment_holds_its_symbol() {
        assert_eq!(mangled(".rodata._ZN4core1aE"), Some("_ZN4core1aE"));
        assert_eq!(mangled(".rodata..Lanon.aef2ad49.122"), None);
    }
}
