//! Calls to the host that cannot panic: every status comes back as a value.
//!
//! The imports are declared here and not taken from the crate `proxy-wasm`, whose wrappers panic. Memory that the host
//! hands over was allocated by the crate's `proxy_on_memory_allocate` as a boxed slice of exactly the size reported.

#![expect(unsafe_code, reason = "the proxy-wasm ABI is C functions with raw pointers")]

use std::cell::OnceCell;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};

use crate::config::Header;
use crate::random;
use crate::wire::is_same;
use crate::wire::json::mark;

/// A status of the host that is not OK. <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#proxy_status_t>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(u32);

const OK: u32 = 0;
const PARSE_FAILURE: u32 = 4;
const INTERNAL_FAILURE: u32 = 10;

impl Status {
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// A call to a cluster that is not there, or that has no endpoint right now.
    pub(super) fn is_call_failure(self) -> bool {
        matches!(self.0, PARSE_FAILURE | INTERNAL_FAILURE)
    }
}

mod import {
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
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
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
        pub(super) fn proxy_set_effective_context(context_id: u32) -> u32;
        pub(super) fn proxy_get_status(code: *mut u32, message: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_grpc_call(
            upstream: *const u8,
            upstream_size: usize,
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
        ) -> u32;
    }
}

mod wasi {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(data: *mut u8, size: usize) -> u32;
    }
}

mod export {
    unsafe extern "C" {
        /// What the crate exports for the host.
        pub(super) fn proxy_on_queue_ready(context_id: u32, queue_id: u32);
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
    Ok(HeaderMap { bytes, marks: OnceCell::new() })
}

/// A property of the node; `None` where it has none, for whatever reason.
pub(super) fn node_property(path: &[&str]) -> Option<Vec<u8>> {
    property(&path.join("\0"))
}

/// A property of the stream, the node, the plugin or the host, with a NUL between the parts of its path; `None` where it has none,
/// for whatever reason.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    received(|data, size| {
        // SAFETY: pointer and length describe `path`; the host writes one pointer and one length.
        unsafe { import::proxy_get_property(path.as_ptr(), path.len(), data, size) }
    })
    .ok()
}

/// Notes something of the stream, for whoever comes after in it. A host that has no place for notes keeps none.
pub(super) fn note(name: &str) {
    // SAFETY: pointers and lengths describe `name` and one byte.
    unsafe { import::proxy_set_property(name.as_ptr(), name.len(), b"1".as_ptr(), 1) };
}

pub(super) fn property_text(path: &str) -> Option<String> {
    property(path).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
}

/// Envoy serializes numbers as eight bytes, little endian.
pub(super) fn property_integer(path: &str) -> Option<i64> {
    property(path).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes)
}

/// What the first VM of this process shares under `key`; `None` for that VM itself. All VMs of one `vm_id` share it. The main thread's comes before those
/// of the workers, so that no two are the first.
pub(super) fn share(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    const NOT_FOUND: u32 = 1;
    let mut cas = 0;
    let seen = received(|data, size| {
        // SAFETY: pointer and length describe `key`; the host writes a pointer, a length and a u32.
        unsafe { import::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) }
    });
    if seen == Err(Status(NOT_FOUND)) {
        // SAFETY: pointers and lengths describe `key` and `value`. On a host that does not take it each VM is the first:
        // things are said by all rather than by none.
        unsafe { import::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    }
    seen.ok()
}

/// Puts something into a place that outlives this VM, after what is there, as long as both are within `max_bytes`.
/// `false` when it finds no room there, or the host has no such place.
pub(super) fn leave(key: &str, value: &[u8], max_bytes: usize) -> bool {
    for _ in 0..TRIES {
        let (mut all, cas) = shared_data(key);
        all.extend(value);
        if all.len() > max_bytes {
            return false;
        }
        if set_shared_data(key, &all, cas) {
            return true;
        }
    }
    false
}

/// Takes what was left there, once.
pub(super) fn take_left(key: &str) -> Vec<u8> {
    let (left, cas) = shared_data(key);
    if left.is_empty() || !set_shared_data(key, &[], cas) {
        return Vec::new();
    }
    left
}

/// Other workers may be at the same place.
const TRIES: usize = 8;

/// Changes what is there with `change`, which may be asked again when another VM was at the same place, and says what
/// that came to.
pub(super) fn change<T>(key: &str, mut change: impl FnMut(&[u8]) -> (T, Vec<u8>)) -> T {
    let mut tries = TRIES;
    loop {
        let (value, cas) = shared_data(key);
        let (came_to, value) = change(&value);
        tries = tries.saturating_sub(1);
        if set_shared_data(key, &value, cas) || tries == 0 {
            return came_to;
        }
    }
}

/// What is there.
pub(super) fn shared(key: &str) -> Vec<u8> {
    shared_data(key).0
}

/// What is there, and the number that says that nobody has changed it since.
fn shared_data(key: &str) -> (Vec<u8>, u32) {
    let mut cas = 0;
    let value = received(|data, size| {
        // SAFETY: pointer and length describe `key`; the host writes a pointer, a length and a u32.
        unsafe { import::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) }
    });
    (value.unwrap_or_default(), cas)
}

fn set_shared_data(key: &str, value: &[u8], cas: u32) -> bool {
    // SAFETY: pointers and lengths describe `key` and `value`.
    let status =
        unsafe { import::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    status == OK
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

/// Calls `on_queue_ready` of a root context from the last callback of a stream, as if the host did: a call that the
/// stream itself makes ends with it, and the crate looks for the stream when the answer comes.
///
/// The root context must be there. Until the callback returns, host and crate take it for the one that is called.
pub(super) fn wake_root(root_id: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    check(unsafe { import::proxy_set_effective_context(root_id) })?;
    // SAFETY: a function of the crate for the host to call, which takes numbers.
    unsafe { export::proxy_on_queue_ready(root_id, 0) };
    Ok(())
}

/// gRPC metadata as the host takes it: a count, a pair of lengths for each, then names and values, each with a NUL.
pub(super) fn metadata(headers: &[Header]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |part: &[u8]| bytes.extend_from_slice(part);
    let length = |length: usize| u32::try_from(length).unwrap_or_default().to_le_bytes();
    add(&length(headers.len()));
    for text in headers.iter().flat_map(|header| [&header.name, &header.value]) {
        add(&length(text.len()));
    }
    for text in headers.iter().flat_map(|header| [&header.name, &header.value]) {
        add(text.as_bytes());
        add(&[0]);
    }
    bytes
}

/// Makes one gRPC call whose answer nobody waits for, to learn whether the host takes calls to this service at all.
///
/// `grpc_service` is a serialized `envoy.config.core.v3.GrpcService`; Envoy aborts on one that names no target.
pub(super) fn grpc_probe(
    grpc_service: &[u8],
    service: &str,
    method: &str,
    metadata: &[u8],
    timeout_ms: u32,
) -> Result<(), Status> {
    let mut token = 0;
    // SAFETY: pointers and lengths describe slices that outlive the call; the host writes one u32.
    check(unsafe {
        import::proxy_grpc_call(
            grpc_service.as_ptr(),
            grpc_service.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            std::ptr::null(),
            0,
            timeout_ms,
            &raw mut token,
        )
    })
}

/// A gRPC call. Its answer comes to `on_grpc_call_response` of the context that makes it.
///
/// The crate must make the call itself: only then does its dispatcher know whose the answer is. It panics on a status
/// that [`Status::is_call_failure`] does not know; such a status depends on `grpc_service` alone, so that only a service
/// that was probed may be called.
pub(super) fn grpc_call(
    grpc_service: &[u8],
    service: &str,
    method: &str,
    headers: &[Header],
    message: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    // SAFETY: the crate asks for text although the ABI takes bytes. It uses nothing but pointer and length of it, which
    // is all that is asked of a `str` whose bytes may not be UTF-8. The version is pinned for this.
    let upstream = unsafe { std::str::from_utf8_unchecked(grpc_service) };
    let timeout = std::time::Duration::from_millis(u64::from(timeout_ms));
    let metadata = headers.iter().map(|header| (header.name.as_str(), header.value.as_bytes())).collect();
    proxy_wasm::hostcalls::dispatch_grpc_call(upstream, service, method, metadata, Some(message), timeout)
        .map_err(|status| Status(status as u32))
}

/// Random numbers of the host's, which nobody outside can foretell where it has any. Many are fetched at once: a call takes
/// longer than they do.
pub(super) struct Random {
    numbers: [u64; 32],
    /// How many of them have not been handed out.
    left: usize,
    can_be_foretold: bool,
}

impl Random {
    pub(super) fn new() -> Self {
        Self { numbers: [0; 32], left: 0, can_be_foretold: false }
    }

    /// Whether some that were handed out are no secrets, see [`random::spread`].
    pub(super) fn can_be_foretold(&self) -> bool {
        self.can_be_foretold
    }

    pub(super) fn next(&mut self) -> u64 {
        if self.left == 0 {
            self.fetch();
        }
        self.left = self.left.saturating_sub(1);
        self.numbers.get(self.left).copied().unwrap_or_default()
    }

    fn fetch(&mut self) {
        let size = size_of_val(&self.numbers);
        // SAFETY: the host writes `size` bytes, which may be any.
        let status = unsafe { wasi::random_get(self.numbers.as_mut_ptr().cast(), size) };
        if status != OK {
            // A host without randomness: ids must still differ, from each other and from those of other proxies.
            let seed = self.numbers.first().copied().unwrap_or_default() ^ now();
            random::spread(seed, &mut self.numbers);
            self.can_be_foretold = true;
        }
        self.left = self.numbers.len();
    }
}

/// The headers of one message, read from the host in one call.
///
/// Layout: a count, then a pair of lengths for each header, then names and values, each followed by a NUL.
pub(super) struct HeaderMap {
    bytes: Vec<u8>,
    /// The [`mark`]s of the names, once one was asked for: most are not there, and need not be searched for.
    marks: OnceCell<u64>,
}

impl HeaderMap {
    /// `:method`, `:authority` and `:path`; empty where there is none.
    pub(super) fn request_line(&self) -> [&[u8]; 3] {
        let mut line: [&[u8]; 3] = [&[]; 3];
        let [method, authority, path] = &mut line;
        self.walk(&mut |name, value| {
            match name {
                b":method" => *method = value,
                b":authority" => *authority = value,
                b":path" => *path = value,
                _ => {}
            }
            name.first() != Some(&b':')
        });
        line
    }

    /// Most names have another length, and need not be looked at.
    fn find<'a>(&'a self, wanted: &[u8]) -> Option<&'a [u8]> {
        if self.marks.get_or_init(|| self.marks()) & mark(wanted) == 0 {
            return None;
        }
        let (lengths, text) = self.parts()?;
        let mut at = 0_usize;
        for lengths in lengths {
            let (name_length, value_length) = pair(lengths);
            let value_at = at.checked_add(name_length)?.checked_add(1)?;
            if name_length == wanted.len() && is_same(text.get(at..value_at.saturating_sub(1))?, wanted) {
                return text.get(value_at..value_at.checked_add(value_length)?);
            }
            at = value_at.checked_add(value_length)?.checked_add(1)?;
        }
        None
    }

    fn marks(&self) -> u64 {
        let mut marks = 0;
        // Behind what is no map there are no headers.
        let _ = self.walk(&mut |name, _| {
            marks |= mark(name);
            false
        });
        marks
    }

    /// Until `see` has seen enough; `None` where the bytes stop being a map.
    #[inline]
    fn walk<'a>(&'a self, see: &mut impl FnMut(&'a [u8], &'a [u8]) -> bool) -> Option<()> {
        let (lengths, mut text) = self.parts()?;
        for lengths in lengths {
            let (name_length, value_length) = pair(lengths);
            let (name, behind) = text.split_at_checked(name_length)?;
            let (value, behind) = behind.get(1..)?.split_at_checked(value_length)?;
            if see(name, value) {
                break;
            }
            text = behind.get(1..)?;
        }
        Some(())
    }

    /// The pairs of lengths, and what they are the lengths of.
    fn parts(&self) -> Option<(&[[u8; 8]], &[u8])> {
        let (count, rest) = self.bytes.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (lengths, text) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some((lengths.as_chunks().0, text))
    }
}

/// The lengths of a name and its value.
#[inline]
fn pair([n0, n1, n2, n3, v0, v1, v2, v3]: &[u8; 8]) -> (usize, usize) {
    let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    (length([*n0, *n1, *n2, *n3]), length([*v0, *v1, *v2, *v3]))
}

impl crate::exchange::Headers for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name.as_bytes())
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }
}
