//! What users add.

use super::*;

fn literals(texts: &[&str]) -> Rules {
    Rules { literals: texts.iter().map(|text| (*text).to_owned()).collect(), ..Rules::default() }
}

fn patterns(patterns: &[&str]) -> Rules {
    Rules { patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(), ..Rules::default() }
}

fn matched(pattern: &str, text: &str) -> String {
    with(&patterns(&[pattern]), text, false).0.replace("[REDACTED:pattern]", "#")
}

#[test]
fn texts_are_found_wherever_they_stand() {
    let found = |rules: &Rules, text| with(rules, text, false).0.replace("[REDACTED:literal]", "#");
    assert_eq!(
        found(&literals(&["Falcon"]), "Project Falcon, falcon, Falconry, 你Falcon好"),
        "Project #, falcon, #ry, 你#好"
    );
    let any_case = Rules { ignore_case: true, ..literals(&["faLcon"]) };
    assert_eq!(found(&any_case, "Falcon FALCON falco"), "# # falco");
    assert_eq!(found(&literals(&["abc", "abcdef", "cde"]), "abcdef abcd abcde xcdex"), "# #d # x#x");
    assert_eq!(found(&literals(&["bob"]), "bobob"), "#");
    assert_eq!(found(&literals(&["你好吗"]), "说你好吗?"), "说#?");
    assert_eq!(found(&literals(&["example"]), "me@example.com"), "[REDACTED:email]");
    assert_eq!(found(&literals(&["REDACTED", "email"]), "me@example.com email"), "[REDACTED:email] #");
}

#[test]
fn texts_at_a_cut() {
    let rules = literals(&["Project Falcon"]);
    assert_eq!(with(&rules, "about Project Fal", true).0, "about [REDACTED:literal]");
    assert_eq!(with(&rules, "about Pro", true).0, "about Pro");
    assert_eq!(with(&rules, "about Project Fal", false).0, "about Project Fal");
}

#[test]
fn the_language_of_patterns() {
    assert_eq!(
        matched(r"ACME-\d{4,6}", "ACME-123 ACME-1234 ACME-1234567 acme-1234"),
        "ACME-123 # #7 acme-1234"
    );
    assert_eq!(matched(r"(?i)acme-\d+", "ACME-1, Acme-22"), "#, #");
    assert_eq!(matched(r"[^ab]{3}", "aacccdb"), "aa#b");
    assert_eq!(matched(r"[a-c\d_-]{3,}", "xab1-_cy"), "x#y");
    assert_eq!(matched(r"[]x]{3}", "a]x]b"), "a#b");
    assert_eq!(matched("foo|barbar|bazz?", "foo bar barbar baz bazz"), "# bar # # #");
    assert_eq!(matched("(ab|cd)+ef", "xababcdefx ef"), "x#x ef");
    assert_eq!(matched("(?:ab){2}c?d*", "ababcddd abab aba"), "# # aba");
    assert_eq!(matched("a.c+", "abccc a\ncc aécc"), "# a\ncc #");
    assert_eq!(matched(r"^foo$", "foo\nfoo bar\nfoo"), "#\nfoo bar\n#");
    assert_eq!(matched(r"\bcat\b", "cat concat cats (cat)"), "# concat cats (#)");
    assert_eq!(matched(r"\Bcat", "cat concat"), "cat con#");
    assert_eq!(matched(r"\w\W\w", "a-b"), "#");
    assert_eq!(matched(r"\S\s\S\D", "a b. c"), "# c");
    assert_eq!(matched(r"\.\*\\", r"a.*\b"), "a#b");
    assert_eq!(matched("你.{2}吗", "你好好吗"), "#");
    assert_eq!(matched("x{3}", "xx xxxx"), "xx #");
    assert_eq!(matched("a{2,}b{0,1}c", "aac aaabc abc"), "# # abc");
    assert_eq!(matched("((a|b)c){2}", "acbc"), "#");
    assert_eq!(matched("(a|b|cd|e?)xyz", "axyz cdxyz exyz xyz fxyz"), "# # # # f#");
    assert_eq!(matched("(a*)*bcd", "aaabcd"), "#");
    assert_eq!(matched("(?i)[^a]bc", "ABC xBC"), "ABC #");
    assert_eq!(matched("(?i)é[k-m]x", "éLX ÉLX"), "# ÉLX");
}

#[test]
fn everything_that_may_match_is_covered() {
    assert_eq!(matched(r"\d{3}", "1234 12"), "# 12");
    // Also from the second quote to the third: all that may match goes.
    assert_eq!(matched("'[^']+'", "a 'b' c 'd' e"), "a # e");
}

#[test]
fn several_patterns_at_once() {
    let (output, found) = with(&patterns(&["foo+", r"ba[rz]\d"]), "fooo bar1 baz2 me@example.com", false);
    assert_eq!(output, "[REDACTED:pattern] [REDACTED:pattern] [REDACTED:pattern] [REDACTED:email]");
    assert_eq!(found.of(Kind::Pattern), 3);
}

#[test]
fn patterns_at_a_cut() {
    let rules = patterns(&[r"ACME-\d{6}"]);
    assert_eq!(with(&rules, "id ACME-12", true).0, "id [REDACTED:pattern]");
    assert_eq!(with(&rules, "id ACM", true).0, "id ACM");
    assert_eq!(with(&rules, "id ACME-12 x", true).0, "id ACME-12 x");
}

#[test]
fn mistakes_are_reported_with_place_and_advice() {
    for (pattern, expected) in [
        ("abc(", "at character 4: `(` without `)`"),
        ("abc)", "at character 4: `)` without `(`"),
        ("[abc", "at character 4: `[` without `]`"),
        ("a**", "at character 3: repeated twice"),
        ("abc+?", "at character 5: repeated twice"),
        ("*abc", "at character 1: nothing to repeat"),
        (r"abc\q", "at character 5: not known behind"),
        (r"abc\", "at character 4: `\\` at the end"),
        ("abc{x}", "expected `{3}`"),
        ("a{5,2}", "go up"),
        ("a{999}", "250 at most"),
        ("[z-a]bc", "a range goes up"),
        ("(?=abc)", "only `(?:`"),
        ("[[:alpha:]]bc", "named classes"),
        ("a?b?", "may match less than 3"),
        ("ab", "may match less than 3"),
        ("(abcdefghij){200}", "too big"),
        ("((((((a{9}){9}){9}){9}){9}){9}){9}", "too big"),
        ("((((((((((((((((((abc))))))))))))))))))", "too deep"),
        ("(((()))){250}(((){250}){250}){250}", "may match less than 3"),
    ] {
        let (redactor, problems) = Redactor::new(&patterns(&[pattern]));
        assert_eq!(problems.len(), 1, "{pattern}");
        assert_eq!(problems[0].path, "patterns[0]");
        assert!(problems[0].message.contains(expected), "{pattern}: {}", problems[0].message);
        assert!(problems[0].message.ends_with("; not used"));
        assert!(redactor.patterns.is_empty());
    }
    let (redactor, problems) = Redactor::new(&patterns(&["abc", "a(", r"\d{5}"]));
    assert_eq!(problems.len(), 1);
    assert_eq!(
        redactor.redact("abc 12345", false, &mut Found::default()),
        "[REDACTED:pattern] [REDACTED:pattern]"
    );
    assert_eq!(Redactor::new(&patterns(&["abc"; 40])).1.len(), 1);
    let paths =
        |rules: &Rules| Redactor::new(rules).1.into_iter().map(|problem| problem.path).collect::<Vec<_>>();
    assert_eq!(paths(&literals(&["ab", "abc", &"x".repeat(300)])), ["literals[0]", "literals[2]"]);
    assert_eq!(paths(&literals(&vec!["abc"; 1_100])), ["literals[1000]"]);
    assert_eq!(paths(&patterns(&["[a-z]{245}"; 3])), ["patterns[2]"]);
}

/// As a plain search for every way of matching would find it.
#[test]
fn patterns_agree_with_a_plain_search() {
    // Each pattern beside a function that says whether a text as a whole matches it.
    type Matches = fn(&str) -> bool;
    let cases: &[(&str, Matches)] = &[
        ("a(b|c)*a", |text| {
            text.len() >= 2
                && text.starts_with('a')
                && text.ends_with('a')
                && text[1..text.len() - 1].bytes().all(|byte| matches!(byte, b'b' | b'c'))
        }),
        ("a[bc]{2,3}", |text| {
            (3..=4).contains(&text.len())
                && text.starts_with('a')
                && text[1..].bytes().all(|byte| matches!(byte, b'b' | b'c'))
        }),
        ("(ab)+c?", |text| {
            let text = text.strip_suffix('c').unwrap_or(text);
            !text.is_empty() && text.len() % 2 == 0 && text.as_bytes().chunks(2).all(|pair| pair == b"ab")
        }),
    ];
    for (pattern, matches) in cases {
        // The first and third may match two characters, which is refused: a third is put before.
        let (redactor, problems) = Redactor::new(&patterns(&[&format!("x{pattern}")]));
        assert_eq!(problems, []);
        for number in 0..3_u32.pow(8) {
            let text: String = std::iter::once('x')
                .chain(
                    (0..8)
                        .map(|place| char::from(b'a' + u8::try_from(number / 3_u32.pow(place) % 3).unwrap())),
                )
                .collect();
            let end = (1..=text.len()).rev().find(|end| matches(&text[1..*end]));
            let expected = end.map_or(text.clone(), |end| format!("[REDACTED:pattern]{}", &text[end..]));
            assert_eq!(redactor.redact(&text, false, &mut Found::default()), expected, "{pattern}");
        }
    }
}
