//! The filter module outside Envoy: a proxy-wasm host on wasmtime.
//!
//! `host` runs the module and hands it streams, `abi` is what it may ask of us, `replay` drives a recorded exchange
//! through it. The module is the same file that Envoy gets, byte for byte. A trap ends one instance, never the process;
//! memory is bounded as Envoy bounds it.

mod abi;
pub mod host;
pub mod replay;
