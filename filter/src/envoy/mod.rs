//! The proxy-wasm side: copies bytes between the host and the core, and decides nothing.
//!
//! Entry points and contexts are the crate `proxy-wasm`'s; host calls are our own ([`host`]), because the crate's panic
//! on any status they do not expect, and a panic turns a worker's VM off for good.

mod host;
mod root;
mod stream;
mod uncalled;

use proxy_wasm::traits::RootContext;

use crate::pools::Pools;

#[global_allocator]
static ALLOCATOR: Pools = Pools::new();

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
