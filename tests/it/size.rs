//! The module's size: Envoy compiles all of it at its start, in every pod.

use std::fs;

use meshtap_tests::tools;

const MAX_BYTES: usize = 600_000;

#[test]
fn the_module_stays_small() {
    let bytes = fs::read(tools::filter()).unwrap().len();
    assert!(bytes <= MAX_BYTES, "{bytes} bytes; `make size` tells whose they are");
}
