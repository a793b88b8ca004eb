//! What one server and a cluster write differently in the same schema.
//!
//! On one server a table has its plain name. In a cluster every server has the rows of its shard in `NAME_local`, which
//! the materialized views stand on too, and `NAME` is a `Distributed` table over all of them; spans and their content
//! go to a shard by their trace, so that what comes twice meets on one server. Small tables that every server must know
//! whole (`EVERYWHERE`) are replicated over all servers.

use crate::config;

/// Inserts that a table remembers, to know one that is sent again.
const WINDOW_INSERTS: u32 = 10_000;
/// How long a replicated table remembers them: longer than a collector's queue is meant to wait.
const WINDOW_SECONDS: u32 = 7 * 24 * 3_600;

/// Tables with rows in every shard, and by what a row finds its shard.
const SHARDED: [(&str, &str); 4] = [
    ("spans", "cityHash64(trace_id)"),
    ("span_content", "cityHash64(trace_id)"),
    ("usage_1m", "cityHash64(minute)"),
    ("usage_users_1d", "cityHash64(day)"),
];

#[derive(Clone, Debug)]
pub(super) struct Layout {
    database: String,
    cluster: Option<String>,
    replicated: bool,
}

impl Layout {
    pub(super) fn of(config: &config::ClickHouse) -> Self {
        Self {
            database: config.database.clone(),
            cluster: config.cluster.clone(),
            replicated: config.replicated,
        }
    }

    pub(super) const fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    pub(super) fn create_database(&self) -> String {
        format!("CREATE DATABASE IF NOT EXISTS `{}`{}", self.database, self.on_cluster())
    }

    /// The table in which the server itself has rows.
    pub(super) fn local(&self, table: &str) -> String {
        format!("{table}{}", self.suffix())
    }

    pub(super) fn on_cluster(&self) -> String {
        self.cluster.as_ref().map_or_else(String::new, |cluster| format!(" ON CLUSTER '{cluster}'"))
    }

    /// The statements of a migration; each ends with a semicolon at the end of a line.
    pub(super) fn statements(&self, sql: &str) -> Vec<String> {
        sql.split(";\n")
            .map(without_comments)
            .filter(|statement| !statement.is_empty())
            .map(|statement| self.fill(&statement))
            .collect()
    }

    /// The tables over all shards; none on one server. They hold no rows, and are made anew when those below them change.
    pub(super) fn distributed(&self) -> Vec<String> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let table = |(table, shard): &(&str, &str)| {
            format!(
                "CREATE OR REPLACE TABLE {table}{} AS {local} \
                 ENGINE = Distributed('{cluster}', '{}', '{local}', {shard})",
                self.on_cluster(),
                self.database,
                local = self.local(table),
            )
        };
        SHARDED.iter().map(table).collect()
    }

    pub(super) const fn is_replicated(&self) -> bool {
        self.cluster.is_some() && self.replicated
    }

    fn suffix(&self) -> &'static str {
        if self.is_cluster() { "_local" } else { "" }
    }

    fn fill(&self, statement: &str) -> String {
        let replica = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
        let everywhere = "'/clickhouse/tables/{database}/{table}', '{shard}-{replica}'";
        let of_replicated = |text: &str| if self.is_replicated() { text.to_owned() } else { String::new() };
        let window = if self.is_replicated() {
            format!(
                "replicated_deduplication_window = {WINDOW_INSERTS}, \
                 replicated_deduplication_window_seconds = {WINDOW_SECONDS}"
            )
        } else {
            format!("non_replicated_deduplication_window = {WINDOW_INSERTS}")
        };
        // The macros of a replica's path stand in braces too: they are put in last.
        statement
            .replace("{local}", self.suffix())
            .replace("{on_cluster}", &self.on_cluster())
            .replace("{window}", &window)
            .replace("{replicated}", &of_replicated("Replicated"))
            .replace("{everywhere,}", &of_replicated(&format!("{everywhere}, ")))
            .replace("{replica,}", &of_replicated(&format!("{replica}, ")))
            .replace("({replica})", &format!("({})", of_replicated(replica)))
    }
}

fn without_comments(statement: &str) -> String {
    let lines: Vec<&str> = statement.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(cluster: Option<&str>, replicated: bool) -> Layout {
        Layout { database: "d".to_owned(), cluster: cluster.map(str::to_owned), replicated }
    }

    const SQL: &str = "-- a comment; with a semicolon\nCREATE TABLE a{local}{on_cluster} (x Int8)\n\
        ENGINE = {replicated}ReplacingMergeTree({replica,}x) SETTINGS {window};\n\
        CREATE TABLE b{local}{on_cluster} ENGINE = {replicated}AggregatingMergeTree({replica});\n";

    #[test]
    fn one_server() {
        assert_eq!(
            layout(None, true).statements(SQL).as_slice(),
            [
                "CREATE TABLE a (x Int8)\nENGINE = ReplacingMergeTree(x) \
                 SETTINGS non_replicated_deduplication_window = 10000",
                "CREATE TABLE b ENGINE = AggregatingMergeTree()",
            ]
        );
        assert!(layout(None, false).distributed().is_empty());
    }

    #[test]
    fn a_cluster() {
        let statements = layout(Some("c"), true).statements(SQL);
        assert!(statements[0].starts_with("CREATE TABLE a_local ON CLUSTER 'c' (x Int8)"), "{statements:?}");
        assert!(
            statements[0].contains(
                "ENGINE = ReplicatedReplacingMergeTree(\
                 '/clickhouse/tables/{shard}/{database}/{table}', '{replica}', x)"
            ),
            "{statements:?}"
        );
        assert!(statements[0].ends_with("replicated_deduplication_window_seconds = 604800"));
        assert!(
            statements[1].ends_with(
                "ENGINE = ReplicatedAggregatingMergeTree(\
                 '/clickhouse/tables/{shard}/{database}/{table}', '{replica}')"
            ),
            "{statements:?}"
        );
        let distributed = layout(Some("c"), true).distributed();
        assert_eq!(
            distributed[0],
            "CREATE OR REPLACE TABLE spans ON CLUSTER 'c' AS spans_local \
             ENGINE = Distributed('c', 'd', 'spans_local', cityHash64(trace_id))"
        );
    }
}
