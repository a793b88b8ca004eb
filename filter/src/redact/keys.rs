//! Credentials that show what they are: a published prefix and a body of a certain alphabet and length; JWTs; Telegram's
//! bot tokens.

use super::bytes::{ALNUM, BASE64, Bytes, Class, DIGIT, DOTTED, HEX, LETTER, UPPER, WORD, is};
use super::scan::Scan;
use super::{Kind, MAX_CUT_REST, MAX_JUDGED, work};

/// One format of keys.
struct Format {
    prefix: &'static str,
    /// The alphabet of what follows, and how much of it there is at least. Longer keys are taken whole.
    body: Class,
    min: u8,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The prefix is enough, within a word too.
    Anywhere,
    /// Only where a word begins: the prefix may end one.
    Word,
    /// As `Word`, and the body must look random, see [`is_random`]: the prefix also begins ordinary names,
    /// `sk-learn-compatible-estimator`.
    Random,
}

const fn anywhere(prefix: &'static str, body: Class, min: u8) -> Format {
    Format { prefix, body, min, rule: Rule::Anywhere }
}

const fn word(prefix: &'static str, body: Class, min: u8) -> Format {
    Format { prefix, body, min, rule: Rule::Word }
}

const fn random(prefix: &'static str, body: Class, min: u8) -> Format {
    Format { prefix, body, min, rule: Rule::Random }
}

/// Every format. "gitleaks ID" names a rule of <https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>,
/// for formats whose makers describe them nowhere or only by an example.
///
/// Mistral, Cohere, Together, Azure and AI21 mark their keys with nothing: only a name before them (`named`) finds those.
const FORMATS: &[Format] = &[
    // Anthropic: https://docs.anthropic.com/en/api/admin-api/apikeys/get-api-key (partial_key_hint); gitleaks anthropic-api-key
    anywhere("sk-ant-", WORD, 20),
    // OpenAI: https://platform.openai.com/docs/api-reference/admin-api-keys; gitleaks openai-api-key
    anywhere("sk-proj-", WORD, 20),
    anywhere("sk-svcacct-", WORD, 20),
    anywhere("sk-admin-", WORD, 20),
    // OpenRouter: https://openrouter.ai/docs/api-reference/authentication
    anywhere("sk-or-v1-", WORD, 32),
    // Langfuse, a UUID: https://langfuse.com/faq/all/where-are-langfuse-api-keys
    anywhere("sk-lf-", WORD, 36),
    // Older keys of OpenAI, and of those who took over the form: DeepSeek, Moonshot, Qwen, LiteLLM
    random("sk-", WORD, 16),
    // AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    anywhere("AKIA", UPPER, 16),
    anywhere("ASIA", UPPER, 16),
    anywhere("ABIA", UPPER, 16),
    anywhere("ACCA", UPPER, 16),
    // Amazon Bedrock: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html; gitleaks aws-amazon-bedrock-*
    anywhere("ABSK", BASE64, 100),
    anywhere("bedrock-api-key-", BASE64, 32),
    // Google: https://cloud.google.com/docs/authentication/api-keys; gitleaks gcp-api-key
    anywhere("AIza", WORD, 35),
    // Google OAuth: https://developers.google.com/identity/protocols/oauth2; client secrets and access tokens
    anywhere("GOCSPX-", WORD, 20),
    word("ya29.", DOTTED, 20),
    // GitHub: https://github.blog/changelog/2021-03-31-authentication-token-format-updates-are-generally-available/
    anywhere("ghp_", ALNUM, 36),
    anywhere("gho_", ALNUM, 36),
    anywhere("ghu_", ALNUM, 36),
    anywhere("ghs_", DOTTED, 36),
    anywhere("ghr_", ALNUM, 36),
    anywhere("github_pat_", WORD, 36),
    // GitLab: https://docs.gitlab.com/security/tokens/#token-prefixes
    anywhere("glpat-", DOTTED, 20),
    anywhere("gldt-", DOTTED, 20),
    anywhere("glrt-", DOTTED, 20),
    anywhere("glptt-", DOTTED, 20),
    anywhere("glcbt-", DOTTED, 20),
    anywhere("gloas-", DOTTED, 20),
    // Slack: https://docs.slack.dev/authentication/tokens
    anywhere("xoxa-", WORD, 10),
    anywhere("xoxb-", WORD, 10),
    anywhere("xoxe-", WORD, 10),
    anywhere("xoxe.xoxp-", WORD, 10),
    anywhere("xoxp-", WORD, 10),
    anywhere("xoxr-", WORD, 10),
    anywhere("xoxs-", WORD, 10),
    anywhere("xapp-", WORD, 10),
    // Stripe: https://docs.stripe.com/keys; webhooks: https://docs.stripe.com/webhooks
    anywhere("sk_live_", ALNUM, 10),
    anywhere("sk_test_", ALNUM, 10),
    anywhere("rk_live_", ALNUM, 10),
    anywhere("rk_test_", ALNUM, 10),
    anywhere("whsec_", BASE64, 24),
    // ElevenLabs: https://elevenlabs.io/docs/api-reference/authentication
    word("sk_", HEX, 40),
    // Hugging Face: https://huggingface.co/docs/hub/security-tokens; gitleaks huggingface-access-token
    word("hf_", ALNUM, 30),
    anywhere("api_org_", ALNUM, 30),
    // Groq: https://console.groq.com/docs/quickstart
    word("gsk_", ALNUM, 40),
    // xAI: https://docs.x.ai/docs/tutorial
    word("xai-", WORD, 40),
    // Replicate: https://replicate.com/docs/reference/http#authentication
    word("r8_", ALNUM, 30),
    // Perplexity: https://docs.perplexity.ai/getting-started/quickstart; gitleaks perplexity-api-key
    word("pplx-", ALNUM, 40),
    // NVIDIA: https://docs.api.nvidia.com
    word("nvapi-", WORD, 40),
    // Cerebras: https://inference-docs.cerebras.ai/quickstart
    word("csk-", ALNUM, 40),
    // Fireworks: https://docs.fireworks.ai/getting-started/quickstart
    random("fw_", ALNUM, 20),
    // Tavily: https://docs.tavily.com/documentation/quickstart
    random("tvly-", WORD, 20),
    // Jina: https://jina.ai/api-dashboard
    word("jina_", WORD, 40),
    // Pinecone: https://docs.pinecone.io/guides/projects/manage-api-keys
    word("pcsk_", WORD, 40),
    // LangSmith: https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key
    anywhere("lsv2_pt_", WORD, 32),
    anywhere("lsv2_sk_", WORD, 32),
    // Databricks: https://docs.databricks.com/dev-tools/auth/pat; gitleaks databricks-api-token
    word("dapi", HEX, 32),
    // npm: https://github.blog/2021-09-23-announcing-npms-new-access-token-format/
    anywhere("npm_", ALNUM, 36),
    // PyPI: https://pypi.org/help/#apitoken
    word("pypi-", WORD, 50),
    // SendGrid: https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
    word("SG.", DOTTED, 40),
    // Twilio: https://www.twilio.com/docs/iam/api-keys
    word("SK", HEX, 32),
    // DigitalOcean: https://docs.digitalocean.com/reference/api/create-personal-access-token/
    anywhere("dop_v1_", HEX, 40),
    anywhere("doo_v1_", HEX, 40),
    anywhere("dor_v1_", HEX, 40),
    // HashiCorp Vault: https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes
    word("hvs.", WORD, 20),
    word("hvb.", WORD, 20),
    // Docker: https://docs.docker.com/security/access-tokens/
    anywhere("dckr_pat_", WORD, 20),
    // Grafana: https://grafana.com/docs/grafana/latest/administration/service-accounts/
    anywhere("glsa_", WORD, 32),
    anywhere("glc_", BASE64, 32),
    // Shopify: https://shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing
    anywhere("shpat_", HEX, 32),
    anywhere("shpss_", HEX, 32),
    // Linear, Notion, Postman, New Relic, Alibaba Cloud, 1Password, age: gitleaks linear-api-key, notion-api-token,
    // postman-api-token, new-relic-user-api-key, alibaba-access-key-id, 1password-service-account-token, age-secret-key
    anywhere("lin_api_", ALNUM, 32),
    word("ntn_", ALNUM, 40),
    anywhere("PMAK-", WORD, 40),
    anywhere("NRAK-", UPPER, 20),
    word("LTAI", ALNUM, 16),
    anywhere("ops_eyJ", BASE64, 100),
    anywhere("AGE-SECRET-KEY-1", UPPER, 40),
];

/// How the scan comes to a format: by the byte of its prefix that is rare in prose.
struct Anchors {
    bytes: [u8; FORMATS.len()],
    /// Where in the prefix it is.
    places: [u8; FORMATS.len()],
    /// The first format of each byte, and the next one of each format; counted from 1.
    first: [u8; 128],
    next: [u8; FORMATS.len()],
}

static TABLE: Anchors = anchors();
pub(super) const ANCHORS: [u8; FORMATS.len()] = anchors().bytes;

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn anchors() -> Anchors {
    let empty = [0; FORMATS.len()];
    let mut anchors = Anchors { bytes: empty, places: empty, first: [0; 128], next: empty };
    let mut row = FORMATS.len();
    while row > 0 {
        let count = row as u8;
        row -= 1;
        let prefix = FORMATS[row].prefix.as_bytes();
        let mut place = 0;
        while place < prefix.len() && (prefix[place].is_ascii_lowercase() || prefix[place].is_ascii_digit()) {
            place += 1;
        }
        if place == prefix.len() {
            // `dapi`: its `p` is rarer than its `d`.
            place = prefix.len() / 2;
        }
        let byte = prefix[place];
        anchors.bytes[row] = byte;
        anchors.places[row] = place as u8;
        anchors.next[row] = anchors.first[byte as usize];
        anchors.first[byte as usize] = count;
    }
    anchors
}

/// How long the header of a JWT may be that a word before it is glued to.
const MAX_GLUED: usize = 128;

/// At an anchor.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::ApiKey)?;
    let bytes = scan.bytes;
    let anchor = bytes.at(at);
    // A rule in a table, `-----` or `____`.
    if matches!(anchor, b'-' | b'_' | b'.') && !is(bytes.before(at, 1), ALNUM) {
        return None;
    }
    let mut next = TABLE.first.get(usize::from(anchor)).copied().unwrap_or_default();
    while let Some(row) = usize::from(next).checked_sub(1) {
        let (Some(format), Some(place)) = (FORMATS.get(row), TABLE.places.get(row)) else { break };
        next = TABLE.next.get(row).copied().unwrap_or_default();
        let start = at.checked_sub(usize::from(*place)).filter(|start| is_key_start(bytes, *start, format));
        let Some(start) = start else { continue };
        let body = start.wrapping_add(format.prefix.len());
        // A body that is refused although it is long is looked at no further than that.
        let mut run = bytes.run_within(body, format.body, MAX_JUDGED);
        let fits = format.rule != Rule::Random || is_random(bytes.span(body, run));
        if fits {
            run = bytes.run(run, format.body);
        }
        let is_beginning = scan.is_at_cut(run) && run > body && run.saturating_sub(start) > MAX_CUT_REST;
        let mut end = run;
        // The end of a sentence.
        while end > body && bytes.before(end, 1) == b'.' {
            end = end.saturating_sub(1);
        }
        if is_beginning || (fits && end.saturating_sub(body) >= usize::from(format.min)) {
            return scan.found(Kind::ApiKey, start, end);
        }
    }
    None
}

fn is_key_start(bytes: Bytes<'_>, start: usize, format: &Format) -> bool {
    // Most are told by their first byte.
    Some(&bytes.at(start)) == format.prefix.as_bytes().first()
        && bytes.starts_with(start, format.prefix.as_bytes())
        && (format.rule == Rule::Anywhere || bytes.is_word_start(start))
}

/// 16 letters and digits in a row with a digit among them, or with many capitals; or digits in base64url, which `-` and
/// `_` break up, and more capitals than names of parts have.
fn is_random(body: &[u8]) -> bool {
    const MIN_BROKEN: usize = 20;
    let has_digit = |part: &[u8]| part.iter().any(u8::is_ascii_digit);
    let is_part = |part: &[u8]| part.len() >= 16 && (has_digit(part) || has_many_capitals(part));
    let is_broken = |body: &[u8]| {
        let steps_up = body.array_windows().filter(|[before, byte]| {
            (byte.is_ascii_uppercase() && is(*before, ALNUM))
                || (byte.is_ascii_digit() && is(*before, LETTER))
        });
        body.len() >= MIN_BROKEN && has_digit(body) && steps_up.count() >= 5
    };
    body.split(|byte| !is(*byte, ALNUM)).any(is_part) || is_broken(body)
}

/// More than names in `CamelCase` have, but not all.
fn has_many_capitals(text: &[u8]) -> bool {
    let capitals = text.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    (text.len().div_ceil(4)..text.len()).contains(&capitals)
}

/// Letters and digits change more often than they do in names, or there are many capitals.
pub(super) fn is_mixed(text: &[u8]) -> bool {
    let is_change = |[one, other]: &&[u8; 2]| one.is_ascii_digit() != other.is_ascii_digit();
    text.array_windows().filter(is_change).count() >= 3 || has_many_capitals(text)
}

/// At the `J` of `eyJ`, as every JWT begins: `{"` in base64url. RFC 7519, RFC 7515, RFC 7516.
pub(super) fn find_jwt(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::Jwt)?;
    let bytes = scan.bytes;
    let start = at.checked_sub(2).filter(|start| bytes.starts_with(*start, b"ey"))?;
    if start < scan.no_jwt_before {
        return None;
    }
    // One that a word before it is glued to is taken too, but then every `eyJ` of a run is a candidate: look less far.
    let is_glued = !bytes.is_word_start(start);
    let most = if is_glued { MAX_GLUED } else { usize::MAX };
    let header = bytes.run_within(start, WORD, most);
    if scan.is_at_cut(header) {
        return scan.found(Kind::Jwt, start, header);
    }
    let payload = if bytes.at(header) == b'.' { bytes.run(header.wrapping_add(1), WORD) } else { header };
    let has_payload = payload > header && (bytes.at(payload) == b'.' || scan.is_at_cut(payload));
    if !has_payload || !is_jose_header(bytes.span(start, header)) {
        if !is_glued {
            scan.no_jwt_before = header;
        }
        return None;
    }
    let mut end = payload;
    // A signature; of an encrypted one three parts more.
    for _ in 0..3 {
        let part = end.wrapping_add(1);
        if bytes.at(end) != b'.' || (end > payload && !is(bytes.at(part), WORD)) {
            break;
        }
        end = bytes.run(part, WORD);
    }
    scan.found(Kind::Jwt, start, end)
}

/// Whether it decodes to what looks like a JSON object (`eyJ` is `{"`) with an `alg` in it.
fn is_jose_header(encoded: &[u8]) -> bool {
    const ALG: u64 = u64::from_be_bytes(*b"\0\0\0\"alg\"");
    const LAST_FIVE: u64 = (1 << 40) - 1;
    let mut bits: u64 = 0;
    for (at, byte) in encoded.iter().enumerate() {
        work(1);
        let Some(six) = six_bits(*byte) else { return false };
        bits = bits << 6 | six;
        // Up to two bytes may have become whole; what is too much at the end belongs to the next.
        let extra = [6, 4, 2, 0].get(at & 3).copied().unwrap_or_default();
        if extra < 6 && (bits >> extra) & LAST_FIVE == ALG {
            return true;
        }
    }
    false
}

/// What a character of base64url stands for.
fn six_bits(byte: u8) -> Option<u64> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// At a digit: a bot token, <https://core.telegram.org/bots/api#authorizing-your-bot>: the bot's number and 35
/// characters.
pub(super) fn find_telegram(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::ApiKey)?;
    let bytes = scan.bytes;
    let colon = bytes.run(at, DIGIT);
    let is_bot = (8..=10).contains(&colon.saturating_sub(at)) && bytes.at(colon) == b':';
    // `…/bot123:…` in a URL.
    let is_start = bytes.is_word_start(at) || bytes.starts_with(at.saturating_sub(3), b"bot");
    if !is_bot || !is_start {
        return None;
    }
    let body = colon.wrapping_add(1);
    let end = bytes.run(body, WORD);
    let is_token = (35..=46).contains(&end.saturating_sub(body));
    if is_token || (scan.is_at_cut(end) && end > body) { scan.found(Kind::ApiKey, at, end) } else { None }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A key of every format; no secrets, and put together only here.
    pub(in crate::redact) fn examples() -> Vec<String> {
        let alphabet = |class: Class| match class {
            HEX => "0a1b2c3d4e5f6789",
            UPPER => "A2B3C4D5E6F7G2H3",
            _ => "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z",
        };
        let body = |format: &Format| {
            let length = usize::from(format.min).max(20);
            alphabet(format.body).chars().cycle().take(length).collect::<String>()
        };
        FORMATS.iter().map(|format| format!("{}{}", format.prefix, body(format))).collect()
    }

    #[test]
    fn longer_prefixes_come_first() {
        for (index, format) in FORMATS.iter().enumerate() {
            for later in &FORMATS[index + 1..] {
                assert!(!later.prefix.starts_with(format.prefix), "{} hides {}", format.prefix, later.prefix);
            }
        }
    }
}
