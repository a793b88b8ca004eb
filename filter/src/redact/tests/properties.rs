//! What holds for every text.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

thread_local! {
    /// Bytes looked at, states entered, characters held against classes.
    pub(in crate::redact) static WORK: Cell<usize> = const { Cell::new(0) };
}

/// Secrets by kind, of every form.
pub(super) fn secrets() -> Vec<(Kind, String)> {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let mut all: Vec<(Kind, String)> = [
        (Kind::Email, "john.doe+x@mail.example.com"),
        (Kind::Email, "a_b@example.co.uk"),
        (Kind::Phone, "+14155552671"),
        (Kind::Phone, "+49 30 1234567"),
        (Kind::Phone, "(415) 555-2671"),
        (Kind::Phone, "06 12 34 56 78"),
        (Kind::IpAddress, "192.168.100.23"),
        (Kind::IpAddress, "2001:db8:85a3::8a2e:370:7334"),
    ]
    .into_iter()
    .map(|(kind, text)| (kind, text.to_owned()))
    .collect();
    all.push((Kind::CreditCard, ["4111 1111", " 1111 1111"].concat()));
    all.push((Kind::CreditCard, ["37828224", "6310005"].concat()));
    all.push((Kind::Iban, ["DE89 3704 0044", " 0532 0130 00"].concat()));
    all.push((Kind::Iban, ["GB82WEST1234", "5698765432"].concat()));
    all.push((Kind::Jwt, format!("{header}.{}.{}", body(80), body(43))));
    all.push((Kind::PrivateKey, pem("EC PRIVATE KEY", "\n")));
    all.push((Kind::PrivateKey, pem("PRIVATE KEY", r"\n")));
    all.extend(keys::tests::examples().into_iter().map(|key| (Kind::ApiKey, key)));
    all
}

/// What stands around: no letter or digit right beside the secret, nor what continues a number or a name.
fn neighbours() -> impl Strategy<Value = (String, String)> {
    let before = prop_oneof![
        "[ -~\\n]{0,40}[ \"'(,;<>\\n\\[{|]",
        ".{0,20}[你é🙂の]",
        Just(r#"{\"a\":\"x\n"#.to_owned()),
        Just(String::new())
    ];
    let after = prop_oneof![
        "[ \"')<>;\\n\\]}|\\\\][ -~]{0,40}",
        "[你é🙂の].{0,20}",
        Just(r#"\n\"}"#.to_owned()),
        Just(String::new())
    ];
    (before, after)
}

fn rules() -> Rules {
    Rules {
        literals: vec!["falcon".into(), "[x] y".into()],
        ignore_case: true,
        patterns: vec![r"ab+\d?c".into(), r"\bE[^,]{2,9}\b".into(), "(?i)card|key|mail".into()],
        ..Rules::default()
    }
}

/// Texts made of what detectors look for.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "1",
        "12",
        "4111",
        " ",
        "-",
        ".",
        ":",
        "::",
        "@",
        "=",
        "\"",
        "\\",
        "\\n",
        "\\u0041",
        "+",
        "(",
        ")",
        "/",
        "//",
        "://",
        "eyJ",
        "sk-",
        "ghp_",
        "AKIA",
        "password",
        "token=",
        "phone:",
        "Bearer ",
        "-----",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "DE89",
        "x@y.zz",
        "192.168.",
        "[REDACTED:email]",
        "[REDACTED:",
        "]",
        "你",
        "é",
        "\u{202f}",
        "\u{2011}",
        "\n",
        "<",
        ">",
        "0",
        "abc",
        "ABC1",
        "_",
        "falcon",
        "abbc",
        "Exyz",
        "deadbeef",
        "A2B3C4D5E6F7G2H3",
        "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z",
    ];
    prop::collection::vec(select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_text(text in prop_oneof![hostile(), any::<String>()], is_cut: bool) {
        let (redactor, _) = Redactor::new(&rules());
        let mut found = Found::default();
        let output = redactor.redact(&text, is_cut, &mut found).into_owned();
        prop_assert!(output.len() <= MAX_GROWTH * text.len() + 22);
        let mut again = Found::default();
        let twice = redactor.redact(&output, false, &mut again);
        prop_assert_eq!(&twice, &output, "from {}", text);
        prop_assert_eq!(again.clone(), Found::default());
        let (builtin, _) = Redactor::new(&Rules::default());
        let output = builtin.redact(&text, is_cut, &mut found).into_owned();
        prop_assert_eq!(builtin.redact(&output, false, &mut again), output.as_str(), "from {}", text);
    }

    #[test]
    fn any_pattern(pattern in "[ab.\\[\\]()|*+?{}0-9,\\\\dwbn^$é-]{0,30}", text in "[ab0-9é\\n .-]{0,60}", is_cut: bool) {
        let (redactor, _) = Redactor::new(&Rules { patterns: vec![pattern], ..Rules::default() });
        redactor.redact(&text, is_cut, &mut Found::default());
    }

    #[test]
    fn planted_secrets_go((kind, secret) in select(secrets()), (before, after) in neighbours()) {
        // More groups of digits make another number of it.
        let digit = |character: char| character.is_ascii_digit();
        let behind = after.trim_start_matches([' ', '-', '/']);
        if before.trim_end().ends_with(digit) || behind.starts_with(digit) {
            return Ok(());
        }
        let text = format!("{before}{secret}{after}");
        let (output, found) = with(&Rules::default(), &text, false);
        prop_assert!(!output.contains(&secret), "{output}");
        let rest = secret.get(secret.len() / 2..).unwrap();
        prop_assert!(!output.contains(rest), "{output}");
        // A name before it may have made it a value.
        prop_assert!(found.of(kind) + found.of(Kind::ApiKey) + found.of(Kind::Email) > 0, "{text} {output}");
    }

    #[test]
    fn a_cut_leaves_no_more_than_four_characters((_, secret) in select(secrets()), (before, _) in neighbours(), at in any::<Index>()) {
        let ends: Vec<usize> = (1..secret.len()).filter(|end| secret.is_char_boundary(*end)).collect();
        let end = ends[at.index(ends.len())];
        let text = format!("{before}{}", &secret[..end]);
        let (output, _) = with(&Rules::default(), &text, true);
        // The label of a PEM block is no secret, nor is the prefix of a key.
        let public = if secret.starts_with("-----") { 31 } else { 0 };
        if end > public + 5 {
            let shown = &secret[..end];
            let leaked = (0..=end)
                .rev()
                .find(|length| shown.is_char_boundary(*length) && output.contains(&shown[..*length]))
                .unwrap_or(0);
            // What separates groups of digits is not counted.
            let characters = shown[..leaked].bytes().filter(|byte| !b" ()-".contains(byte)).count();
            prop_assert!(characters <= 4 || before.contains(&shown[..leaked]), "{text:?} -> {output:?}");
            let tail = (0..=end).rev().find(|length| shown.is_char_boundary(end - length) && output.ends_with(&shown[end - length..]));
            let characters = shown[end - tail.unwrap_or(0)..].bytes().filter(|byte| !b" ()-".contains(byte)).count();
            prop_assert!(characters <= 4, "{text:?} -> {output:?}");
        }
    }
}

/// What such texts repeat.
const PIECES: &[&str] = &[
    "a",
    "1",
    "1 ",
    "11 1-",
    "4111 ",
    "a@",
    "@",
    "a.",
    "a@a.",
    "eyJ",
    "-eyJ",
    "eyJ.",
    "eyJ.eyJ",
    "xeyJ",
    "pwd=eyJhbGciOjB9.e.",
    "token=eyJhbGciOjB9.e.?",
    "eyJeyJ.",
    "sk-",
    "-sk-a",
    "ghp_",
    "AKIA",
    "ABSK",
    "password=",
    "token=",
    "token: \"",
    "authorization:",
    "authorization=",
    "Bearer ",
    "://",
    "://a:",
    "://a@",
    "-----",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nabcdefghijklmnopqrstuvwxyz",
    "DE89",
    "DE89 ",
    ":",
    "::",
    "a:",
    "1:",
    "1.",
    "1.1.1.1",
    "\\",
    "\\u0041",
    "[REDACTED:",
    "[",
    "+1",
    "(1)",
    "12345678:",
    "12345678:a",
    "=",
    "\"",
    "<password>",
    "<password >a",
    "<token>a1 ",
    "</password",
    "pwd=-[REDACTED:",
    "pass=[REDACTED:email]",
    "token=a1b2c3d4e5f6g7h8[REDACTED:",
    "pwd=-\\[",
    "pass:----------------------------------------------------------------",
    "pwd=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx(",
    "token=----------------------------------------------------------------[REDACTED:email]",
    "sig:----------------------------------------------------------------\\[",
    "\"\"",
    "\u{202f}1",
    "é",
    "aaab",
    "password='a",
];

/// Texts on which a careless detector takes the square of their length. What is counted is work, not time: the same on
/// every machine.
#[test]
fn work_is_linear_in_hostile_texts() {
    /// Of all built-in kinds together, for one byte, twice: once cut and once not.
    const MOST: usize = 400;
    let (builtin, _) = Redactor::new(&Rules::default());
    let patterns = [r"\w+x\w+y", "(a|aa)+bbb", "[^q]*qqq", "(a?){40}a{40}", ".*.*.*.*q[^a]{9}"];
    let (user, problems) = Redactor::new(&Rules {
        off: Kind::ALL.to_vec(),
        patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        literals: vec![format!("{}b", "a".repeat(120))],
        ignore_case: true,
    });
    assert_eq!(problems, []);
    let off = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Email).collect();
    let (emails, _) = Redactor::new(&Rules { off, ..Rules::default() });
    for piece in PIECES {
        for (name, redactor, bytes, most) in [
            ("built-in", &builtin, 1 << 10, MOST),
            ("rules", &user, 128, 4 * 500),
            ("emails", &emails, 1 << 10, MOST),
        ] {
            let work = |bytes: usize| {
                let text = piece.repeat(bytes / piece.len());
                WORK.set(0);
                redactor.redact(&text, false, &mut Found::default());
                redactor.redact(&text, true, &mut Found::default());
                WORK.get()
            };
            let (short, long) = (work(bytes), work(bytes * 8));
            // The square would be 64 times.
            assert!(long <= short * 16 + 10_000, "{name}, {piece}: {short} {long}");
            assert!(long / (bytes * 8) <= most, "{name}, {piece}: {}", long / (bytes * 8));
        }
    }
}

/// The limits of patterns bound the work for a character, however they are made up.
#[test]
fn work_is_bounded_whatever_the_patterns() {
    let class: String = (0..120_u32).filter_map(|at| char::from_u32(0x4e00 + 7 * at)).collect();
    let patterns =
        vec![format!("[{class}]{{240}}"), ".{0,110}qqq".into(), "x".repeat(1_001), ".{0,60}qqq".into()];
    let (redactor, problems) =
        Redactor::new(&Rules { patterns, off: Kind::ALL.to_vec(), ..Rules::default() });
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["patterns[2]", "patterns[3]"]);
    let text = "\u{4e00}".repeat(1_000);
    WORK.set(0);
    redactor.redact(&text, false, &mut Found::default());
    assert!(WORK.get() / 1_000 <= 3 * 500, "{}", WORK.get() / 1_000);
}

/// A value costs what it costs by itself, however long the name is that all in a list stand behind.
#[test]
fn work_for_a_value_is_bounded_whatever_its_name() {
    let patterns = vec!["[a-z ]{3,100}q".to_owned(), "[0-9 ]{3,100}q".to_owned()];
    let (redactor, _) = Redactor::new(&Rules { patterns, ..Rules::default() });
    for piece in ["1 ", "a", "password", "@", "\\u0061", "eyJ", "é"] {
        for value in ["1", "1234567", "ab"] {
            WORK.set(0);
            redactor.redact_member(&piece.repeat(10_000), value, &mut Found::default());
            assert!(WORK.get() <= 2_000, "{piece} {value}: {}", WORK.get());
        }
    }
}
