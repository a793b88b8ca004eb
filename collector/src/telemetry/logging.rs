//! Sets up the log: one line per event on standard error, as text or as JSON.
//!
//! The level applies to meshtap itself; the libraries below it are heard from `warn` up, or from `info` up at `trace`.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use crate::config::{Log, LogFormat};

/// Makes the log the process's own. Only the first call has an effect.
pub fn init(config: &Log) {
    let level = LevelFilter::from_level(config.level);
    let libraries = match level {
        LevelFilter::TRACE => LevelFilter::INFO,
        level => level.min(LevelFilter::WARN),
    };
    let filter = Targets::new().with_default(libraries).with_target("meshtap", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    drop(tracing::subscriber::set_global_default(registry().with(lines.with_filter(filter))));
}
