//! The targets over their corpus and over mutations of it: the same cases in every run.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{TARGETS, Target};

/// How many mutated inputs each target gets.
const MUTATIONS: usize = 2_000;
/// Longer inputs are left to the fuzzer.
const MAX_INPUT_BYTES: usize = 4 << 10;

/// What random bytes seldom are.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"data: ",
    b"event: ",
    b"null",
    b"-1",
    b"1.5",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775807",
    b"\xff",
    b"\xf0\x9f",
    b"\x00\x00",
    b"[DONE]",
];

/// Numbers that look random and are not (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound.max(1)
    }
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn mutated(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        let end = (at + numbers.below(16)).min(input.len());
        match numbers.below(7) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..end, TOKENS[numbers.below(TOKENS.len())].iter().copied())),
            3 => drop(input.splice(at..at, other[numbers.below(other.len() + 1)..].iter().copied())),
            4 => input.extend_from_within(at..end),
            5 => drop(input.splice(at..at, vec![b"[{\"0 "[numbers.below(5)]; numbers.below(300)])),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
        }
    }
    input.truncate(MAX_INPUT_BYTES);
    input
}

fn run(name: &str, target: Target, origin: &str, input: &[u8]) {
    let panicked = catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
    let literal = input.escape_ascii();
    assert!(!panicked, "{origin} fails; to see it again: crate::fuzzing::{name}(b\"{literal}\")");
}

fn run_target(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty());
    for (path, input) in &corpus {
        run(name, target, path, input);
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let mut numbers = Numbers(hasher.finish() | 1);
    for number in 0..MUTATIONS {
        let (path, seed) = &corpus[numbers.below(corpus.len())];
        let (_, other) = &corpus[numbers.below(corpus.len())];
        let input = mutated(seed, other, &mut numbers);
        run(name, target, &format!("mutation {number}, of {path},"), &input);
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run_target(stringify!($name)); })*

        #[test]
        fn every_target_has_its_test_and_its_file() {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            for name in names {
                let file = format!("fuzz_targets/{name}.rs");
                assert!(folder.join(&file).exists() && manifest.contains(&file), "{file}");
            }
        }
    };
}

tests! { json sse lines aws_event_stream multipart encodings detect config trace_context adapters exchange }
