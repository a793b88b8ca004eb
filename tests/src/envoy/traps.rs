//! Somebody else's plugin, which traps.

use std::fs;

use serde_json::{Value, json};

use super::typed;
use crate::sandbox::Sandbox;

/// The HTTP filter, as Envoy is told of it, with a VM that none but this `listener` has. It traps when a body comes from the
/// upstream; Envoy ends that stream, and lets none pass after it.
#[must_use]
pub fn plugin(sandbox: &Sandbox, listener: &str) -> Value {
    let path = sandbox.path(&format!("{listener}-traps.wasm"));
    fs::write(&path, module()).expect("a sandbox to write to");
    let plugin = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {"name": "traps", "failure_policy": "FAIL_CLOSED", "vm_config": {
            "vm_id": listener,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": path}},
        }},
    });
    typed("traps", &plugin)
}

/// The least that Envoy takes. <https://webassembly.github.io/spec/core/binary/modules.html>
fn module() -> Vec<u8> {
    const I32: u8 = 0x7f;
    const FUNCTION: u8 = 0;
    const MEMORY: u8 = 2;
    const UNREACHABLE: u8 = 0;
    const END: u8 = 0x0b;
    let types = [&[3, 0x60, 0, 0][..], &[0x60, 1, I32, 1, I32], &[0x60, 3, I32, I32, I32, 1, I32]].concat();
    let exports = [
        vec![4],
        export("memory", MEMORY, 0),
        export("proxy_abi_version_0_2_1", FUNCTION, 0),
        export("proxy_on_memory_allocate", FUNCTION, 1),
        export("proxy_on_response_body", FUNCTION, 2),
    ];
    // The first does nothing, the others trap.
    let code = [3, 2, 0, END, 3, 0, UNREACHABLE, END, 3, 0, UNREACHABLE, END];
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        // Functions, by their types.
        section(3, &[3, 0, 1, 2]),
        // A memory of one page.
        section(5, &[1, 0, 1]),
        section(7, &exports.concat()),
        section(10, &code),
    ]
    .concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id, length(content)], content].concat()
}

fn export(name: &str, kind: u8, index: u8) -> Vec<u8> {
    [&[length(name.as_bytes())], name.as_bytes(), &[kind, index]].concat()
}

fn length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).ok().filter(|length| *length < 0x80).expect("a length of one byte")
}
