//! Why GitHub did not take a request, and when the same request may succeed.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

/// What GitHub asks for after a secondary rate limit that names no time.
/// <https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api>
const SECONDARY: Duration = Duration::from_mins(1);

const DOWN: &str = "see whether GitHub is up and can be reached from here";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What came back.
    pub answer: String,
    /// When the same request may succeed.
    pub again: Again,
    /// What to do about it.
    pub hint: &'static str,
}

/// When the same request may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Not before somebody has done something.
    Never,
    /// Once what is wrong with GitHub or the way to it has passed. It may have been carried out, too.
    Later,
    /// After this time: there were too many requests.
    After(Duration),
}

impl Refusal {
    /// No answer came.
    #[must_use]
    pub fn unanswered(answer: impl Into<String>) -> Self {
        Self { answer: answer.into(), again: Again::Later, hint: DOWN }
    }

    /// Nothing that waiting mends.
    #[must_use]
    pub fn lasting(answer: impl Into<String>, hint: &'static str) -> Self {
        Self { answer: answer.into(), again: Again::Never, hint }
    }

    /// What an answer that is no success means.
    #[must_use]
    pub fn of(status: StatusCode, headers: &HeaderMap, body: &str, now: Timestamp) -> Self {
        let code = status.as_u16();
        let said = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
        let message = said["message"].as_str().unwrap_or_default();
        let answer = format!("{code} {message}").trim_end().to_owned();
        if let Some(pause) = limit(code, headers, message, now) {
            let hint =
                "GitHub takes no more requests for a while: fewer runs at a time, or an App of your own";
            return Self { answer, again: Again::After(pause), hint };
        }
        match code {
            401 => Self::lasting(answer, "the token is wrong or has expired; give a new one"),
            // GitHub answers 404, not 403, where a token may not even see the repository.
            403 | 404 => Self::lasting(answer, "check owner and repository, and what the token may write"),
            408 | 500.. => Self { answer, again: Again::Later, hint: DOWN },
            422 => Self::lasting(answer, "check that the commit is pushed to that repository"),
            _ => Self::lasting(answer, "check the GitHub API's address"),
        }
    }

    /// Whether the token may not do this, whatever else it may.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.again == Again::Never && ["403", "404"].iter().any(|code| self.answer.starts_with(code))
    }
}

/// How long to wait, if there were too many requests.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
fn limit(code: u16, headers: &HeaderMap, message: &str, now: Timestamp) -> Option<Duration> {
    if !matches!(code, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let seconds = |seconds: i64| Duration::from_secs(seconds.try_into().unwrap_or(0));
    if let Some(after) = number("retry-after") {
        return Some(seconds(after));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset = number("x-ratelimit-reset").map(|reset| seconds(reset - now.as_second() + 1));
        return Some(reset.unwrap_or(SECONDARY));
    }
    (code == 429 || message.to_lowercase().contains("rate limit")).then_some(SECONDARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, headers: &[(&'static str, &'static str)], message: &str) -> Refusal {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        let body = serde_json::json!({ "message": message }).to_string();
        let now = Timestamp::from_second(1_000).expect("a time");
        Refusal::of(StatusCode::from_u16(code).expect("a code"), &headers, &body, now)
    }

    fn after(seconds: u64) -> Again {
        Again::After(Duration::from_secs(seconds))
    }

    #[test]
    fn limits_are_told_from_what_is_forbidden() {
        assert_eq!(refusal(403, &[], "Resource not accessible by integration").again, Again::Never);
        assert_eq!(refusal(403, &[("x-ratelimit-remaining", "17")], "Forbidden").again, Again::Never);
        assert_eq!(
            refusal(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")], "").again,
            after(31)
        );
        assert_eq!(refusal(403, &[("retry-after", "7")], "").again, after(7));
        assert_eq!(refusal(429, &[], "").again, after(60));
        assert_eq!(refusal(403, &[], "You have exceeded a secondary rate limit").again, after(60));
    }

    #[test]
    fn a_limit_that_is_over_is_no_wait() {
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")];
        assert_eq!(refusal(429, &past, "").again, after(0));
    }

    #[test]
    fn what_passes_is_told_from_what_needs_a_person() {
        for code in [408, 500, 502, 503, 504] {
            assert_eq!(refusal(code, &[], "").again, Again::Later);
        }
        for code in [400, 401, 404, 410, 422] {
            assert_eq!(refusal(code, &[], "").again, Again::Never);
        }
        assert!(refusal(404, &[], "Not Found").is_forbidden());
        assert!(!refusal(422, &[], "No commit found").is_forbidden());
    }
}
