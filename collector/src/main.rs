//! `meshtap`: arguments, configuration, exit code.
//!
//! Exit codes: 0 after a graceful stop, 1 when the collector could not start, gave something up or a part of it
//! failed, 2 for wrong arguments or a wrong configuration, 130 when a second signal cut the stop short.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use meshtap_collector::app::App;
use meshtap_collector::config::Config;
use meshtap_collector::migrate;
use meshtap_collector::plugin_config;
use meshtap_collector::queue;
use meshtap_collector::replay::command;
use meshtap_collector::telemetry::logging;
use meshtap_collector::wasm_image;
use mimalloc::MiMalloc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Many small values are made by one thread and dropped by another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BAD_CONFIGURATION: u8 = 2;
const SECOND_SIGNAL: i32 = 130;

/// Shows every LLM call that a service mesh makes.
#[derive(Debug, Parser)]
#[command(name = "meshtap", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receives, stores and serves spans until SIGTERM or Ctrl-C.
    Serve(ConfigArguments),
    /// Reads the configuration and reports everything that is wrong with it.
    CheckConfig(ConfigArguments),
    /// Brings the store's schema to the newest version.
    Migrate(migrate::Arguments),
    /// Says what the filter will say about its plugin configuration.
    ValidateConfig(plugin_config::Arguments),
    /// Looks at the durable queue, and decides about what the store refused.
    Queue(queue::command::Arguments),
    /// Prints the sha256 of a filter module, or makes an OCI image of it.
    Wasm(wasm_image::Arguments),
    /// Puts recorded HTTP exchanges through the filter module and prints the spans that it makes of them.
    Replay(command::Arguments),
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// The YAML file; MESHTAP_CONFIG may name it too. Without one, defaults and MESHTAP_* variables hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => with_config(arguments.config.as_deref(), serve),
        Command::CheckConfig(arguments) => with_config(arguments.config.as_deref(), confirm),
        Command::Migrate(arguments) => {
            with_config(arguments.config.as_deref(), |config| migrate_store(&arguments, &config))
        }
        Command::ValidateConfig(arguments) => validate(&arguments),
        Command::Queue(arguments) => look_at_queue(&arguments),
        Command::Wasm(arguments) => wasm(&arguments),
        Command::Replay(arguments) => replay(&arguments),
    }
}

fn with_config(file: Option<&Path>, run: impl FnOnce(Config) -> anyhow::Result<()>) -> ExitCode {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes.to_string(), BAD_CONFIGURATION),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    drop(writeln!(std::io::stderr(), "meshtap: {message}"));
    ExitCode::from(code)
}

fn replay(arguments: &command::Arguments) -> ExitCode {
    let out = &mut BufWriter::new(std::io::stdout().lock());
    let done = command::run(arguments, out, &mut std::io::stderr());
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn look_at_queue(arguments: &queue::command::Arguments) -> ExitCode {
    let run = |folder: &Path| queue::command::run(arguments, folder, &mut std::io::stdout().lock());
    match &arguments.path {
        Some(folder) => {
            run(folder).map_or_else(|error| fail(&format!("{error:#}"), 1), |()| ExitCode::SUCCESS)
        }
        None => with_config(arguments.config.as_deref(), |config| run(&config.queue.path)),
    }
}

fn validate(arguments: &plugin_config::Arguments) -> ExitCode {
    match plugin_config::run(arguments, &mut std::io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BAD_CONFIGURATION),
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn wasm(arguments: &wasm_image::Arguments) -> ExitCode {
    match wasm_image::run(arguments, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<std::io::Error>();
    io_error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Reading the configuration was the check.
fn confirm(_: Config) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "the configuration is good").context("writing to standard output")
}

fn migrate_store(arguments: &migrate::Arguments, config: &Config) -> anyhow::Result<()> {
    logging::init(&config.log);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(migrate::run(arguments, &config.store, &mut std::io::stdout()))
}

fn serve(config: Config) -> anyhow::Result<()> {
    logging::init(&config.log);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new().context("installing the signal handlers")?;
        info!(version = env!("CARGO_PKG_VERSION"), "starting");
        let app = tokio::select! {
            app = App::start(config) => app?,
            () = signals.next() => return Ok(()),
        };
        app.run(signals.first()).await?;
        Ok(())
    });
    // A query that hangs in the store must not hold the exit.
    runtime.shutdown_background();
    outcome
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal. The second one ends the process at once.
    async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            warn!("second signal: stopping at once");
            std::process::exit(SECOND_SIGNAL);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
