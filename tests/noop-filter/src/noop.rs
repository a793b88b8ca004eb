//! A context for each stream, as the filter has one, and the crate's own empty callbacks.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
#[cfg(feature = "trap")]
use proxy_wasm::types::Action;
use proxy_wasm::types::ContextType;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root) });
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

/// With the feature `trap`: traps on a request that asks for it, to see what a proxy does then.
impl HttpContext for Stream {
    #[cfg(feature = "trap")]
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.get_http_request_header("x-meshtap-trap").is_some() {
            std::process::abort();
        }
        Action::Continue
    }
}
