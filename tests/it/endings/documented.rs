//! The page about endings names every test here, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use meshtap_tests::tools;

#[test]
fn every_test_is_on_the_page() {
    let page = fs::read_to_string(tools::workspace().join("docs/endings.md")).unwrap();
    let tests = tests(&tools::own_file("it/endings")).unwrap();
    let known = |text: &&str| {
        text.split_once("::")
            .is_some_and(|(theme, _)| tests.iter().any(|test| test.starts_with(&format!("{theme}::"))))
    };
    let named: BTreeSet<String> = page.split('`').filter(known).map(str::to_owned).collect();
    assert_eq!(named, tests);
}

/// `THEME::TEST` of every file but this.
fn tests(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let theme = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = fs::read_to_string(&path)?;
        let functions = source.split("#[test]\nfn ").skip(1);
        tests.extend(functions.filter_map(|rest| Some(format!("{theme}::{}", rest.split_once('(')?.0))));
    }
    tests.retain(|test| !test.starts_with("documented::"));
    Ok(tests)
}
