//! A context for each stream, as the filter has one, and the crate's own empty callbacks. With `asks` for a plugin
//! configuration each asks for the path of its request, and drops the answer. With `asks and counts` a counter tells how
//! many paths came, which is for the test that they do: counting is one more call to the host.

use proxy_wasm::hostcalls::{define_metric, increment_metric};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

#[derive(Default)]
struct Root {
    asks: bool,
    paths: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        self.asks = configuration.starts_with(b"asks");
        if configuration == b"asks and counts" {
            self.paths = define_metric(MetricType::Counter, "noop_paths_total").ok();
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        if self.asks { Some(Box::new(Asking { paths: self.paths })) } else { Some(Box::new(Silent)) }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Silent;

impl Context for Silent {}

impl HttpContext for Silent {}

struct Asking {
    /// The counter, where there is one.
    paths: Option<u32>,
}

impl Context for Asking {}

impl HttpContext for Asking {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let path = std::hint::black_box(self.get_http_request_header_bytes(":path"));
        if let (Some(counter), Some(_)) = (self.paths, path) {
            let _ = increment_metric(counter, 1);
        }
        Action::Continue
    }
}
