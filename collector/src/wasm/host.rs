//! Runs the filter module: compiles it once, starts instances, calls its entry points.
//!
//! One [`Filter`] is what one worker's VM is in Envoy: one root context, any number of streams, one thread.

use std::collections::HashMap;

use thiserror::Error;
use wasmtime::{
    Config, Engine, InstancePre, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, TypedFunc,
    WasmParams, WasmResults,
};

use super::abi;

/// The linear memory that Envoy gives a module at most.
pub const MAX_MEMORY_BYTES: usize = 1 << 30;
const MAX_STACK_BYTES: usize = 1 << 20;
const ROOT: u32 = 1;
const NO_PARENT: u32 = 0;

#[derive(Debug, Error)]
pub enum FilterError {
    #[error("not a WebAssembly module that can be run: {0:#}")]
    Module(wasmtime::Error),
    #[error("not the meshtap filter: {0:#}")]
    Interface(wasmtime::Error),
    #[error("the filter trapped: {}", .0.root_cause())]
    Trap(wasmtime::Error),
    #[error("the filter refuses to start")]
    Refused,
}

/// A compiled module, ready to be started any number of times.
pub struct FilterModule {
    engine: Engine,
    instance: InstancePre<Host>,
}

impl FilterModule {
    /// # Errors
    ///
    /// When `wasm` is not a module, or one that asks for more than proxy-wasm has.
    pub fn compile(wasm: &[u8]) -> Result<Self, FilterError> {
        let mut config = Config::new();
        config.max_wasm_stack(MAX_STACK_BYTES);
        let engine = Engine::new(&config).map_err(FilterError::Module)?;
        let module = Module::new(&engine, wasm).map_err(FilterError::Module)?;
        let mut linker = Linker::new(&engine);
        abi::add_to(&mut linker, &module).map_err(FilterError::Interface)?;
        let instance = linker.instantiate_pre(&module).map_err(FilterError::Interface)?;
        Ok(Self { engine, instance })
    }

    /// A running filter with `configuration`, the plugin configuration as JSON.
    pub fn start(&self, configuration: &[u8]) -> Result<Filter, FilterError> {
        let mut store = Store::new(&self.engine, Host::new(configuration.to_vec()));
        store.limiter(|host| &mut host.limits);
        let instance = self.instance.instantiate(&mut store).map_err(FilterError::Trap)?;
        let entries = Entries::of(&instance, &mut store).map_err(FilterError::Interface)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or(FilterError::Refused)?;
        let allocate = instance
            .get_typed_func(&mut store, "proxy_on_memory_allocate")
            .map_err(FilterError::Interface)?;
        store.data_mut().guest = Some(Guest { memory, allocate });

        let initialize: TypedFunc<(), ()> =
            instance.get_typed_func(&mut store, "_initialize").map_err(FilterError::Interface)?;
        initialize.call(&mut store, ()).map_err(FilterError::Trap)?;
        let mut filter = Filter { store, entries, memory, next_context: ROOT };
        filter.configure(configuration.len())?;
        Ok(filter)
    }
}

impl std::fmt::Debug for FilterModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilterModule").finish_non_exhaustive()
    }
}

/// The entry points that we call, with the arguments that the ABI gives them.
struct Entries {
    context_create: TypedFunc<(u32, u32), ()>,
    vm_start: TypedFunc<(u32, u32), u32>,
    configure: TypedFunc<(u32, u32), u32>,
    tick: TypedFunc<u32, ()>,
    grpc_receive: TypedFunc<(u32, u32, u32), ()>,
    request_headers: TypedFunc<(u32, u32, u32), u32>,
    request_body: TypedFunc<(u32, u32, u32), u32>,
    response_headers: TypedFunc<(u32, u32, u32), u32>,
    response_body: TypedFunc<(u32, u32, u32), u32>,
    log: TypedFunc<u32, ()>,
    /// Not every module has something to do then.
    done: Option<TypedFunc<u32, u32>>,
    delete: TypedFunc<u32, ()>,
}

impl Entries {
    fn of(instance: &wasmtime::Instance, store: &mut Store<Host>) -> wasmtime::Result<Self> {
        fn entry<P: WasmParams, R: WasmResults>(
            instance: &wasmtime::Instance,
            store: &mut Store<Host>,
            name: &str,
        ) -> wasmtime::Result<TypedFunc<P, R>> {
            instance.get_typed_func(store, name)
        }
        Ok(Self {
            context_create: entry(instance, store, "proxy_on_context_create")?,
            vm_start: entry(instance, store, "proxy_on_vm_start")?,
            configure: entry(instance, store, "proxy_on_configure")?,
            tick: entry(instance, store, "proxy_on_tick")?,
            grpc_receive: entry(instance, store, "proxy_on_grpc_receive")?,
            request_headers: entry(instance, store, "proxy_on_request_headers")?,
            request_body: entry(instance, store, "proxy_on_request_body")?,
            response_headers: entry(instance, store, "proxy_on_response_headers")?,
            response_body: entry(instance, store, "proxy_on_response_body")?,
            log: entry(instance, store, "proxy_on_log")?,
            done: entry(instance, store, "proxy_on_done").ok(),
            delete: entry(instance, store, "proxy_on_delete")?,
        })
    }
}

/// What the module may see and do: the state behind the imports of [`abi`].
pub(super) struct Host {
    pub(super) guest: Option<Guest>,
    pub(super) now_unix_nanos: u64,
    pub(super) configuration: Vec<u8>,
    /// Whose callback is running.
    pub(super) context: u32,
    pub(super) streams: HashMap<u32, Stream>,
    pub(super) shared_data: HashMap<Vec<u8>, Vec<u8>>,
    /// By their ids.
    pub(super) metrics: Vec<(String, i64)>,
    pub(super) calls: Vec<GrpcCall>,
    pub(super) last_token: u32,
    pub(super) logs: Vec<LogLine>,
    limits: StoreLimits,
}

/// How to reach the module's memory from an import.
#[derive(Clone)]
pub(super) struct Guest {
    pub(super) memory: Memory,
    pub(super) allocate: TypedFunc<u32, u32>,
}

/// One stream as the imports show it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// In the ABI's form.
    pub(super) request_headers: Vec<u8>,
    pub(super) response_headers: Vec<u8>,
    pub(super) request_body: Vec<u8>,
    pub(super) response_body: Vec<u8>,
    pub(super) code_details: String,
}

#[derive(Debug)]
pub(super) struct GrpcCall {
    pub(super) token: u32,
    pub(super) message: Vec<u8>,
}

/// What the module logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    pub message: String,
}

impl Host {
    fn new(configuration: Vec<u8>) -> Self {
        Self {
            guest: None,
            now_unix_nanos: 0,
            configuration,
            context: ROOT,
            streams: HashMap::new(),
            // As if another VM had made it up: without a key of the configuration, fingerprints are still the same each time.
            shared_data: HashMap::from([(b"meshtap.fingerprint_key".to_vec(), b"of replay".to_vec())]),
            metrics: Vec::new(),
            calls: Vec::new(),
            last_token: 0,
            logs: Vec::new(),
            limits: StoreLimitsBuilder::new().memory_size(MAX_MEMORY_BYTES).build(),
        }
    }
}

/// A header as it came, its name in lower case.
pub type Header = (Vec<u8>, Vec<u8>);

/// A running filter. After a trap it is of no more use.
pub struct Filter {
    store: Store<Host>,
    entries: Entries,
    memory: Memory,
    next_context: u32,
}

/// One HTTP stream of a [`Filter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamId(u32);

/// Which of the two messages of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

impl Filter {
    fn configure(&mut self, size: usize) -> Result<(), FilterError> {
        let entries = (self.entries.context_create.clone(), self.entries.vm_start.clone());
        self.call(ROOT, &entries.0, (ROOT, NO_PARENT))?;
        let started = self.call(ROOT, &entries.1, (ROOT, 0))? != 0;
        let configured = self.call(ROOT, &self.entries.configure.clone(), (ROOT, length(size)))? != 0;
        if started && configured { Ok(()) } else { Err(FilterError::Refused) }
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        entry: &TypedFunc<P, R>,
        arguments: P,
    ) -> Result<R, FilterError> {
        self.store.data_mut().context = context;
        entry.call(&mut self.store, arguments).map_err(FilterError::Trap)
    }

    /// Sets the clock that the module sees.
    pub fn set_time(&mut self, unix_nanos: u64) {
        self.store.data_mut().now_unix_nanos = unix_nanos;
    }

    /// A new stream.
    pub fn open(&mut self) -> Result<StreamId, FilterError> {
        self.next_context = self.next_context.wrapping_add(1).max(ROOT + 1);
        let id = self.next_context;
        self.store.data_mut().streams.insert(id, Stream::default());
        self.call(id, &self.entries.context_create.clone(), (id, ROOT))?;
        Ok(StreamId(id))
    }

    pub fn headers(
        &mut self,
        StreamId(id): StreamId,
        direction: Direction,
        headers: &[Header],
        end_of_stream: bool,
    ) -> Result<(), FilterError> {
        let map = abi::header_map(headers);
        let stream = self.store.data_mut().streams.entry(id).or_default();
        let entry = match direction {
            Direction::Request => {
                stream.request_headers = map;
                self.entries.request_headers.clone()
            }
            Direction::Response => {
                stream.response_headers = map;
                self.entries.response_headers.clone()
            }
        };
        self.call(id, &entry, (id, length(headers.len()), u32::from(end_of_stream)))?;
        Ok(())
    }

    /// Some bytes of a body, as one callback.
    pub fn body(
        &mut self,
        StreamId(id): StreamId,
        direction: Direction,
        bytes: &[u8],
        end_of_stream: bool,
    ) -> Result<(), FilterError> {
        let stream = self.store.data_mut().streams.entry(id).or_default();
        let (buffer, entry) = match direction {
            Direction::Request => (&mut stream.request_body, self.entries.request_body.clone()),
            Direction::Response => (&mut stream.response_body, self.entries.response_body.clone()),
        };
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.call(id, &entry, (id, length(bytes.len()), u32::from(end_of_stream)))?;
        Ok(())
    }

    /// The stream is over. `code_details` says how, in Envoy's words.
    pub fn close(&mut self, StreamId(id): StreamId, code_details: &str) -> Result<(), FilterError> {
        let stream = self.store.data_mut().streams.entry(id).or_default();
        code_details.clone_into(&mut stream.code_details);
        self.call(id, &self.entries.log.clone(), id)?;
        if let Some(done) = self.entries.done.clone() {
            self.call(id, &done, id)?;
        }
        self.call(id, &self.entries.delete.clone(), id)?;
        self.store.data_mut().streams.remove(&id);
        Ok(())
    }

    /// Lets the filter send what it has, answers every call with OK and returns the messages:
    /// serialized `ExportTraceServiceRequest`s.
    pub fn flush(&mut self) -> Result<Vec<Vec<u8>>, FilterError> {
        self.call(ROOT, &self.entries.tick.clone(), ROOT)?;
        let calls = std::mem::take(&mut self.store.data_mut().calls);
        let mut messages = Vec::with_capacity(calls.len());
        for GrpcCall { token, message } in calls {
            self.call(ROOT, &self.entries.grpc_receive.clone(), (ROOT, token, 0))?;
            // An empty message is the filter's probe.
            if !message.is_empty() {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// The lines that were logged since the last call.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.store.data_mut().logs)
    }

    /// The filter's own counters, as it would report them to Envoy.
    pub fn metrics(&self) -> &[(String, i64)] {
        &self.store.data().metrics
    }

    /// The size of the linear memory, which never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("memory_bytes", &self.memory_bytes()).finish_non_exhaustive()
    }
}

/// Wasm has 32-bit sizes; nothing longer fits its memory.
fn length(bytes: usize) -> u32 {
    bytes.try_into().unwrap_or(u32::MAX)
}
