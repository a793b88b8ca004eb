//! `meshtap migrate`: brings the store's schema to the newest version, or prints what would make it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use crate::config::{self, StoreKind};
use crate::store::StoreError;
use crate::store::clickhouse::ClickHouseStore;
use crate::store::sqlite::SqliteStore;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The YAML file; MESHTAP_CONFIG may name it too.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the statements that make the schema in ClickHouse, and change nothing.
    #[arg(long)]
    print: bool,
}

/// Says on `out` what was done.
pub async fn run(arguments: &Arguments, config: &config::Store, out: &mut impl Write) -> anyhow::Result<()> {
    if arguments.print {
        return print(config, out);
    }
    let (before, now) = match config.kind {
        StoreKind::Sqlite => SqliteStore::migrate(&config.sqlite.path).await.map_err(shown)?,
        StoreKind::ClickHouse => {
            let version =
                ClickHouseStore::migrate(&config.clickhouse, config.retention()).await.map_err(shown)?;
            (i64::from(version.before), i64::from(version.now))
        }
        StoreKind::Memory => bail!("store.kind is memory, which has no schema"),
    };
    writeln!(out, "the schema was at version {before} and is at version {now}").context("writing the outcome")
}

fn print(config: &config::Store, out: &mut impl Write) -> anyhow::Result<()> {
    if config.kind != StoreKind::ClickHouse {
        bail!("--print is for store.kind clickhouse");
    }
    for statement in ClickHouseStore::schema(&config.clickhouse) {
        writeln!(out, "{statement};\n").context("writing the statements")?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn shown(error: StoreError) -> anyhow::Error {
    anyhow!(error.chain())
}
