//! No secret stands here as one text: scanners would find it. Keys are joined from a prefix and a made-up body.

mod escapes;
pub(super) mod properties;
mod rules;

use super::*;

/// A body in the alphabet of keys, with digits and both cases in every 16 characters.
fn body(length: usize) -> String {
    "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z".chars().cycle().take(length).collect()
}

fn hex(length: usize) -> String {
    "0a1b2c3d4e5f6789".chars().cycle().take(length).collect()
}

fn with(rules: &Rules, text: &str, is_cut: bool) -> (String, Found) {
    let (redactor, problems) = Redactor::new(rules);
    assert_eq!(problems, []);
    let mut found = Found::default();
    let output = redactor.redact(text, is_cut, &mut found).into_owned();
    let markers: usize = Kind::ALL.iter().map(|kind| output.matches(kind.marker()).count()).sum();
    let counted: u32 = found.iter().map(|(_, count)| count).sum();
    assert!(u32::try_from(markers).unwrap() <= counted, "{output}");
    let mut again = Found::default();
    assert_eq!(redactor.redact(&output, false, &mut again), output, "redacted twice: {text}");
    (output, found)
}

fn redacted(text: &str) -> String {
    with(&Rules::default(), text, false).0
}

/// `«…»` is what goes.
fn check(kind: Kind, cases: &[&str]) {
    for case in cases {
        let text = case.replace(['«', '»'], "");
        let mut expected = String::new();
        for (index, part) in case.split(['«', '»']).enumerate() {
            expected.push_str(if index % 2 == 1 { kind.marker() } else { part });
        }
        assert_eq!(redacted(&text), expected, "{case}");
        let (_, found) = with(&Rules::default(), &text, false);
        assert_eq!(found.of(kind) as usize, case.matches('«').count(), "{case}");
    }
}

fn unchanged(cases: &[&str]) {
    for case in cases {
        assert_eq!(redacted(case), *case);
    }
}

/// What stands around them in mail headers, tables and Markdown.
#[test]
fn surroundings() {
    check(
        Kind::IpAddress,
        &[
            "from x ([IPv6:«2001:db8:85a3::8a2e:370:7334»])",
            "client:«2001:db8::5» ip:«2001:db8:85a3::8a2e:370:7334»",
            "addr:«fe80::1ff:fe23:4567:890a»/64",
        ],
    );
    check(
        Kind::CreditCard,
        &["_«4111111111111111»_", "__«4111 1111 1111 1111»__", "«4111\u{2007}1111\u{2007}1111\u{2007}1111»"],
    );
    unchanged(&["std::abc1::de2", "a::b", "use fe80::x"]);
    // Headings of Markdown, and its lists of definitions.
    unchanged(&[
        "API key\n=======\nUse it for all",
        "Password\n========\n\nChange1t often",
        "Secret\n: What3ver nobody knows",
    ]);
    for text in [
        "Username:     admin\nPassword:             hunter2x",
        "password\t= hunter2x",
        "password \t : hunter2x",
        r#""password"  :  "hunter2x""#,
        r#""password":          "hunter2x""#,
    ] {
        assert!(!redacted(text).contains("hunter2x"), "{text}: {}", redacted(text));
    }
    let (output, _) = with(&Rules::default(), "给abc@公司，我们明天", true);
    assert!(output.ends_with("，我们明天"), "{output}");
    for cut in ["client:2001:db8:85a3:0:0:8a2e:370:", "ip:2001:db8:85a3", "[IPv6:2001:db8:85a3:8d3:1319"] {
        let (output, _) = with(&Rules::default(), cut, true);
        assert!(output.ends_with(":[REDACTED:ip_address]"), "{cut}: {output}");
    }
    for cut in ["write to anna.schmidt@mü", "write to anna.schmidt@münchen.d"] {
        let (output, _) = with(&Rules::default(), cut, true);
        assert_eq!(output, "write to [REDACTED:email]", "{cut}");
    }
}

#[test]
fn emails() {
    check(
        Kind::Email,
        &[
            "«me@example.com»",
            "write to «john.doe+tag@mail.example.co.uk».",
            "<«a_b@example.org»>, **«c@example.org»**, '«d@example.org»', (mailto:«e@example.org»)",
            r#"{"to":"«a@b.io»","cc":["«c@d.io»"]}"#,
            r"first line\n«me@example.com»\nlast",
            r"\u003c«me@example.com»\u003e",
            r"\u4f60\u597d«me@example.com»",
            "联系«zhang.san@example.cn»或者电话",
            "メール:«taro@example.co.jp»まで",
            "«info@xn--mnchen-3ya.de» «info@münchen.de»",
            "«me@почта.рф», «info@例子.中国»",
            "«o'brien@example.ie»",
            "«0171-1234567@example.de»",
            "«415-555-2671@example.com»",
            "git clone «git@github.com»:org/repo",
            "«user@example.com».2024",
            "https://example.com/?mail=«me@example.com»&x=1",
            "写信给«abc@公司.中国»。",
        ],
    );
    unchanged(&[
        "@handle",
        "a @ b",
        "me@localhost",
        "name@1.2.3",
        "npm i @scope/package@1.2.3",
        "actions/checkout@v4.2",
        "image@sha256:abc",
        "me@.com",
        "me@com.",
        "@me.com",
        "x@y..z",
        "“Log in as root@fileserver.” She did.",
        "deploy@web01.—see the wiki, bob@intranet.… and user@localhost.\u{a0}too",
    ]);
}

#[test]
fn phones() {
    check(
        Kind::Phone,
        &[
            "call «+1 415 555 2671» now",
            r#"{"phone":"«\u002B14155552671»","a":"«\u002b49 30 1234567»","t":"tél\u00e9\u00a0«06 12 34 56 78»"}"#,
            r"«(415)\u00a0555-2671»",
            "«+14155552671»",
            "«+1 (415) 555-2671» ext. 7",
            "«+49 30 1234567», «+49 (0)30 1234567», «+49-30-1234567», «+49/30/1234567»",
            "«+86 138 0013 8000»电话«+8613800138000»",
            "«+33 6 12 34 56 78»",
            "«(415) 555-2671» «(415)555-2671» «415-555-2671» «415.555.2671» «1-800-555-0199»",
            "text me at «415 555 2671».",
            "Tel.«030 1234567», «030/1234567», «(030) 1234567», «030 - 1234567»",
            "«06 12 34 56 78» «01.23.45.67.89»",
            "«020 7946 0958» «03-1234-5678» «090-1234-5678» «0049 30 1234567»",
            "«138-0013-8000»",
            "«(11) 91234-5678»",
            "«+1\u{202f}415\u{2011}555\u{2011}2671» «415\u{2011}555\u{2011}2671»",
            r#"{"phone":"«4155552671»","mobile_number": "«13800138000»", "fax": «5552671»}"#,
            "Phone: «555 2671»",
            r"a\n«+14155552671»\n«415-555-2671»\n",
            "tel:«+4930123456»",
            "Tel.: «4155552671» fax.: «4155552671»",
            "1,«415-555-2671»,2\n2,«030 1234567»,0,«+4930123456»,1",
        ],
    );
    unchanged(&[
        "2024-01-15",
        "15.01.2024",
        "01-02-2024",
        "01/02/2024 10:30",
        "2024-01-15T10:30:00Z",
        "2024-01-15 10:30:00.123456",
        "1723456789012",
        "1723456789",
        "12:30:45+01:00",
        "v1.2.3",
        "1.2.3.4.5",
        "10.15.7",
        "3.14159265358979",
        "550e8400-e29b-41d4-a716-446655440000",
        "01234567-8901-4234-8901-123456789012",
        "-0.0123456789",
        "0.1234567890",
        "1,234,567,890",
        "1 234 567 890",
        "12 345 678",
        "$1,234.56",
        "USD 1234567.89",
        "\"prompt_tokens\":4155552671",
        "max_tokens: 128000",
        "gpt-4-0613",
        "claude-3-5-sonnet-20241022",
        "o3-mini-2025-01-31",
        "0-306-40615-2",
        "978-3-16-148410-0",
        "02139-4307",
        "port 8080",
        "1024x768",
        "10-20-30",
        "5/10/2020",
        "2+14155552",
        "chatcmpl-0301234567",
        "range 415-555",
        "555-2671",
        "#4155552671",
        "hotel: 12345678",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "100 200 300 4000 500",
        "2010-2020",
        "10 415 555 2671",
        "1e10",
        "0x0123456789",
        "sha1 0123456789012345678901234567890123456789",
    ]);
}

/// None of its digits are taken for the end of the number.
#[test]
fn a_card_right_behind_a_number() {
    let card = ["4111 1111 ", "1111 1111"].concat();
    for (text, expected) in [
        ("415.555.4016 4111 1111 1111 units", "[REDACTED:phone] 4111 1111 1111 units"),
        ("415-555-4016 4111 1111 1111 1111", "[REDACTED:phone] [REDACTED:credit_card]"),
        ("phone: 415-555-2671 4111 1111 1111 1111", "phone: [REDACTED:phone] [REDACTED:credit_card]"),
        ("phone: 1.36148900647913", "phone: [REDACTED:phone]"),
    ] {
        assert_eq!(redacted(text), expected);
    }
    let rules = Rules { off: vec![Kind::CreditCard], ..Rules::default() };
    for text in ["phone: 378282246310005", "+36148900647913", "<phone>378282246310005</phone>"] {
        assert!(with(&rules, text, false).0.contains("[REDACTED:phone]"), "{text}");
    }
    assert_eq!(redacted(&format!("phone: {card}")), "phone: [REDACTED:credit_card]");
    for before in ["Tel +49 30 1234567", "phone: 030 1234567", "fax=4155552671", "0049-30-1234567"] {
        let output = redacted(&format!("{before} {card}"));
        assert!(output.ends_with("[REDACTED:phone] [REDACTED:credit_card]"), "{output}");
    }
}

#[test]
fn credit_cards() {
    let visa = ["4111 1111 ", "1111 1111"].concat();
    check(
        Kind::CreditCard,
        &[
            &format!("card «{visa}», thanks"),
            &format!("«{}»", visa.replace(' ', "")),
            &format!("«{}»", visa.replace(' ', "-")),
            &format!("«{}»", visa.replace(' ', "\u{a0}")),
            &format!("卡号«{}»。", visa.replace(' ', "")),
            &format!(r#"{{"n":"«{visa}»","m":«{}»}}"#, visa.replace(' ', "")),
            &format!(r"a\n«{visa}»\n"),
            // Any digits may end an escape.
            &format!(
                r#"{{"\u5361\u53f7":"\u53f7«{}»","\u2019":"\ud83d\ude00«{visa}»"}}"#,
                visa.replace(' ', "")
            ),
            &format!("«{}»", visa.replace(' ', r"\u00A0")),
            &format!("order_«{}»", visa.replace(' ', "")),
            &format!("«{}»", ["3782 822463", " 10005"].concat()),
            &format!("«{}»", ["5555 5555 5555", " 4444"].concat()),
            &format!("«{}»", ["3056 930902", " 5904"].concat()),
            &format!("«{}»", ["6011 1111 1111", " 1117"].concat()),
            &format!("«{}»", ["3530 1113 3330", " 0000"].concat()),
            &format!("2 «{visa}» 123"),
            &format!("1,«{visa}»,2"),
            &format!("«{}».0", visa.replace(' ', "")),
            &format!("«{}».50 EUR", visa.replace(' ', "")),
        ],
    );
    unchanged(&[
        "4111 1111 1111 1112",
        "4111111111111112",
        "1234567812345670",
        "0.4111111111111111",
        "4111111111111111.525",
        "a4111111111111111",
        "4111111111111111b",
        "41111111111111111111111",
        "logprob -0.004111111111111111",
        "1723456789012345",
        "4111.1111.1111.1111",
    ]);
}

#[test]
fn ibans() {
    let german = ["DE89 3704 0044", " 0532 0130 00"].concat();
    let compact = german.replace(' ', "");
    check(
        Kind::Iban,
        &[
            &format!("IBAN: «{german}»."),
            &format!("«{compact}» «{}»", compact.to_lowercase()),
            &format!("«{}»", german.replace(' ', "-")),
            &format!("账号«{compact}»转账"),
            &format!(r"x\n«{compact}»\n"),
            &format!("«{}»", ["GB82 WEST 1234", " 5698 7654 32"].concat()),
            &format!("«{}»", ["NO93 8601", " 1117 947"].concat()),
            &format!("«{}»", ["MT84 MALT 0110 0001", " 2345 MTLC AST0 01S"].concat()),
            &format!("«{german}» and 12"),
        ],
    );
    let wrong = compact.replace("89", "88");
    unchanged(&[
        &wrong,
        &format!("X{compact}"),
        &format!("{compact}7"),
        "ZZ89370400440532013000",
        "AT20",
        "in 20 days",
    ]);
}

#[test]
fn ip_addresses() {
    check(
        Kind::IpAddress,
        &[
            "from «192.168.1.10» to «8.8.8.8:53»".replace(":53»", "»:53").as_str(),
            "http://«10.0.0.1»:8080/x, «10.0.0.0»/8.",
            "nodes/«10.0.0.1»/metrics",
            "«2001:db8::8a2e:370:7334» «fe80::1»%eth0 [«2001:db8::1»]:443",
            "«2001:0db8:85a3:0000:0000:8a2e:0370:7334»",
            "«::ffff:192.0.2.1»",
            r"a\n«2001:db8::1»\n«192.168.1.1»\n",
            r#"{"ip":"\u5730\u5740«10.11.12.13»"}"#,
            "地址«192.168.1.1»和«2001:db8::1»。",
            "«fe80::1»: unreachable",
            "Last hop was «192.168.1.1».",
            "1,«192.168.1.1»,2",
        ],
    );
    unchanged(&[
        "1.2.3",
        "1.2.3.4.5",
        "v1.2.3.4",
        "version 1.2.3.4",
        r#""version": "1.2.3.4""#,
        "Chrome/120.0.0.0 Safari/537.36",
        "256.1.1.1",
        "1.2.3.04",
        "12:30:45",
        "00:1a:2b:3c:4d:5e",
        "std::string",
        "a[::2]",
        "::1",
        "::",
        "Vec::<u8>::new()",
        "x[1::2]",
        "1.2.3.4a",
        "a.b::c1",
        "10:20",
        "2024-01-15T10:30:00",
        "::add",
        "face::book",
    ]);
}

#[test]
fn every_format_of_keys_is_found() {
    for format in keys::tests::examples() {
        for (before, after) in [
            ("", ""),
            ("key is ", ", ok"),
            ("\"", "\""),
            (r"x\n", r"\n"),
            ("钥匙", "。"),
            ("(", ")"),
            ("=", "&b=1"),
            ("`", "`"),
        ] {
            let text = format!("{before}{format}{after}");
            let expected = format!("{before}[REDACTED:api_key]{after}");
            assert_eq!(redacted(&text), expected, "{text}");
        }
    }
}

/// As their makers generate them, some without a digit.
#[test]
fn generated_keys_are_found() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = |alphabet: &str, length: usize| -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).filter_map(|_| random.choice(&letters)).collect()
    };
    let (hex, alnum) = ("0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    let urlsafe = format!("{alnum}-_");
    for _ in 0..300 {
        let uuid = [8, 4, 4, 4, 12].map(|length| text(hex, length)).join("-");
        for key in [
            format!("sk-lf-{uuid}"),
            format!("sk-{}", text(alnum, 32)),
            format!("fw_{}", text(alnum, 24)),
            format!("tvly-dev-{}", text(alnum, 32)),
        ] {
            assert_eq!(
                redacted(&format!("my key is {key}, ok")),
                "my key is [REDACTED:api_key], ok",
                "{key}"
            );
        }
        let azure = text(hex, 32);
        assert_eq!(redacted(&format!("AZURE_OPENAI_KEY={azure}")), "AZURE_OPENAI_KEY=[REDACTED:api_key]");
    }
    // LiteLLM's, in which one of a few hundred has no digit, or few capitals.
    let kept =
        (0..1_000).filter(|_| redacted(&format!("sk-{}", text(&urlsafe, 22))).starts_with("sk-")).count();
    assert!(kept < 30, "{kept} of 1000");
}

#[test]
fn what_only_begins_like_a_key() {
    unchanged(&[
        "sk-learn-compatible-estimator-for-internationalization",
        "sk-SomeNameInCamelCaseOfAnIdentifier",
        "sk-Learn-Model-Version-2-Final-Build",
        "task-management-system-for-everyone",
        "risk-averse",
        "AKIA",
        "AKIAlooks",
        "hf_hub_download",
        "gsk_value",
        "r8_",
        "dapifoo",
        "SKU 12345",
        "SKILLS",
        "npm_config_registry",
        "xoxb-short",
        "SG.x",
        "glpat-x",
        "AIzaShort",
        "pypi-server",
        "sk-",
        "ghp_",
        "eyJ",
        "eyJhbGciOi",
        "eyJ.eyJ.eyJ",
        "key-value-store",
        "____________",
        "------------",
        "bot12345678:short",
        "12345678:short",
        "Bearer authentication",
        "Bearer token",
        "the Bearer of this",
        "LTAI",
        "whsec_",
        "fw_update_available_now",
    ]);
}

#[test]
fn jwts() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let token = format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(r#"{"sub":"1"}"#), body(43));
    let encrypted = format!(
        "{}.{}.{}.{}.{}",
        part(r#"{"alg":"dir","enc":"A256GCM"}"#),
        body(8),
        body(16),
        body(30),
        body(22)
    );
    check(
        Kind::Jwt,
        &[
            &format!("«{token}»"),
            &format!("token=«{token}»; path=/"),
            &format!("Bearer «{token}»"),
            &format!("Authorization: Bearer «{token}»\r\n"),
            &format!(r#"{{"id_token":"«{token}»"}}"#),
            &format!(r"x\n«{token}»\n."),
            &format!("令牌«{token}»。«{token}»."),
            &format!("«{encrypted}»"),
        ],
    );
    let no_alg = format!("{}.{}.{}", part(r#"{"typ":"JWT"}"#), part(r#"{"sub":"1"}"#), body(43));
    let no_json = format!("eyJ{}.{}.{}", body(20), body(20), body(20));
    let two_parts = format!("{}.{}", part(r#"{"alg":"HS256"}"#), body(20));
    unchanged(&[&no_alg, &no_json, &two_parts]);
}

fn pem(label: &str, separator: &str) -> String {
    let lines = vec![body(64); 12].join(separator);
    format!(
        "-----{} {label}-----{separator}{lines}{separator}AB3=={separator}-----{} {label}-----",
        "BEGIN", "END"
    )
}

#[test]
fn private_keys() {
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        for separator in ["\n", "\r\n", r"\n", " "] {
            let key = pem(label, separator);
            check(
                Kind::PrivateKey,
                &[&format!("here: «{key}» done"), &format!("\"«{key}»\""), &format!("«{key}»\n«{key}»")],
            );
        }
    }
    let (public, certificate) = (pem("PUBLIC KEY", "\n"), pem("CERTIFICATE", "\n"));
    unchanged(&[
        &public,
        &certificate,
        &format!("a -----{} PRIVATE KEY----- header begins such a file", "BEGIN"),
    ]);
    // The end is missing, and the text was not cut.
    let key = pem("PRIVATE KEY", "\n");
    let open = key.rsplit_once("\n-----").unwrap().0;
    assert_eq!(
        redacted(&format!("{open}\n\nThat was all of it.")),
        "[REDACTED:private_key]\n\nThat was all of it."
    );
    assert_eq!(redacted(&format!("{open}\n{certificate}")), format!("[REDACTED:private_key]\n{certificate}"));
    // With headers in front of its lines.
    for headers in ["Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", "Version: GnuPG v2\n\n"] {
        let (begin, lines) = open.split_once('\n').unwrap();
        let key = format!("{begin}\n{headers}{lines}");
        assert_eq!(redacted(&format!("{key}\n\nThat was all.")), "[REDACTED:private_key]\n\nThat was all.");
        let escaped = key.replace('\n', r"\n");
        assert_eq!(redacted(&format!("\"{escaped}\"")), "\"[REDACTED:private_key]\"");
    }
    unchanged(&[&format!("-----{} PRIVATE KEY-----\nnote: it stands here\n", "BEGIN")]);
    // In a named value.
    assert_eq!(
        redacted(&format!("\"private_key\": \"{}\"", pem("PRIVATE KEY", r"\n"))),
        "\"private_key\": \"[REDACTED:private_key]\""
    );
}

#[test]
fn named_values() {
    let key = body(32);
    check(
        Kind::ApiKey,
        &[
            "password=«hunter2»&user=me",
            "password: «hunter2» and more",
            "Password: «hunter»",
            "password: «hunter»\nnext",
            r#"{"password":"«correct horse \"battery\"»","user":"me"}"#,
            r#"{\"password\": \"«p4ss, word»\", \"a\": 1}"#,
            "db_password = '«q»'",
            "PGPASSWORD=«secret123» psql",
            "**Password:** «Tr0ub4dor»",
            "<password>«hunter2»</password>",
            "os.environ[\"DB_PASSWORD\"] = \"«hunter2»\"",
            "mysql -e \"x\" --password=\"«) my, secret»\"",
            "\"password\": \"« leading»\"",
            "password = \"« leading»\"",
            "PASSWORD=«$ecret1» pwd: «$2hunter» passwd=«$ecret.one»",
            "pwd=«hunter2» DB_PWD='«s3cret/x»' Pwd=«/k3jH92aZ+»;",
            "password=«hunter[2»] password=«Summer[2024»]! password=«qwerty[x»",
            "PASSWORD=«$(P4ssw0rd»; password=«$ecret(1» PASSWORD='«$UPER1»'",
            r#"{"password": "«$ECRET123»"} https://bob:«$ECRET12»@db.example.com/x"#,
            &format!("\"registry\": {{\"auth\": \"«{}==»\"}}", body(30)),
            &format!("api_key=«{key}»"),
            &format!("API key: «{key}»."),
            &format!("x-api-key: «{key}»\n"),
            &format!("\"apiKey\" : \"«{key}»\""),
            &format!("AZURE_OPENAI_API_KEY=«{}»", hex(32)),
            &format!("Ocp-Apim-Subscription-Key: «{}»", hex(32)),
            &format!("AccountName=x;AccountKey=«{}==»;EndpointSuffix=y", body(86)),
            &format!("aws_secret_access_key = «{}/{}+{}»", body(13), body(13), body(12)),
            &format!("SecretAccessKey: «{}»", body(40)),
            &format!("client_secret=«{key}»"),
            &format!("https://x.example/?sig=«{}%3D»&se=2024", body(43)),
            "\"password\":[\"«hunter2»\"]",
            r#"{\"password\": [\"«hunter2»\"]}"#,
            r#"{"body":"user\u003dme\u0026password\u003d«hunter2»\u0026next\u003d1"}"#,
            r#"{"body":"DB_PASSWORD\u003D\"«correct horse»\" a\u003db"}"#,
            r#""password" =\u003e "«hunter2x9»""#,
            r"\u003cpassword\u003e«hunter2x9»\u003c/password\u003e password\u003d\u003e «hunter2x9»",
            r"a\npass=«hunter2x9»\nb",
            "connect(user, pass_=\"«hunter2x9»\") pwd_ = '«hunter2x9»'",
            "pwd          = «hunter2x9»\npass          : «hunter2x9»",
            "user[password]=«hunter2»&password[]=«hunter2»",
            "password=«${DB:-hunter2»}",
            "password=\"«${X}hunter2»\" pwd='«$(hunter2»'",
            &format!("password={}", ["«", &"x".repeat(64), "hunter2»"].concat()),
            &format!("FERNET_KEY='«{}=»'", body(43)),
            &format!("AZURE_STORAGE_KEY=«{}/{}==»;", body(43), body(42)),
            &format!("APP_KEY=«base64:{}+{}=»", body(20), body(22)),
            // As languages write strings.
            "password=b\"«hunter2more»\" {'password': B'«hunter2more»'} password = u'«hunter2more»'",
            "password=r'«hunter2more»' password: @\"«hunter2more»\" password=$'«hunter2more»' pwd=Rb'«x1»'",
            r#"app.secret_key = b'«_5#y2L"F4Q8z\n\xec]/»'"#,
            "USER: root --- PASS: «hunter2abc» --- PASS=«hunter2abc9»",
            // Behind the type of the name.
            "const apiKey: string = \"«aB3dE5fG7hI9»\"; let secret: &str = \"«aB3dE5fG7hI9»\";",
            "val password: String = \"«hunter2»\"; var password string = \"«hunter2»\"; password: str = '«hunter2»'",
            "password=\"\"\"«hunter2more»\"\"\" password='''«hunter2more»'''",
            r#"1,"{""password"":""«hunter2more»"",""a"":""b""}",2"#,
            r"{b'authorization': b'Basic «dXNlcjpQV0h1bnRlcg==»'}",
            // What a shell escapes.
            r"password=«hunter2\&more99xyz» password=«QW\,hunter2more»; password=«QW\)hunter2\;x\'y»",
            r"PASSWORD=«QW\ hunter2\ more» password=«QW\(hunter2\)more», x",
            r"export TOKEN=«abc\;aB3dE5fG7hI9jK1lM3nO»",
            &format!("«sk-proj-{key}»: {key}"),
            &format!("OPENAI_KEY='«{key}»'"),
            &format!("Bearer «{key}»"),
            "postgres://app:«s3cr3t!»@db.internal:5432/x",
            "redis://:«hunter2»@10x.example/0",
            &format!("https://«{key}»@git.example.com/x.git"),
            "url: \"amqp://user:«p@ss»@rabbit/\"",
            &format!("bot«123456789:{}»", body(35)),
            &format!("https://api.telegram.org/bot«123456789:{}»/getMe", body(35)),
        ],
    );
}

#[test]
fn elements_of_xml() {
    check(
        Kind::ApiKey,
        &[
            "<password>«hunter2,more;x y»</password><user>ann</user>",
            "<a:Password>«hunter2»</a:Password>\n<wsse:password Type=\"x#PasswordText\">«hunter2»</wsse:password>",
            "<password><![CDATA[«QW&hunter2»]]></password>",
            "<password> «hunter2»\n  </password>",
            r"<password>«hun\ter2»</password>",
            "<password>«hunter<2x9»</password> <password>«hunter2<!-- prod -->»</password>",
            "<password>«hunter2»</Password> <password>«hunter2»</pass> <password>«hunter2»</ password>",
            "<api_key>«aB3dE5fG7hI9jK1lM3nO»</api-key> <password>«hunter2»<br/>\n<password>«hunter2»",
            "<password><![CDATA[«hunter<2&x»]]></password> <password> <![CDATA[«hunter2»]]></password>",
            "<authorization>Bearer «abcdef123456»<br>",
            "<token>«\"aB3dE5fG7hI9jK1lM3nO\"»</token> <token>«aB3dE5fG7hI9jK1lM3nO» x",
            "<token>\"«aB3dE5fG7hI9jK1lM3nO»\" x</token> <token>'«aB3dE5fG7hI9jK1lM3nO»', 'b'</token>",
            "<secret>«aB3&amp;dE5fG7hI9»</secret> <token>«aB3dE5fG,7hI9jK1lM3nO5pQ7r»</token>",
            "<secret> «aB3dE5fG7hI9»\n</secret>",
            "<o:Password Type=\"http://docs.example.com/wss/2004/01/a-200401-b-username-token-1.0#PasswordText\">«q w»</o:Password>",
            "<apiKey>«aB3dE5fG7hI9»</apiKey><Authorization>Basic «dXNlcjpwYXNz»</Authorization>",
            "<password>«\"hunter2\"»</password>",
        ],
    );
    check(
        Kind::Phone,
        &["<phone>«4155552671»</phone> <phone>«4155552671»<br>", "<fax>«+49 30 12345678»</fax>"],
    );
    let cut = |text: &str| with(&Rules::default(), text, true).0;
    for end in ["", ", x", "<", "</", "</pass", "</password"] {
        let output = cut(&format!("<password>hunter2{end}"));
        assert!(output.starts_with("<password>[REDACTED:api_key]"), "{output}");
    }
    assert_eq!(cut("<token>aB3d"), "<token>aB3d");
    for tag in ["<token>", "<password>"] {
        let line = format!("Use {tag} in place of the one that {}", "stands here ".repeat(500));
        assert!(cut(&line).len() > line.len() - 10, "{tag}");
    }
    unchanged(&[
        "mongodb+srv://<db_username>:<db_password>@cluster0.ab1cd.example/?retryWrites=true&w=majority",
        "redis://:<password>@redis:6379/0 amqp://user:<password>@host",
        "login --password <password> --host db; use <your-password> here",
        "List<Password> passwords = new ArrayList<>();",
        r#"{"password": "<YOUR_PASSWORD>", "x": 1} {"password": "<db_password>", "x": 1}"#,
        "Client(user=\"<user>\", password=\"<your_password>\", host=\"db\")",
        "Use `<your password>`. Then set `API_HOST`.\n- `<password>`: the password of `user`",
        r#"{"<password>": "string"} "<password>"? "<your password>"\n"next""#,
        "`--otp <one-time password>`, `--name x`",
        "<password>${DB_PASSWORD}</password><pwd>{{ vault }}</pwd><password>****</password>",
        "<password></password><password/> text <password value=\"\"/> text </password>",
        "<secret>the recipe of my grandmother</secret>",
        "<secret>Meet me at 10 tomorrow</secret><signature>fn add(first: i32) to i32</signature>",
        "<password><min>8</min><max>20</max></password>",
        "git clone https://oauth2:<token>@gitlab.example.com/group/project2.git",
        "curl https://api.example.org/bot<token>/sendMediaGroup?chat_id=123456",
        "vercel --token <token> https://api.example.com/v1/models --key <accesskey> --region=us-east-1",
        "Replace `<token>` with your token from step 2, `Option<Credential>` has 2 variants; go on",
        "export TOKEN=\"<token>\" && node server1.js; print('<secret>') # line 12, see 'docs'",
        "{\"content\":\"Replace `<token>` with that of step 2.\\nThen\",\"n\":1,\"list\":[\"a\",\"b\"]}",
        "Promise<AccessToken> getAccessToken2() { List<Credential> getCredentialsByUser2(int x)",
        "请输入<username>和<password>来登录，Use <password>… then <password>!!! is Foo<Password>?.bar",
        "<Password onClick={()=>toggle} /> <Password onChange={e => setX1(e)}/>",
        "Vec<Password>::new() Option<Password>=None <password>, <password>. (<password>)",
        r#"""password"":"""",""user"":""ann"""#,
    ]);
}

#[test]
fn what_stands_behind_a_name_and_is_no_value() {
    unchanged(&[
        "password = f\"{prefix}{name}\" api_key=f\"sk-{Key1}\"",
        "Forgot your password: click here",
        "Password:\tmust not be empty",
        "====== Password ======\nPASSWORD ==========\nPassword: ==========",
        "let token = CancellationToken::new(); brace_token: token::Brace(span)",
        "tls_prf::Secret::new(self.0) my $pwd  = CPAN::anycwd()",
        r"C:\Users\password\u003edir1234",
        "password: str = None",
        "password: string",
        r#""password": null"#,
        r#""password": {"type": "string"}"#,
        "password = getpass.getpass()",
        "password = config.password",
        "password=${DB_PASSWORD}",
        "password: {{ vault }}",
        "password: <your password>",
        r#"{"password":"<your password>"}"#,
        r#"{"password": "<your password>", "x": 1}"#,
        r#"login(password="<password>")"#,
        "use '<password>', or '<token>'",
        r#"{"body":"{\"password\":\"<your password>\"}"}"#,
        "\"token\": \"hello\"",
        "{\"token\":\" the\",\"logprob\":-0.1}",
        "max_tokens=4096",
        "token: 12345",
        "api_key = os.environ[\"OPENAI_API_KEY\"]",
        "api_key=YOUR_API_KEY",
        "apiKey: string",
        "secret: the recipe",
        "compass: north12",
        "key: release-notes-Q3-EMEA-and-APAC-region",
        "key: My-Favourite-Book-Of-All-Times-1984",
        "key=Team_Retro_Board_Sprint_42_Notes",
        "<key>CFBundleIdentifierForDistribution2</key>",
        "\"Key\": \"EC2InstanceConnectEndpointSecurityGroup\"",
        "\"key\":\"ApplicationLoadBalancerTargetGroupHTTPS443\"",
        "\"Key\":\"images/2024/03/15/holiday-in-the-mountains1\"",
        "password=${{ secrets.DB_PASSWORD }} pwd=\"${{ secrets.PWD }}\"",
        "password=$(cat /run/secrets/db) pwd=\"$(cat /run/secrets/db)\"",
        "password=\"${DB_PASSWORD}\" pwd=\"{{ lookup('env', 'A_LONG_NAME_OF_A_PASSWORD_THAT_IS_KEPT_ELSEWHERE') }}\"",
        "\"key\": \"uploads/2024/report-final-of-the-year.pdf\"",
        "key: customer_profile_settings_of_version_2",
        "\"key\": \"This is a sentence with 3 words or more.\"",
        "idempotency_key=8e03978e-40d5-43e8-bc93-6894a57f9324",
        "http://localhost:8080/x",
        "https://example.com/a:b@c",
        "password: ********",
        "\"finish_reason\":\"stop\"",
        "tokens: 100",
        "signature: see below",
        "pass: 12",
        "the password is in the vault",
        r#"{"label":"Password:","hint":"at least eight characters"}"#,
        "read -s -p \"Password: \" PW && echo \"logging in\"",
        r#"{"cmd":"read -p \"Password: \" x; make all"}"#,
        "input(\"Password: \")",
        "print('Wrong password:', attempt, 'of', limit)",
        "<input placeholder=\"Password:\" id=\"login\">",
        "password = os.environ[\"DB_PASSWORD\"]",
        "password = config[\"db\"][\"password\"]",
        "$password = $_POST['password'];",
        "password: Optional[str] = None",
        "password: string = \"\"; password: str = None; func f(password string) { s := \"a1b2c3\" }",
        "const restring = \"hunter2\"; password_substr = x[2]; connection string = \"Server=a1;\"",
        "password: string = process.env.PASSWORD1; let password: &str = args[1]; pass_str = \"passed1 of 10\"",
        "The password string = whatever you typed. mobile_str = '12345678'",
        "password: L'utilisateur doit choisir un mot de passe; Password: E' obbligatoria",
        "\"<token>\"+ session1Token2Value3Abc +\"</token>\"; `<token>`-Tag aus RFC7519 und bis `</token>`",
        "--- PASS: TestParseFile2 (0.00s)\n    --- PASS: TestParseConfigurationFile/utf8 (0.01s)",
        "password=$DB_PASSWORD pwd=\"$DB_PASSWORD\"",
        "PWD=/home/me/project",
        r#"{"pwd": "/home/me", "oldpwd": "/workspace/src"}"#,
    ]);
}

#[test]
fn credentials_behind_a_scheme() {
    let key = body(32);
    check(
        Kind::ApiKey,
        &[
            &format!("Authorization: Bearer «{key}»\r\nHost: x"),
            &format!("authorization: bearer «{key}»"),
            &format!("'Authorization': 'Token «{}»'", hex(40)),
            "Authorization: Basic «dXNlcjpwYXNzd29yZDE=»",
            &format!("-H \"Authorization: Bearer «{key}»\""),
            "Authorization: Basic «dXNlcjpwYXNz»",
            "Authorization: Bearer «mysecrettokenvalue»\n",
            "Authorization=Bearer «abcdefabcdefabcdef»",
            "Authorization: Api-Key «abcd1234abcd»",
            "Authorization: Bearer  «mysecrettokenvalue»\n",
            "Authorization:\tBasic\t«dXNlcjpwYXNz»",
            &format!("Authorization: Token token=\"«{key}»\", nonce=\"x\""),
            &format!(r#"{{"Authorization": "Bearer token=\"«{key}»\""}}"#),
            "Authorization: Key password='«hunter2»'",
            "Authorization: ApiKey «daniel:204db7bcfafb2deb»",
            "Authorization: Basic «user.name:hunter2»",
            "[\"Authorization: Basic «dXNlcjpwYXNzdw==»\", \"Accept: x\"]",
            "Authorization: Bot \"«MTk4.Cl2FMQ.ZnCjm1»\"",
            "\"Authorization\":[\"Basic «dXNlcjpwYXNz»\"]",
            "map[Authorization:[Basic «dXNlcjpwYXNz»] Accept:[x]]",
        ],
    );
    unchanged(&[
        "Authorization: required",
        "Authorization: Bearer $OPENAI_API_KEY",
        "Authorization: Bearer <token>",
        "Authorization: Bearer token",
        "Authorization: the process of granting",
        "Authorization: role-based access",
        "Authorization: Basic training is required",
        "authorization = Basic authentication scheme",
        "Authorization: Key management service",
    ]);
}

#[test]
fn a_kind_can_be_off() {
    let rules = Rules { off: vec![Kind::Email], ..Rules::default() };
    let (output, found) = with(&rules, "me@example.com +14155552671", false);
    assert_eq!(output, "me@example.com [REDACTED:phone]");
    assert_eq!(found.iter().collect::<Vec<_>>(), [(Kind::Phone, 1)]);
}

#[test]
fn a_text_without_findings_is_lent() {
    let (redactor, _) = Redactor::new(&Rules::default());
    assert!(matches!(
        redactor.redact("nothing to see, 12 of 34", false, &mut Found::default()),
        Cow::Borrowed(_)
    ));
}

#[test]
fn a_marker_makes_no_value_random() {
    check(
        Kind::Email,
        &[
            "secret=see:«ann@example.com»",
            r#"{"secret":"mail «ann@example.com» for it","x":1}"#,
            "token: mailto:«ann@example.com»",
        ],
    );
    let (redactor, _) = Redactor::new(&Rules::default());
    for text in [
        "\"api_key\": \"u:[REDACTED:email]:Abcdef1234567890\"",
        "token=ab[REDACTED:email]Abcdef1234567890abcdef",
        "token=ab[REDACTED:Abcdef1234567890abcdef",
        "password=xx[REDACTED:hunter2",
    ] {
        let output = redactor.redact(text, false, &mut Found::default());
        assert!(output.contains("[REDACTED:api_key]") && !output.contains("123"), "{output}");
    }
    let rules = Rules { literals: vec!["R&D/Falcon".into()], ..Rules::default() };
    let (output, _) = with(&rules, "password=.R&D/Falcon x", false);
    assert_eq!(output, "password=[REDACTED:api_key] x");
}

#[test]
fn what_a_redaction_uncovers_is_found() {
    let key = ["gh", "p_", &body(36)].concat();
    assert_eq!(redacted(&format!("192.168.1.1{key}")), "[REDACTED:ip_address][REDACTED:api_key]");
}

#[test]
fn cut_texts_end_before_a_secret() {
    let cut = |text: &str| with(&Rules::default(), text, true).0;
    assert_eq!(cut("write to john.d"), "write to ");
    assert_eq!(cut("write to john.doe@exa"), "write to [REDACTED:email]");
    assert_eq!(cut("a short end"), "a short end");
    assert_eq!(cut("call 415-55"), "call [REDACTED:phone]");
    assert_eq!(cut("call +49 30 12"), "call [REDACTED:phone]");
    assert_eq!(cut("card 4111 1111 1111 "), "card [REDACTED:credit_card]");
    assert_eq!(cut("host 192.168.1"), "host [REDACTED:ip_address]");
    assert_eq!(cut("host 2001:db8:"), "host [REDACTED:ip_address]");
    assert_eq!(cut("iban GB82 WEST 12"), "iban [REDACTED:iban]");
    assert_eq!(cut(&["key sk", "-ant-api03"].concat()), "key [REDACTED:api_key]");
    assert_eq!(cut("in 2024 "), "in 2024 ");
    assert_eq!(cut("password: hunt"), "password: [REDACTED:api_key]");
    assert_eq!(cut("postgres://app:hunter"), "postgres://app:[REDACTED:api_key]");
    let key = pem("PRIVATE KEY", "\n");
    for end in [40, 100, 300, key.len() - 3] {
        assert_eq!(cut(&format!("key: {}", &key[..end])), "key: [REDACTED:private_key]");
    }
}
