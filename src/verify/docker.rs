use bollard::models::SystemVersion;

use super::{Finding, Subject};
use crate::failure::Failure;
use crate::image::Engine;

const CHECK: &str = "docker";

/// The oldest API that builds and pushes were tried with; Docker Engine 20.10 has it.
const MINIMUM_API: (u32, u32) = (1, 41);

/// Whether Docker Engine answers and is new enough, if there is anything to build.
pub async fn check(subject: &Subject<'_>, engine: &Engine) -> Vec<Finding> {
    if subject.project.config.workloads.is_empty() {
        return Vec::new();
    }
    let version = match engine.docker().await {
        Ok(docker) => {
            docker.version().await.map_err(|error| Failure::new(format!("Docker's version: {error}")))
        }
        Err(failure) => Err(failure),
    };
    vec![version.map_or_else(|failure| Finding::failed(CHECK, failure), |version| judge(&version))]
}

fn judge(version: &SystemVersion) -> Finding {
    let engine = version.version.as_deref().unwrap_or("of an unknown version");
    let api = version.api_version.as_deref().unwrap_or("unknown");
    let told = format!("Docker Engine {engine}, API {api}");
    match parse(api) {
        Some(api) if api < MINIMUM_API => {
            let (major, minor) = MINIMUM_API;
            Finding::failed(
                CHECK,
                Failure::new(format!("{told} is too old: API {major}.{minor} is needed"))
                    .hint("update Docker Engine to 20.10 or newer"),
            )
        }
        Some(_) => Finding::good(CHECK, told),
        None => Finding::warning(
            CHECK,
            Failure::new(format!("{told}: whether that is new enough can't be told"))
                .hint("make sure that it is 20.10 or newer"),
        ),
    }
}

fn parse(api: &str) -> Option<(u32, u32)> {
    let (major, minor) = api.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Verdict;

    #[test]
    fn an_old_engine_is_refused() {
        let verdict = |api: &str| {
            judge(&SystemVersion { api_version: Some(api.to_owned()), ..SystemVersion::default() }).verdict
        };
        assert_eq!(verdict("1.40"), Verdict::Failed);
        assert_eq!(verdict("1.41"), Verdict::Good);
        assert_eq!(verdict("2.0"), Verdict::Good);
        assert_eq!(verdict("new"), Verdict::Warning);
    }
}
