//! Keeps secrets out of all that is shown: whoever learns of one notes it here, and every text that leaves the program
//! as an event, an error or a result has what is known replaced by `***`.
//!
//! The secrets are those of the process, not of a call: a value that one part reads may come back in the message of
//! any other part, or of another program.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Shorter values are words of everyday texts: hiding them would hide everything, and tell the value by its gaps.
pub const MIN_LENGTH: usize = 6;

/// What a token of `pipeline serve` begins with, so that those who look for leaked secrets know one when they see it, and
/// how many hexadecimal digits follow.
pub const TOKEN_PREFIX: &str = "plt_";
const TOKEN_DIGITS: usize = 64;

/// Environment variables whose values are secrets wherever they are set.
pub const VARIABLES: &[&str] = &[
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "PIPELINE_GITHUB_APP_KEY",
    "PIPELINE_WEBHOOK_SECRET",
    "PIPELINE_WEBHOOK_SECRET_OLD",
    "PIPELINE_API_TOKEN",
    "PIPELINE_TOKEN",
    "PIPELINE_GITHUB_CLIENT_SECRET",
    "PIPELINE_DATABASE_URL",
    "PIPELINE_NOTIFY",
    "PIPELINE_NOTIFY_SECRET",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
];

static KNOWN: RwLock<Redactor> = RwLock::new(Redactor::new());

/// Notes a secret: from now on it is shown nowhere.
pub fn keep_secret(value: &str) {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).add(value);
}

/// Notes the secrets among the environment variables.
pub fn keep_environment() {
    VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).for_each(|value| keep_secret(&value));
}

/// The text without the secrets that are known.
pub fn redacted(text: &str) -> Cow<'_, str> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).redact(text)
}

/// Some secrets, and how to find them in texts.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What is looked for: each secret, each of its lines, and the base64 of these.
    patterns: Vec<Vec<u8>>,
}

impl Redactor {
    /// One that knows no secret.
    #[must_use]
    pub const fn new() -> Self {
        Self { patterns: Vec::new() }
    }

    /// Adds a secret. Values and lines of less than [`MIN_LENGTH`] bytes are not hidden.
    pub fn add(&mut self, value: &str) {
        let long = |text: &&str| text.len() >= MIN_LENGTH;
        let lines = value.lines().map(str::trim);
        for text in [value.trim()].into_iter().chain(lines).filter(long) {
            let forms = std::iter::once(text.as_bytes().to_vec()).chain(base64(text.as_bytes()));
            for form in forms {
                if !self.patterns.contains(&form) {
                    self.patterns.push(form);
                }
            }
        }
    }

    /// The text with every secret replaced: as it is, URL-encoded, escaped as in JSON, and in base64 whatever it is
    /// encoded together with.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        // What is left may come together to a secret again. It gets shorter each time, so there is an end.
        loop {
            let spans = self.spans(text.as_bytes());
            if spans.is_empty() {
                return text;
            }
            text = Cow::Owned(without(&text, &spans));
        }
    }

    /// Where secrets are, in their order; those that overlap or touch count as one.
    fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        for start in 0..text.len() {
            let ends = self.patterns.iter().filter_map(|pattern| end_of(pattern, &text[start..]));
            let ends = ends.chain(end_of_token(&text[start..]));
            let Some(end) = ends.max().map(|length| start + length) else { continue };
            match spans.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => spans.push(start..end),
            }
        }
        spans
    }
}

/// How long the token is at the beginning of the text. Tokens of `pipeline serve` are known by their looks: who made one
/// does not remember it.
fn end_of_token(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(TOKEN_PREFIX.as_bytes())?.get(..TOKEN_DIGITS)?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(TOKEN_PREFIX.len() + TOKEN_DIGITS)
}

fn without(text: &str, spans: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        kept.push_str(text.get(from..span.start).unwrap_or_default());
        kept.push_str(HIDDEN);
        from = span.end;
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept
}

/// How long the pattern is at the beginning of the text, each byte in any of its forms; `None` if it is not there.
///
/// A byte can have two forms at one place (`%` stands in `%25` both for itself and for the beginning of its code), so
/// all that it may come to is followed.
fn end_of(pattern: &[u8], text: &[u8]) -> Option<usize> {
    let (first, rest) = pattern.split_first()?;
    let mut ends: Vec<usize> = forms(*first, text).collect();
    for byte in rest {
        if ends.is_empty() {
            return None;
        }
        let mut next: Vec<usize> =
            ends.iter().flat_map(|end| forms(*byte, &text[*end..]).map(move |length| end + length)).collect();
        next.sort_unstable();
        next.dedup();
        ends = next;
    }
    ends.into_iter().max()
}

/// The lengths of the forms of a byte that the text begins with: itself, `%2F`, `+` for a space, `\n` and `\u002f`.
fn forms(byte: u8, text: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let plain = (text.first() == Some(&byte) || (byte == b' ' && text.first() == Some(&b'+'))).then_some(1);
    let percent = match text {
        [b'%', high, low, ..] if is_code(byte, *high, *low) => Some(3),
        _ => None,
    };
    let escaped = match text {
        [b'\\', b'u', b'0', b'0', high, low, ..] if is_code(byte, *high, *low) => Some(6),
        [b'\\', letter, ..] if escape(byte) == Some(*letter) => Some(2),
        _ => None,
    };
    [plain, percent, escaped].into_iter().flatten()
}

fn is_code(byte: u8, high: u8, low: u8) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digit(high).zip(digit(low)).is_some_and(|(high, low)| high * 16 + low == u32::from(byte))
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' | b'\'' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    }
}

/// The base64 of a value at each of the three places that it can have within what is encoded, in both alphabets. The
/// characters at its ends that follow from its neighbours too are left out.
fn base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut encoded = Vec::new();
    for before in 0..3 {
        let bytes = [&[0; 2][..before], value].concat();
        let whole = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for alphabet in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let text = alphabet.encode(&bytes);
            encoded.extend(text.as_bytes().get(whole.clone()).map(<[u8]>::to_vec));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::new();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    fn percent(text: &str, keep: fn(u8) -> bool) -> String {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            if keep(byte) {
                encoded.push(char::from(byte));
            } else {
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        })
    }

    /// The secret as other programs would write it.
    fn written(secret: &str, form: usize, before: &str, after: &str) -> String {
        let around = |text: &str| format!("{before}{text}{after}");
        match form {
            0 => around(secret),
            1 => around(&percent(secret, |byte| byte.is_ascii_alphanumeric())),
            2 => around(
                &percent(secret, |byte| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte))
                    .to_lowercase(),
            ),
            3 => serde_json::to_string(&around(secret)).unwrap(),
            4 => BASE64_STANDARD.encode(around(secret)),
            5 => BASE64_URL_SAFE.encode(around(secret)),
            _ => around(secret).lines().collect::<Vec<_>>().join("\n  | "),
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left_in_any_form(
            secret in "[!-~]{6,40}",
            form in 0_usize..7,
            before in ".{0,20}",
            after in ".{0,20}",
        ) {
            prop_assume!(form != 2 || secret == secret.to_lowercase());
            let text = written(&secret, form, &before, &after);
            let shown = redactor(&[&secret]).redact(&text).into_owned();
            prop_assert!(!shown.contains(&secret), "{shown}");
            for core in base64(secret.as_bytes()) {
                prop_assert!(!shown.contains(std::str::from_utf8(&core).unwrap()), "{shown}");
            }
            prop_assert!(shown.contains(HIDDEN));
        }

        #[test]
        fn no_secret_is_left_whatever_the_text(secret in "[ab%*\\\\]{6,8}", text in "[ab%*\\\\25]{0,60}") {
            let shown = redactor(&[&secret]).redact(&text).into_owned();
            prop_assert!(!shown.contains(&secret));
            prop_assert_eq!(shown == text, end_is_nowhere(&secret, &text));
        }

        #[test]
        fn other_texts_are_let_be(text in "[a-z ]{0,80}") {
            let redactor = redactor(&["CORRECT-horse", "12345"]);
            prop_assert!(matches!(redactor.redact(&text), Cow::Borrowed(_)));
        }
    }

    fn end_is_nowhere(secret: &str, text: &str) -> bool {
        let patterns = redactor(&[secret]).patterns;
        (0..text.len()).all(|start| patterns.iter().all(|it| end_of(it, &text.as_bytes()[start..]).is_none()))
    }

    #[test]
    fn short_values_are_shown_and_lines_are_hidden_one_by_one() {
        let redactor = redactor(&["short", "-----BEGIN-----\nabcdefgh\nxyz\n"]);
        assert_eq!(redactor.redact("short: abcdefgh, xyz"), "short: ***, xyz");
    }

    #[test]
    fn tokens_are_known_by_their_looks() {
        let token = format!("{TOKEN_PREFIX}{}", "0123456789abcdef".repeat(4));
        assert_eq!(redactor(&[]).redact(&format!("<{token}> plt_short")), "<***> plt_short");
    }

    #[test]
    fn secrets_that_overlap_are_hidden_whole() {
        let redactor = redactor(&["abcdef", "defghi", "abcdefghijkl"]);
        assert_eq!(redactor.redact("<abcdefghi> <abcdefghijkl> abcdefabcdef"), "<***> <***> ***");
    }

    #[test]
    fn a_known_example_of_each_form() {
        let redactor = redactor(&["p/ss w\"rd\n2"]);
        for form in [
            "p/ss w\"rd\n2",
            "p%2Fss%20w%22rd%0A2",
            "p%2fss+w%22rd%0a2",
            r#"p/ss w\"rd\n2"#,
            r"p\/ss w\u0022rd\n2",
        ] {
            assert_eq!(redactor.redact(&format!("<{form}>")), "<***>", "{form}");
        }
        let basic = BASE64_STANDARD.encode("user:p/ss w\"rd\n2");
        assert!(redactor.redact(&basic).contains(HIDDEN));
    }
}
