//! A context for each stream, as the filter has one, and the crate's own empty callbacks. With a plugin configuration,
//! whatever it says, each asks for the path of its request, and drops the answer.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { asks: false }) });
}}

struct Root {
    asks: bool,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.asks = size > 0;
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        if self.asks { Some(Box::new(Asking)) } else { Some(Box::new(Silent)) }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Silent;

impl Context for Silent {}

impl HttpContext for Silent {}

struct Asking;

impl Context for Asking {}

impl HttpContext for Asking {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        std::hint::black_box(self.get_http_request_header_bytes(":path"));
        Action::Continue
    }
}
