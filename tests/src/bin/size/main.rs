//! `make size`: what the filter's bytes are made of, what Envoy's start costs with it, and what memory an exchange takes.
//!
//! ```text
//! size SHIPPED NAMED
//! ```
//!
//! SHIPPED is the module as it is shipped, NAMED the same with its names, built so that every constant is a data segment
//! of its own. Writes `target/bench/size.json`; `MESHTAP_BENCH_ROUNDS` is how often Envoy is started on either side.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

mod module;
mod start;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use meshtap_collector::wasm::host::FilterModule;
use meshtap_tests::bench::{self, Figure};
use meshtap_tests::growth::{self, Load};

use self::module::{Module, Part};

const LARGEST: usize = 12;
/// Before any compression.
const BODY_BYTES: usize = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shipped, named] = arguments.as_slice() else {
        return Err("usage: size SHIPPED NAMED".into());
    };
    let bytes = fs::read(shipped)?;
    print_sections(shipped, &Module::read(&bytes)?);
    let named = Module::read(&fs::read(named)?)?;
    print_crates(&named);
    print_largest("function", &named.functions);
    print_largest("constant", &named.constants);

    let rounds = bench::rounds();
    let starts = start::measure(rounds);
    starts.print();
    let mut figures =
        vec![("module_bytes", Figure::new(bytes.len(), "By")), ("start_cpu_s", starts.figure())];
    figures.extend(growth(&FilterModule::compile(&bytes)?));
    println!("\nWritten to {}", bench::write("size", rounds, &figures).display());
    Ok(())
}

/// What one exchange adds to the module's linear memory, in a new module each time.
fn growth(module: &FilterModule) -> Vec<(&'static str, Figure)> {
    println!("\nLinear memory that one answer of {} MiB adds, after a first small one", BODY_BYTES >> 20);
    let figures = Load::ALL.map(|load| {
        let kib = growth::growth(module, load, BODY_BYTES) >> 10;
        println!("  {:<28}{kib:>5} KiB", load.name());
        (load.figure(), Figure::new(kib, "KiBy"))
    });
    figures.to_vec()
}

fn print_sections(path: &str, module: &Module) {
    println!("\n{path}");
    println!("  {:<28}{:>9}", "section", "bytes");
    for (name, bytes) in &module.sections {
        println!("  {name:<28}{bytes:>9}");
    }
    println!("  {:<28}{:>9}", "total", module.sections.iter().map(|(_, bytes)| bytes).sum::<u64>());
}

#[derive(Default)]
struct Share {
    functions: usize,
    code: u64,
    data: u64,
}

impl Share {
    fn total(&self) -> u64 {
        self.code + self.data
    }
}

fn print_crates(module: &Module) {
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for part in &module.functions {
        let share = shares.entry(&part.origin).or_default();
        share.functions += 1;
        share.code += part.bytes;
    }
    for part in &module.constants {
        shares.entry(&part.origin).or_default().data += part.bytes;
    }
    let mut shares: Vec<(&str, Share)> = shares.into_iter().collect();
    shares.sort_by_key(|(_, share)| std::cmp::Reverse(share.total()));
    println!("\nBy crate, before wasm-opt; generic code counts where it was written");
    println!("  {:<28}{:>9}{:>9}{:>9}{:>11}", "crate", "code", "data", "total", "functions");
    let mut sum = Share::default();
    for (name, share) in &shares {
        println!("  {name:<28}{:>9}{:>9}{:>9}{:>11}", share.code, share.data, share.total(), share.functions);
        sum.code += share.code;
        sum.data += share.data;
        sum.functions += share.functions;
    }
    println!("  {:<28}{:>9}{:>9}{:>9}{:>11}", "total", sum.code, sum.data, sum.total(), sum.functions);
}

fn print_largest(what: &str, parts: &[Part]) {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    println!("\n  {:>9}  largest {what}s", "bytes");
    for part in parts.into_iter().take(LARGEST) {
        println!("  {:>9}  {}", part.bytes, part.name);
    }
}
