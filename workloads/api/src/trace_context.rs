use std::fmt;

use axum::http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The headers of W3C Trace Context, in HTTP and in Kafka.
pub const TRACEPARENT: &str = "traceparent";
/// What tracing systems add to it.
pub const TRACESTATE: &str = "tracestate";

/// Where a request belongs to: a trace that the caller began or that begins here, and this hop's own span in it.
/// <https://www.w3.org/TR/trace-context/>
#[derive(Debug, Clone)]
pub struct TraceContext {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    flags: u8,
    /// Passed on as it came.
    pub state: Option<HeaderValue>,
}

impl TraceContext {
    /// Goes on with the request's trace, or begins one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let span_id = Uuid::new_v4().simple().to_string()[..16].to_owned();
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = parents.next().and_then(|value| parse(value.to_str().ok()?));
        match (parent, parents.next()) {
            (Some((trace_id, flags)), None) => {
                Self { trace_id, span_id, flags, state: headers.get(TRACESTATE).cloned() }
            }
            _ => Self { trace_id: Uuid::new_v4().simple().to_string(), span_id, flags: 0, state: None },
        }
    }
}

/// As the header has it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// The trace's id, and whether it is sampled.
fn parse(header: &str) -> Option<(String, u8)> {
    let hex = |text: &str, length| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |text: &str, length| hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let mut parts = header.split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may have more parts, this one has not.
    let known = version != "00" || parts.next().is_none();
    let valid =
        hex(version, 2) && version != "ff" && is_id(trace_id, 32) && is_id(parent_id, 16) && hex(flags, 2);
    // Of the flags, only the first is known.
    (known && valid).then(|| Some((trace_id.to_owned(), u8::from_str_radix(flags, 16).ok()? & 1)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parents: &[&str]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(TRACEPARENT, parent.parse().unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        TraceContext::of(&headers)
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_gone_on_with() {
        for (parent, flags) in [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), "01"),
            (format!("00-{TRACE}-00f067aa0ba902b7-fe"), "00"),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"), "01"),
        ] {
            let context = of(&[&parent]);
            assert_ne!(context.span_id, "00f067aa0ba902b7");
            assert_eq!(context.to_string(), format!("00-{TRACE}-{}-{flags}", context.span_id));
            assert_eq!(context.state, Some(HeaderValue::from_static("vendor=1")));
        }
    }

    #[test]
    fn what_is_no_trace_begins_one() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        for parents in [
            &[][..],
            &[good.as_str(), good.as_str()],
            &[&format!("00-{TRACE}-00f067aa0ba902b7-01-more")],
            &[&format!("ff-{TRACE}-00f067aa0ba902b7-01")],
            &[&format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase())],
            &[&format!("00-{TRACE}-0000000000000000-01")],
            &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
            &["nonsense"],
        ] {
            let context = of(parents);
            assert_ne!(context.trace_id, TRACE);
            assert_eq!((context.trace_id.len(), context.span_id.len()), (32, 16));
            assert_eq!(context.state, None);
        }
    }
}
