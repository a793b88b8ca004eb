//! What the module may ask of its host: proxy-wasm 0.2.1, as far as the filter uses it, and the few WASI functions
//! that Rust's standard library imports.
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>
//!
//! Anything else that a module imports from proxy-wasm answers `unimplemented`. A pointer outside the module's memory
//! answers `invalid memory access`; only a trap of the module itself ends a call.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use wasmtime::{Caller, ExternType, Linker, Module, Val};

use super::host::{GrpcCall, Header, Host, LogLine, Stream};

/// `proxy_status_t`.
#[derive(Clone, Copy)]
enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    InvalidMemoryAccess = 6,
    Unimplemented = 12,
}

impl From<Status> for u32 {
    fn from(status: Status) -> Self {
        status as Self
    }
}

type Call<'a> = Caller<'a, Host>;
/// A status for the module, or a trap.
type Answer = wasmtime::Result<u32>;

const MODULE: &str = "env";
const WASI: &str = "wasi_snapshot_preview1";
/// `proxy_buffer_type_t`.
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const GRPC_RECEIVE: u32 = 5;
const PLUGIN_CONFIGURATION: u32 = 7;
/// `proxy_map_type_t`.
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
/// Lines and series that a module cannot make us keep more of.
const MAX_LOG_LINES: usize = 1_000;
const MAX_METRICS: usize = 1_000;

/// Defines every import of `module` that belongs to proxy-wasm or to Rust's runtime.
pub(super) fn add_to(linker: &mut Linker<Host>, module: &Module) -> wasmtime::Result<()> {
    add_streams(linker)?;
    add_services(linker)?;
    add_wasi(linker)?;
    for import in module.imports().filter(|import| import.module() == MODULE) {
        let ExternType::Func(signature) = import.ty() else { continue };
        // Those above are defined already; what is left is the crate's, and never called by the filter.
        let unimplemented = |_: Call<'_>, _: &[Val], results: &mut [Val]| {
            results.fill(Val::I32(Status::Unimplemented as i32));
            Ok(())
        };
        if !is_defined(import.name()) {
            linker.func_new(MODULE, import.name(), signature, unimplemented)?;
        }
    }
    Ok(())
}

fn is_defined(name: &str) -> bool {
    const DEFINED: [&str; 13] = [
        "proxy_define_metric",
        "proxy_get_buffer_bytes",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_get_shared_data",
        "proxy_get_status",
        "proxy_grpc_call",
        "proxy_increment_metric",
        "proxy_log",
        "proxy_set_effective_context",
        "proxy_set_shared_data",
        "proxy_set_tick_period_milliseconds",
    ];
    DEFINED.contains(&name)
}

/// What a stream consists of.
fn add_streams(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_buffer_bytes",
        |mut call: Call<'_>, kind: u32, start: u32, max_size: u32, data: u32, size: u32| -> Answer {
            let bytes = buffer(call.data(), kind).map(|bytes| {
                let start = to_usize(start).min(bytes.len());
                let end = start.saturating_add(to_usize(max_size)).min(bytes.len());
                bytes.get(start..end).unwrap_or_default().to_vec()
            });
            give(&mut call, data, size, bytes.filter(|bytes| !bytes.is_empty()))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_pairs",
        |mut call: Call<'_>, kind: u32, data: u32, size: u32| -> Answer {
            let map = header_map_of(call.data(), kind).filter(|map| !map.is_empty()).cloned();
            give(&mut call, data, size, map)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_property",
        |mut call: Call<'_>, path: u32, path_size: u32, data: u32, size: u32| -> Answer {
            let Some(path) = read(&mut call, path, path_size) else {
                return Ok(Status::InvalidMemoryAccess.into());
            };
            let host = call.data();
            let value = host.streams.get(&host.context).and_then(|stream| property(stream, &path));
            give(&mut call, data, size, value)
        },
    )?;
    Ok(())
}

fn buffer(host: &Host, kind: u32) -> Option<&[u8]> {
    let stream = host.streams.get(&host.context);
    match kind {
        REQUEST_BODY => Some(&stream?.request_body),
        RESPONSE_BODY => Some(&stream?.response_body),
        // Every call is answered with an empty message.
        GRPC_RECEIVE => Some(&[]),
        PLUGIN_CONFIGURATION => Some(&host.configuration),
        _ => None,
    }
}

fn header_map_of(host: &Host, kind: u32) -> Option<&Vec<u8>> {
    let stream = host.streams.get(&host.context)?;
    match kind {
        REQUEST_HEADERS => Some(&stream.request_headers),
        RESPONSE_HEADERS => Some(&stream.response_headers),
        _ => None,
    }
}

fn property(stream: &Stream, path: &[u8]) -> Option<Vec<u8>> {
    /// As Envoy counts: `envoy.config.core.v3.TrafficDirection`.
    const OUTBOUND: i64 = 2;
    match path {
        b"listener_direction" => Some(OUTBOUND.to_le_bytes().to_vec()),
        b"response\0code_details" => Some(stream.code_details.clone().into_bytes()),
        _ => None,
    }
}

/// What belongs to no stream.
fn add_services(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "proxy_log", |mut call: Call<'_>, level: u32, text: u32, size: u32| {
        let Some(message) = read(&mut call, text, size) else { return Status::InvalidMemoryAccess.into() };
        let logs = &mut call.data_mut().logs;
        if logs.len() < MAX_LOG_LINES {
            logs.push(LogLine { level, message: String::from_utf8_lossy(&message).into_owned() });
        }
        u32::from(Status::Ok)
    })?;
    linker.func_wrap(MODULE, "proxy_get_current_time_nanoseconds", |mut call: Call<'_>, time: u32| {
        let now = call.data().now_unix_nanos;
        write(&mut call, time, &now.to_le_bytes())
    })?;
    linker.func_wrap(MODULE, "proxy_set_effective_context", |mut call: Call<'_>, context: u32| {
        call.data_mut().context = context;
        u32::from(Status::Ok)
    })?;
    // Ticks come when `Filter::flush` says so.
    linker.func_wrap(MODULE, "proxy_set_tick_period_milliseconds", |_: u32| u32::from(Status::Ok))?;
    linker.func_wrap(
        MODULE,
        "proxy_grpc_call",
        |mut call: Call<'_>,
         _upstream: u32,
         _upstream_size: u32,
         _service: u32,
         _service_size: u32,
         _method: u32,
         _method_size: u32,
         _metadata: u32,
         _metadata_size: u32,
         message: u32,
         message_size: u32,
         _timeout_ms: u32,
         token: u32| {
            let Some(message) = read(&mut call, message, message_size) else {
                return Status::InvalidMemoryAccess.into();
            };
            let host = call.data_mut();
            host.last_token = host.last_token.wrapping_add(1);
            let next = host.last_token;
            host.calls.push(GrpcCall { token: next, message });
            write(&mut call, token, &next.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_status",
        |mut call: Call<'_>, code: u32, data: u32, size: u32| -> Answer {
            // Every call is answered with OK, which has no message.
            write(&mut call, code, &0_u32.to_le_bytes());
            give(&mut call, data, size, Some(Vec::new()))
        },
    )?;
    add_shared_data(linker)?;
    add_metrics(linker)
}

fn add_shared_data(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_shared_data",
        |mut call: Call<'_>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| -> Answer {
            let Some(key) = read(&mut call, key, key_size) else {
                return Ok(Status::InvalidMemoryAccess.into());
            };
            let value = call.data().shared_data.get(&key).cloned();
            write(&mut call, cas, &0_u32.to_le_bytes());
            give(&mut call, data, size, value)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_shared_data",
        |mut call: Call<'_>, key: u32, key_size: u32, value: u32, value_size: u32, _cas: u32| {
            let key = read(&mut call, key, key_size);
            let value = read(&mut call, value, value_size);
            let (Some(key), Some(value)) = (key, value) else { return Status::InvalidMemoryAccess.into() };
            call.data_mut().shared_data.insert(key, value);
            u32::from(Status::Ok)
        },
    )?;
    Ok(())
}

fn add_metrics(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_define_metric",
        |mut call: Call<'_>, _kind: u32, name: u32, name_size: u32, id: u32| {
            let Some(name) = read(&mut call, name, name_size) else {
                return Status::InvalidMemoryAccess.into();
            };
            let name = String::from_utf8_lossy(&name).into_owned();
            let metrics = &mut call.data_mut().metrics;
            let known = metrics.iter().position(|(known, _)| *known == name);
            let Ok(index) = u32::try_from(known.unwrap_or(metrics.len())) else {
                return Status::BadArgument.into();
            };
            if known.is_none() {
                if metrics.len() >= MAX_METRICS {
                    return Status::BadArgument.into();
                }
                metrics.push((name, 0));
            }
            write(&mut call, id, &index.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_increment_metric",
        |mut call: Call<'_>, id: u32, offset: i64| match call.data_mut().metrics.get_mut(to_usize(id)) {
            Some((_, value)) => {
                *value = value.saturating_add(offset);
                u32::from(Status::Ok)
            }
            None => Status::NotFound.into(),
        },
    )?;
    Ok(())
}

/// Rust's standard library: an empty environment, randomness, nowhere to write to.
fn add_wasi(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    const SUCCESS: u32 = 0;
    const FAULT: u32 = 21;
    const BAD_DESCRIPTOR: u32 = 8;
    const MAX_RANDOM_BYTES: u32 = 1 << 16;
    linker.func_wrap(WASI, "environ_sizes_get", |mut call: Call<'_>, count: u32, size: u32| {
        let zero = 0_u32.to_le_bytes();
        let written = write(&mut call, count, &zero) + write(&mut call, size, &zero);
        if written == 0 { SUCCESS } else { FAULT }
    })?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(WASI, "fd_write", |_: u32, _: u32, _: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "random_get", |mut call: Call<'_>, data: u32, size: u32| {
        if size > MAX_RANDOM_BYTES {
            return FAULT;
        }
        let keys = RandomState::new();
        let bytes: Vec<u8> = (0..u64::from(size).div_ceil(8))
            .flat_map(|block| {
                let mut hasher = keys.build_hasher();
                hasher.write_u64(block);
                hasher.finish().to_le_bytes()
            })
            .take(to_usize(size))
            .collect();
        if write(&mut call, data, &bytes) == 0 { SUCCESS } else { FAULT }
    })?;
    linker.func_wrap(WASI, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("the module exits with {code}")))
    })?;
    Ok(())
}

/// A block of the module's memory; `None` when it has no such memory.
fn read(call: &mut Call<'_>, at: u32, size: u32) -> Option<Vec<u8>> {
    let memory = call.data().guest.as_ref()?.memory;
    let at = to_usize(at);
    memory.data(&call).get(at..at.checked_add(to_usize(size))?).map(<[u8]>::to_vec)
}

fn write(call: &mut Call<'_>, at: u32, bytes: &[u8]) -> u32 {
    let memory = call.data().guest.as_ref().map(|guest| guest.memory);
    let written = memory.map(|memory| memory.write(call, to_usize(at), bytes));
    if matches!(written, Some(Ok(()))) { Status::Ok.into() } else { Status::InvalidMemoryAccess.into() }
}

/// Copies `bytes` into memory that the module allocates for them, and says where they are.
fn give(call: &mut Call<'_>, data_at: u32, size_at: u32, bytes: Option<Vec<u8>>) -> Answer {
    let Some(bytes) = bytes else { return Ok(Status::NotFound.into()) };
    let Ok(size) = u32::try_from(bytes.len()) else { return Ok(Status::BadArgument.into()) };
    let mut data = 0;
    if size > 0 {
        let Some(allocate) = call.data().guest.as_ref().map(|guest| guest.allocate.clone()) else {
            return Ok(Status::InvalidMemoryAccess.into());
        };
        data = allocate.call(&mut *call, size)?;
    }
    let written = write(call, data, &bytes)
        | write(call, data_at, &data.to_le_bytes())
        | write(call, size_at, &size.to_le_bytes());
    Ok(written)
}

fn to_usize(value: u32) -> usize {
    value.try_into().unwrap_or(usize::MAX)
}

/// Headers as the ABI passes them: a count, a pair of lengths for each, then names and values, each with a NUL.
pub(super) fn header_map(headers: &[Header]) -> Vec<u8> {
    let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = word(headers.len()).to_vec();
    for (name, value) in headers {
        map.extend(word(name.len()));
        map.extend(word(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        map.extend(text);
        map.push(0);
    }
    map
}
