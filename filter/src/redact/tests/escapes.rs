//! What escapes of JSON hide, in a text that may be a piece of it.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::properties::secrets;
use super::*;

/// What goes, with an escape anywhere in it.
#[test]
fn what_an_escape_interrupts_goes_whole() {
    for (text, expected) in [
        (
            r"Authorization: Bearer aB3dE5fG7hI9jK1lM3nO\/5pQ7rS9tU1vW3xY5z'",
            "Authorization: Bearer [REDACTED:api_key]'",
        ),
        (r"SharedAccessKey=aB3dE5fG7hI9\u002BjK1lM3nO5pQ7rS;x", "SharedAccessKey=[REDACTED:api_key];x"),
        (r"Authorization: Basic dXNlcjpw\/YXNzd29yZA==", "Authorization: Basic [REDACTED:api_key]"),
        (r"DB_PASSWORD=hunter2\/correcthorse x", "DB_PASSWORD=[REDACTED:api_key] x"),
        (
            r#""dsn":"postgres:\/\/ann:QWhunter2@db:5432\/x""#,
            r#""dsn":"postgres:\/\/ann:[REDACTED:api_key]@db:5432\/x""#,
        ),
        (r"write to ann\u0040example.com", "write to [REDACTED:email]"),
        (r"ann\\u0040example.com", "[REDACTED:email]"),
        (
            r"{\u0022password\u0022:\u0022hunter2\u0022}",
            r"{\u0022password\u0022:\u0022[REDACTED:api_key]\u0022}",
        ),
        (r"+49\u201130\u20111234567", "[REDACTED:phone]"),
        (r"4111\u202f1111\u202F1111\u00a01111", "[REDACTED:credit_card]"),
        (r"\ud83d\ude00ann\u0040example.com\ud83d", r"\ud83d\ude00[REDACTED:email]\ud83d"),
        (r#"{"password":"\u003cyour password\u003e","x":1}"#, r#"{"password":"[REDACTED:api_key]","x":1}"#),
        // As a shell and Markdown escape.
        (r"psql postgres://ann:QWhunter2\!zz@db:5432/x", "psql postgres://ann:[REDACTED:api_key]@db:5432/x"),
        (r"export DB_PASSWORD=\$ecret99hunter2", "export DB_PASSWORD=[REDACTED:api_key]"),
        (r"password=hunter2\!correct x", "password=[REDACTED:api_key] x"),
        (r"10\.11\.12\.13 my\_name\_x@example.com", "[REDACTED:ip_address] [REDACTED:email]"),
        (r"4111\-1111\-1111\-1111", "[REDACTED:credit_card]"),
        (r"pay 4111\ 1111\ 1111\ 1111 now", "pay [REDACTED:credit_card] now"),
        (r"call +49\ 30\ 1234567", "call [REDACTED:phone]"),
        (r"-H X-Api-Key:\ aB3dE5fG7hI9jK1lM3nO5pQ7 x", r"-H X-Api-Key:\ [REDACTED:api_key] x"),
        (
            r"-H Authorization:\ Basic\ dXNlcjpQV0h1bnRlcg== x",
            r"-H Authorization:\ Basic\ [REDACTED:api_key] x",
        ),
    ] {
        assert_eq!(redacted(text), expected, "{text}");
    }
}

/// They are what a tool gets that takes any text.
#[test]
fn backslashes_stay() {
    for text in [
        r"grep -E '\bfoo\b' C:\new\fold.txt ann@example.com",
        r"[ -f x ] && grep '\w\u12' D:\411\scan.pdf ann@example.com",
        r#""C:\new\bin\tool.exe" --to ann@example.com\"#,
    ] {
        assert_eq!(redacted(text), text.replace("ann@example.com", "[REDACTED:email]"));
    }
    let rules = Rules {
        literals: vec![r"CORP\bob".into(), "R&D/ü".into()],
        patterns: vec![r"CORP\\\w+".into()],
        ..Rules::default()
    };
    for (text, expected) in [
        (r"whoami CORP\bob; mail ann@example.com", "whoami [REDACTED:literal]; mail [REDACTED:email]"),
        (r"[CORP\nina] ann@example.com", "[[REDACTED:pattern]] [REDACTED:email]"),
        (r#"{"team":"R&D\/\u00fc""#, r#"{"team":"[REDACTED:literal]""#),
    ] {
        assert_eq!(with(&rules, text, false).0, expected, "{text}");
    }
}

#[test]
fn half_an_escape_at_a_cut_goes() {
    for half in [r"\", r"\u", r"\u0", r"\u00", r"\u00e", r"\ud83d\u12"] {
        for (begun, left) in [
            ("key AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2", "key [REDACTED:api_key]"),
            ("to zq.canary@exampl", "to [REDACTED:email]"),
            ("card 4111 1111 1111", "card [REDACTED:credit_card]"),
            ("at postgres://ann:QWhunte", "at postgres://ann:[REDACTED:api_key]"),
        ] {
            let (output, _) = with(&Rules::default(), &[begun, half].concat(), true);
            assert!(output.starts_with(left), "{begun}{half} {output}");
            assert!(output.len() <= left.len() + 6, "{begun}{half} {output}");
        }
    }
    assert_eq!(with(&Rules::default(), r"run zq.\u0063ana\u0072", true).0, "run ");
    assert_eq!(with(&Rules::default(), r"run sk_\u006cive_", true).0, "run ");
    assert_eq!(with(&Rules::default(), r"a\\\\", true).0, r"a\\\\");
}

/// What a value is may only show behind its name; what is a line, only without.
#[test]
fn values_of_members() {
    let rules = Rules { patterns: vec![r"^\d{6}$".into(), r".*GmbH$".into()], ..Rules::default() };
    let (redactor, _) = Redactor::new(&rules);
    for (name, value, expected) in [
        ("id", "123456", "[REDACTED:pattern]"),
        ("", "123456", "[REDACTED:pattern]"),
        ("firm", "Falcon GmbH", "[REDACTED:pattern]"),
        ("phone", "4155552671", "[REDACTED:phone]"),
        ("ann@example.com phone", "4155552671", "[REDACTED:phone]"),
        ("ann@example.com authorization", "Basic hunterhunter", "Basic [REDACTED:api_key]"),
        ("password", "h", "[REDACTED:api_key]"),
        ("version", "1.2.3.4", "1.2.3.4"),
        ("host", r"a\n1.2.3.4", r"a\n[REDACTED:ip_address]"),
        ("é", "ann@example.com", "[REDACTED:email]"),
    ] {
        let long = ["1 ".repeat(2_000).as_str(), name].concat();
        for name in [name, &long] {
            let output = redactor.redact_member(name, value, &mut Found::default());
            assert_eq!(output, expected, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_escape_hides_a_secret((_, secret) in select(secrets()), at in any::<Index>(), cut: bool) {
        let (at, escaped) = at.get(&secret.char_indices().collect::<Vec<_>>()).to_owned();
        let escape = format!("\\u{:04x}", u32::from(escaped));
        let (before, behind) = (&secret[..at], &secret[at + escaped.len_utf8()..]);
        let text = [r#"{"x": ""#, before, &escape, behind, r#"", "y"#].concat();
        let (output, found) = with(&Rules::default(), &text, cut);
        prop_assert!(found.iter().count() > 0, "{text} {output}");
        for part in [before, behind] {
            prop_assert!(part.len() < 8 || !output.contains(part), "{text} {output}");
        }
    }
}
