//! Calls to the host that cannot panic: every status comes back as a value.
//!
//! The imports are declared here and not taken from the crate `proxy-wasm`, whose wrappers panic. Memory that the host
//! hands over was allocated by the crate's `proxy_on_memory_allocate` as a boxed slice of exactly the size reported.

#![expect(unsafe_code, reason = "the proxy-wasm ABI is C functions with raw pointers")]

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};

/// A status of the host that is not OK. <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#proxy_status_t>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(u32);

const OK: u32 = 0;
const INTERNAL_FAILURE: u32 = 10;

mod import {
    use std::ffi::c_void;

    // A module name keeps these symbols apart from the crate's own declarations of the same imports.
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer_type: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map_type: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_get_status(code: *mut u32, message: *mut *mut u8, size: *mut usize) -> u32;
        #[link_name = "proxy_grpc_call"]
        pub(super) fn host_grpc_call(
            upstream: *const c_void,
            upstream_size: usize,
            service: *const c_void,
            service_size: usize,
            method: *const c_void,
            method_size: usize,
            metadata: *const c_void,
            metadata_size: usize,
            message: *const c_void,
            message_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
    }
}

fn check(status: u32) -> Result<(), Status> {
    if status == OK { Ok(()) } else { Err(Status(status)) }
}

/// Bytes that the host allocated in our memory. The buffer holds nothing when the host reports nothing.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    check(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host got this block from `proxy_on_memory_allocate(size)`, which leaks a boxed slice of that size, and
    // hands it to nobody else.
    let block = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)) };
    Ok(block.into_vec())
}

pub(super) fn log(level: LogLevel, message: &str) {
    // SAFETY: pointer and length describe `message`. A log line that the host refuses is lost; there is no one to tell.
    unsafe { import::proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Nanoseconds since the Unix epoch; zero from a host that has no clock.
pub(super) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes one u64.
    unsafe { import::proxy_get_current_time_nanoseconds(&raw mut time) };
    time
}

pub(super) fn set_tick_period(millis: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    check(unsafe { import::proxy_set_tick_period_milliseconds(millis) })
}

/// At most `max_size` bytes of a buffer from `start`; empty where it has none.
pub(super) fn buffer(kind: BufferType, start: usize, max_size: usize) -> Result<Vec<u8>, Status> {
    received(|data, size| {
        // SAFETY: the host writes one pointer and one length.
        unsafe { import::proxy_get_buffer_bytes(kind as u32, start, max_size, data, size) }
    })
}

pub(super) fn header_map(kind: MapType) -> Result<HeaderMap, Status> {
    let bytes = received(|data, size| {
        // SAFETY: the host writes one pointer and one length.
        unsafe { import::proxy_get_header_map_pairs(kind as u32, data, size) }
    })?;
    Ok(HeaderMap { bytes })
}

/// A property of the stream, the node or the host; `None` where it has none, for whatever reason.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    received(|data, size| {
        // SAFETY: pointer and length describe `path`; the host writes one pointer and one length.
        unsafe { import::proxy_get_property(path.as_ptr(), path.len(), data, size) }
    })
    .ok()
}

pub(super) fn property_text(path: &[&str]) -> Option<String> {
    property(path).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
}

/// Envoy serializes numbers as eight bytes, little endian.
pub(super) fn property_integer(path: &[&str]) -> Option<i64> {
    property(path).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes)
}

/// True for the first VM of this process that asks for `key`. All VMs of one `vm_id` share the memory of it.
pub(super) fn claim(key: &str) -> bool {
    const NOT_FOUND: u32 = 1;
    let mut cas = 0;
    let seen = received(|data, size| {
        // SAFETY: pointer and length describe `key`; the host writes a pointer, a length and a u32.
        unsafe { import::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) }
    });
    match seen {
        Ok(_) => false,
        Err(Status(NOT_FOUND)) => {
            let value = b"1";
            // SAFETY: pointers and lengths describe `key` and `value`.
            let set = unsafe {
                import::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
            };
            set == OK
        }
        // A host without shared data: say it from every VM rather than from none.
        Err(_) => true,
    }
}

pub(super) fn define_metric(kind: MetricType, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: pointer and length describe `name`; the host writes one u32.
    check(unsafe { import::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    // SAFETY: no pointers.
    check(unsafe { import::proxy_increment_metric(id, offset) })
}

/// What the host says about the gRPC answer that is being delivered.
pub(super) fn grpc_status_message() -> String {
    let mut code = 0;
    received(|data, size| {
        // SAFETY: the host writes a u32, a pointer and a length.
        unsafe { import::proxy_get_status(&raw mut code, data, size) }
    })
    .ok()
    .and_then(|bytes| String::from_utf8(bytes).ok())
    .unwrap_or_default()
}

thread_local! {
    /// The serialized `GrpcService` of the call being made: the crate takes only text for it.
    static GRPC_SERVICE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static GRPC_STATUS: Cell<u32> = const { Cell::new(OK) };
}

/// A unary gRPC call. Its answer comes to `on_grpc_call_response` of the context that makes it.
///
/// `grpc_service` is a serialized `envoy.config.core.v3.GrpcService`.
pub(super) fn grpc_call(
    grpc_service: &[u8],
    service: &str,
    method: &str,
    message: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    GRPC_SERVICE.with_borrow_mut(|slot| {
        slot.clear();
        slot.extend_from_slice(grpc_service);
    });
    GRPC_STATUS.set(OK);
    // The crate must make the call itself: only then does its dispatcher know whose the answer is.
    let timeout = std::time::Duration::from_millis(u64::from(timeout_ms));
    proxy_wasm::hostcalls::dispatch_grpc_call("", service, method, vec![], Some(message), timeout)
        .map_err(|_| Status(GRPC_STATUS.get()))
}

/// Stands between the crate `proxy-wasm` and the host: the crate's undeclared symbol of this name resolves here.
///
/// It puts the binary `GrpcService` in place of the crate's text, and turns every status that the crate would panic on
/// into one that it hands back.
#[unsafe(no_mangle)]
extern "C" fn proxy_grpc_call(
    _upstream: *const u8,
    _upstream_size: usize,
    service: *const u8,
    service_size: usize,
    method: *const u8,
    method_size: usize,
    metadata: *const u8,
    metadata_size: usize,
    message: *const u8,
    message_size: usize,
    timeout: u32,
    token: *mut u32,
) -> u32 {
    let status = GRPC_SERVICE.with_borrow(|upstream| {
        // SAFETY: `upstream` outlives the call; the other pointers and lengths are the crate's, passed on as they came.
        unsafe {
            import::host_grpc_call(
                upstream.as_ptr().cast(),
                upstream.len(),
                service.cast(),
                service_size,
                method.cast(),
                method_size,
                metadata.cast(),
                metadata_size,
                message.cast(),
                message_size,
                timeout,
                token,
            )
        }
    });
    GRPC_STATUS.set(status);
    if status == OK { OK } else { INTERNAL_FAILURE }
}

/// Random numbers that nobody outside can foretell: SipHash in counter mode under a key from the host's randomness.
pub(super) struct Random {
    key: RandomState,
    counter: u64,
}

impl Random {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), counter: 0 }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let mut hasher = self.key.build_hasher();
        hasher.write_u64(self.counter);
        hasher.finish()
    }
}

/// The headers of one message, read from the host in one call.
///
/// Layout: a count, then a pair of lengths for each header, then names and values, each followed by a NUL.
pub(super) struct HeaderMap {
    bytes: Vec<u8>,
}

impl HeaderMap {
    fn length(&self, at: usize) -> Option<usize> {
        let word: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    }

    fn find(&self, wanted: &[u8]) -> Option<&[u8]> {
        let count = self.length(0)?;
        let mut lengths_at = 4_usize;
        let mut text_at = count.checked_mul(8)?.checked_add(4)?;
        for _ in 0..count {
            let name_length = self.length(lengths_at)?;
            let value_length = self.length(lengths_at.checked_add(4)?)?;
            let name_end = text_at.checked_add(name_length)?;
            let value_at = name_end.checked_add(1)?;
            let value_end = value_at.checked_add(value_length)?;
            if self.bytes.get(text_at..name_end)? == wanted {
                return self.bytes.get(value_at..value_end);
            }
            lengths_at = lengths_at.checked_add(8)?;
            text_at = value_end.checked_add(1)?;
        }
        None
    }
}

impl crate::exchange::Headers for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name.as_bytes())
    }
}
