//! Does nothing, in every callback that the filter has: what is left is what the boundary between Envoy and a module
//! costs. Native builds of it are empty.

#[cfg(target_arch = "wasm32")]
mod noop;
