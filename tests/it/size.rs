//! The module's size, all of which Envoy compiles at its start in every pod, and the memory of one exchange.

use std::fs;

use meshtap_collector::wasm::host::FilterModule;
use meshtap_tests::growth::{self, Load};
use meshtap_tests::tools;

const MAX_BYTES: usize = 600_000;

#[test]
fn the_module_stays_small() {
    let bytes = fs::read(tools::filter()).unwrap().len();
    assert!(bytes <= MAX_BYTES, "{bytes} bytes; `make size` tells whose they are");
}

#[test]
fn an_exchange_takes_little_memory_whatever_its_body() {
    let module = FilterModule::compile(&fs::read(tools::filter()).unwrap()).unwrap();
    for load in Load::ALL {
        let kib = growth::growth(&module, load, 4 << 20) >> 10;
        let most = if load == Load::Gzip { 96 } else { 64 };
        assert!(kib <= most, "{}: {kib} KiB", load.name());
    }
}
