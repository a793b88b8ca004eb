//! Host calls of the crate that nothing makes.
//!
//! The crate's contexts offer each host call as a method, whose wrapper panics on a status that it does not expect. A
//! vtable keeps all of them in the module, called or not: 40 KB that Envoy would compile in every pod. Defined anew to do
//! nothing they weigh next to nothing, and those panics are gone. [`super::host`] makes the calls that we need.

macro_rules! of_context {
    () => {
        fn get_current_time(&self) -> std::time::SystemTime {
            std::time::UNIX_EPOCH
        }
        fn get_property(&self, _: Vec<&str>) -> Option<Vec<u8>> {
            None
        }
        fn set_property(&self, _: Vec<&str>, _: Option<&[u8]>) {}
        fn get_shared_data(&self, _: &str) -> (Option<Vec<u8>>, Option<u32>) {
            (None, None)
        }
        fn set_shared_data(
            &self,
            _: &str,
            _: Option<&[u8]>,
            _: Option<u32>,
        ) -> Result<(), proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn remove_shared_data(&self, _: &str, _: Option<u32>) -> Result<(), proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn register_shared_queue(&self, _: &str) -> u32 {
            0
        }
        fn resolve_shared_queue(&self, _: &str, _: &str) -> Option<u32> {
            None
        }
        fn dequeue_shared_queue(&self, _: u32) -> Result<Option<Vec<u8>>, proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn enqueue_shared_queue(&self, _: u32, _: Option<&[u8]>) -> Result<(), proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn dispatch_http_call(
            &self,
            _: &str,
            _: Vec<(&str, &str)>,
            _: Option<&[u8]>,
            _: Vec<(&str, &str)>,
            _: std::time::Duration,
        ) -> Result<u32, proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn get_http_call_response_headers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_call_response_headers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn get_http_call_response_header(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_call_response_header_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn get_http_call_response_body(&self, _: usize, _: usize) -> Option<Vec<u8>> {
            None
        }
        fn get_http_call_response_trailers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_call_response_trailers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn get_http_call_response_trailer(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_call_response_trailer_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn dispatch_grpc_call(
            &self,
            _: &str,
            _: &str,
            _: &str,
            _: Vec<(&str, &[u8])>,
            _: Option<&[u8]>,
            _: std::time::Duration,
        ) -> Result<u32, proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn get_grpc_call_response_body(&self, _: usize, _: usize) -> Option<Vec<u8>> {
            None
        }
        fn cancel_grpc_call(&self, _: u32) {}
        fn open_grpc_stream(
            &self,
            _: &str,
            _: &str,
            _: &str,
            _: Vec<(&str, &[u8])>,
        ) -> Result<u32, proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn get_grpc_stream_initial_metadata(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn get_grpc_stream_initial_metadata_value(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn send_grpc_stream_message(&self, _: u32, _: Option<&[u8]>, _: bool) {}
        fn get_grpc_stream_message(&mut self, _: usize, _: usize) -> Option<Vec<u8>> {
            None
        }
        fn get_grpc_stream_trailing_metadata(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn get_grpc_stream_trailing_metadata_value(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn cancel_grpc_stream(&self, _: u32) {}
        fn close_grpc_stream(&self, _: u32) {}
        fn get_grpc_status(&self) -> (u32, Option<String>) {
            (0, None)
        }
        fn call_foreign_function(
            &self,
            _: &str,
            _: Option<&[u8]>,
        ) -> Result<Option<Vec<u8>>, proxy_wasm::types::Status> {
            Err(proxy_wasm::types::Status::InternalFailure)
        }
        fn done(&self) {}
    };
}

macro_rules! of_root_context {
    () => {
        fn get_vm_configuration(&self) -> Option<Vec<u8>> {
            None
        }
        fn get_plugin_configuration(&self) -> Option<Vec<u8>> {
            None
        }
        fn set_tick_period(&self, _: std::time::Duration) {}
    };
}

macro_rules! of_http_context {
    () => {
        fn get_http_request_headers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_request_headers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn set_http_request_headers(&self, _: Vec<(&str, &str)>) {}
        fn set_http_request_headers_bytes(&self, _: Vec<(&str, &[u8])>) {}
        fn get_http_request_header(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_request_header_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set_http_request_header(&self, _: &str, _: Option<&str>) {}
        fn set_http_request_header_bytes(&self, _: &str, _: Option<&[u8]>) {}
        fn add_http_request_header(&self, _: &str, _: &str) {}
        fn add_http_request_header_bytes(&self, _: &str, _: &[u8]) {}
        fn remove_http_request_header(&self, _: &str) {}
        fn get_http_request_body(&self, _: usize, _: usize) -> Option<Vec<u8>> {
            None
        }
        fn set_http_request_body(&self, _: usize, _: usize, _: &[u8]) {}
        fn get_http_request_trailers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_request_trailers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn set_http_request_trailers(&self, _: Vec<(&str, &str)>) {}
        fn set_http_request_trailers_bytes(&self, _: Vec<(&str, &[u8])>) {}
        fn get_http_request_trailer(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_request_trailer_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set_http_request_trailer(&self, _: &str, _: Option<&str>) {}
        fn set_http_request_trailer_bytes(&self, _: &str, _: Option<&[u8]>) {}
        fn add_http_request_trailer(&self, _: &str, _: &str) {}
        fn add_http_request_trailer_bytes(&self, _: &str, _: &[u8]) {}
        fn remove_http_request_trailer(&self, _: &str) {}
        fn resume_http_request(&self) {}
        fn reset_http_request(&self) {}
        fn get_http_response_headers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_response_headers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn set_http_response_headers(&self, _: Vec<(&str, &str)>) {}
        fn set_http_response_headers_bytes(&self, _: Vec<(&str, &[u8])>) {}
        fn get_http_response_header(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_response_header_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set_http_response_header(&self, _: &str, _: Option<&str>) {}
        fn set_http_response_header_bytes(&self, _: &str, _: Option<&[u8]>) {}
        fn add_http_response_header(&self, _: &str, _: &str) {}
        fn add_http_response_header_bytes(&self, _: &str, _: &[u8]) {}
        fn remove_http_response_header(&self, _: &str) {}
        fn get_http_response_body(&self, _: usize, _: usize) -> Option<Vec<u8>> {
            None
        }
        fn set_http_response_body(&self, _: usize, _: usize, _: &[u8]) {}
        fn get_http_response_trailers(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn get_http_response_trailers_bytes(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn set_http_response_trailers(&self, _: Vec<(&str, &str)>) {}
        fn set_http_response_trailers_bytes(&self, _: Vec<(&str, &[u8])>) {}
        fn get_http_response_trailer(&self, _: &str) -> Option<String> {
            None
        }
        fn get_http_response_trailer_bytes(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set_http_response_trailer(&self, _: &str, _: Option<&str>) {}
        fn set_http_response_trailer_bytes(&self, _: &str, _: Option<&[u8]>) {}
        fn add_http_response_trailer(&self, _: &str, _: &str) {}
        fn add_http_response_trailer_bytes(&self, _: &str, _: &[u8]) {}
        fn remove_http_response_trailer(&self, _: &str) {}
        fn resume_http_response(&self) {}
        fn reset_http_response(&self) {}
        fn send_http_response(&self, _: u32, _: Vec<(&str, &str)>, _: Option<&[u8]>) {}
        fn send_grpc_response(
            &self,
            _: proxy_wasm::types::GrpcStatusCode,
            _: Option<&str>,
            _: Vec<(&str, &[u8])>,
        ) {
        }
    };
}

pub(super) use {of_context, of_http_context, of_root_context};
