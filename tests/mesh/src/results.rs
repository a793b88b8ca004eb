//! What scenarios saw, held against the table in `docs/istio.md`.
//!
//! A row is a situation, what happened, and the versions of Istio that showed it. A scenario that sees something else
//! than the row says fails; with `UPDATE_DOCS` set, the row is rewritten.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::mesh::repository;

const DOCUMENT: &str = "docs/istio.md";
const BEGIN: &str = "<!-- begin: written by the scenarios -->\n";
const END: &str = "<!-- end: written by the scenarios -->";
const HEAD: &str = "| situation | what happens | Istio |\n|---|---|---|\n";

/// What was stated since the start, in that order. Who holds it reads and writes the document alone.
static STATED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    situation: String,
    outcome: String,
    versions: BTreeSet<String>,
}

/// States what happened. Panics when the document says something else of this version.
#[track_caller]
pub fn holds(version: &str, situation: &str, outcome: &str) {
    let mut stated = STATED.lock().unwrap_or_else(PoisonError::into_inner);
    stated.push(situation.to_owned());
    let text = read();
    let mut rows = rows(&text);
    let said = rows.iter().find(|row| row.situation == situation && row.versions.contains(version));
    if said.is_some_and(|row| row.outcome == outcome) {
        return;
    }
    if !updates() {
        let said = said.map_or("nothing", |row| &row.outcome);
        panic!(
            "{DOCUMENT} is out of date (UPDATE_DOCS=1 make test-mesh)\n  {situation}\n  Istio {version} showed: {outcome}\n  \
             it says: {said}"
        );
    }
    note(&mut rows, version, situation, outcome);
    write(&with_rows(&text, &rows));
}

/// Once all scenarios have run: panics when the document says something of this version that none stated. With
/// `UPDATE_DOCS` such rows go, and the others are put into the order of the scenarios.
#[track_caller]
pub fn nothing_else(version: &str) {
    let stated = STATED.lock().unwrap_or_else(PoisonError::into_inner);
    let text = read();
    let mut rows = rows(&text);
    let left = take_unstated(&mut rows, version, &stated);
    if updates() {
        let place = |row: &Row| stated.iter().position(|situation| *situation == row.situation);
        rows.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
        write(&with_rows(&text, &rows));
        return;
    }
    assert!(
        left.is_empty(),
        "{DOCUMENT} is out of date (UPDATE_DOCS=1 make test-mesh): nothing showed with Istio {version}\n  {}",
        left.join("\n  ")
    );
}

fn take_unstated(rows: &mut Vec<Row>, version: &str, stated: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    for row in rows.iter_mut().filter(|row| !stated.contains(&row.situation)) {
        if row.versions.remove(version) {
            left.push(row.situation.clone());
        }
    }
    rows.retain(|row| !row.versions.is_empty());
    left
}

fn updates() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some_and(|value| !value.is_empty() && value != "0")
}

fn read() -> String {
    let path = repository(DOCUMENT);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(text: &str) {
    let path = repository(DOCUMENT);
    fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn note(rows: &mut Vec<Row>, version: &str, situation: &str, outcome: &str) {
    for row in rows.iter_mut().filter(|row| row.situation == situation) {
        row.versions.remove(version);
    }
    let place = rows.iter().rposition(|row| row.situation == situation).map_or(rows.len(), |place| place + 1);
    match rows.iter_mut().find(|row| row.situation == situation && row.outcome == outcome) {
        Some(row) => drop(row.versions.insert(version.to_owned())),
        None => rows.insert(
            place,
            Row {
                situation: situation.to_owned(),
                outcome: outcome.to_owned(),
                versions: BTreeSet::from([version.to_owned()]),
            },
        ),
    }
    rows.retain(|row| !row.versions.is_empty());
}

fn rows(text: &str) -> Vec<Row> {
    let table =
        text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map_or("", |(table, _)| table);
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").map(str::to_owned);
        let (situation, outcome) = (cells.next()?, cells.next()?);
        let versions = cells.next()?.split(", ").map(str::to_owned).collect();
        (situation != "situation").then_some(Row { situation, outcome, versions })
    };
    table.lines().filter_map(row).collect()
}

fn with_rows(text: &str, rows: &[Row]) -> String {
    let (before, rest) =
        text.split_once(BEGIN).unwrap_or_else(|| panic!("{DOCUMENT} has no place for the table"));
    let after = rest.split_once(END).map_or("", |(_, after)| after);
    let line = |row: &Row| {
        let versions: Vec<&str> = row.versions.iter().map(String::as_str).collect();
        format!("| {} | {} | {} |\n", row.situation, row.outcome, versions.join(", "))
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{before}{BEGIN}{HEAD}{}{END}{after}", lines.concat())
}

/// A time as the document states it: wide enough to be the same on a machine that is several times slower.
pub fn roughly(time: Duration) -> &'static str {
    match time.as_secs() {
        0..=19 => "within 20 s",
        20..=59 => "after about 30 s",
        _ => "after more than a minute",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_they_are_read() {
        let empty = format!("a\n{BEGIN}{END}\nb\n");
        let mut known = rows(&empty);
        note(&mut known, "1.31", "the module is away", "200");
        note(&mut known, "1.30", "the module is away", "200");
        note(&mut known, "1.31", "another", "503");
        let text = with_rows(&empty, &known);
        assert_eq!(rows(&text), known);
        assert_eq!(with_rows(&text, &known), text);
        assert!(
            text.contains("| the module is away | 200 | 1.30, 1.31 |\n| another | 503 | 1.31 |"),
            "{text}"
        );
    }

    #[test]
    fn versions_that_differ_have_rows_of_their_own() {
        let mut known = Vec::new();
        note(&mut known, "1.30", "a", "x");
        note(&mut known, "1.31", "a", "x");
        note(&mut known, "1.31", "b", "x");
        note(&mut known, "1.31", "a", "y");
        let told: Vec<_> = known.iter().map(|row| (row.situation.as_str(), row.outcome.as_str())).collect();
        assert_eq!(told, [("a", "x"), ("a", "y"), ("b", "x")]);
        note(&mut known, "1.30", "a", "y");
        assert_eq!(known.len(), 2);
    }

    #[test]
    fn what_nobody_stated_goes() {
        let mut known = Vec::new();
        note(&mut known, "1.30", "a", "x");
        note(&mut known, "1.31", "a", "x");
        note(&mut known, "1.31", "b", "x");
        let stated = ["c".to_owned()];
        assert_eq!(take_unstated(&mut known, "1.31", &stated), ["a", "b"]);
        let told: Vec<_> = known.iter().map(|row| row.situation.as_str()).collect();
        assert_eq!(told, ["a"]);
    }
}
