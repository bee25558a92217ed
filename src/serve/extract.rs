//! What a request says. What is wrong in its address is told as any other problem is.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use serde_json::Number;

use super::problem::Problem;

/// The parts of the path that stand for something.
pub(super) struct Path<T>(pub(super) T);

/// What stands behind the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Reads a whole number of 32 bits, which JSON may write as `7.0`.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
    let whole = number.as_f64().filter(|number| number.fract() == 0.0 && range.contains(number));
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in the range")]
    whole
        .map(|number| number as i64)
        .ok_or_else(|| D::Error::custom(format!("{number} is no whole number of 32 bits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        let read = |text: &str| whole(&mut serde_json::Deserializer::from_str(text)).ok();
        assert_eq!([read("7"), read("-7.0"), read("1e3")], [Some(7), Some(-7), Some(1000)]);
        assert_eq!([read("7.5"), read("1e300"), read("2147483648"), read("\"7\"")], [None; 4]);
    }
}
