use std::collections::BTreeMap;

use bollard::Docker;
use futures::future::join_all;

use super::{Finding, Subject};
use crate::config::Workload;
use crate::failure::Failure;
use crate::image::{Engine, cause};
use crate::project::Dockerfile;

const CHECK: &str = "base images";

/// Whether what Dockerfiles build upon is in the engine, or can be had from its registry.
pub async fn check(subject: &Subject<'_>, engine: &Engine) -> Vec<Finding> {
    let mut bases: BTreeMap<Base, Vec<String>> = BTreeMap::new();
    for workload in subject.project.config.workloads.values() {
        for (place, base) in in_dockerfile(subject, workload) {
            bases.entry(base).or_default().push(place);
        }
    }
    // That the engine does not answer is said by the check of it.
    let Ok(docker) = engine.docker().await else { return Vec::new() };
    join_all(bases.into_iter().map(|(base, places)| look(docker, base, places.join(", ")))).await
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Image(String),
    /// It holds arguments whose values are not known.
    Unknown(String),
}

fn in_dockerfile(subject: &Subject<'_>, workload: &Workload) -> Vec<(String, Base)> {
    let path = &workload.build.dockerfile;
    let text = subject.files.read(path).ok().flatten().unwrap_or_default();
    let dockerfile = Dockerfile::parse(&String::from_utf8_lossy(&text));
    let given = workload.build.args.iter();
    let given = given.filter_map(|(name, value)| Some((name.clone(), value.resolve(|_| None).ok()?)));
    let mut arguments: BTreeMap<String, String> = dockerfile.defaults.into_iter().collect();
    arguments.extend(given);
    let bases = dockerfile.bases.into_iter().filter(|(_, base)| base != "scratch");
    bases.map(|(line, base)| (format!("{path}:{line}"), resolved(&base, &arguments))).collect()
}

/// The image with arguments' values put in: `$NAME` and `${NAME}`, the latter also with a default, `${NAME:-value}`.
fn resolved(written: &str, arguments: &BTreeMap<String, String>) -> Base {
    let unknown = || Base::Unknown(written.to_owned());
    let mut parts = written.split('$');
    let mut image = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            Some((name, rest)) => (name, rest),
            None => {
                part.split_at(part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len()))
            }
        };
        let (name, default) =
            name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
        match arguments.get(name).map(String::as_str).or(default) {
            Some(value) => image.push_str(value),
            None => return unknown(),
        }
        image.push_str(rest);
    }
    Base::Image(image)
}

async fn look(docker: &Docker, base: Base, places: String) -> Finding {
    let image = match &base {
        Base::Image(image) => image,
        Base::Unknown(written) => {
            let failure =
                Failure::new(format!("{places}: FROM {written} has arguments without a known value"))
                    .hint("give the argument a default before the first FROM, or a value in `build.args`");
            return Finding::warning(CHECK, failure);
        }
    };
    if docker.inspect_image(image).await.is_ok() {
        return Finding::good(CHECK, format!("{image} is in the engine"));
    }
    match docker.inspect_registry_image(image, None).await {
        Ok(_) => Finding::good(CHECK, format!("{image} is in its registry")),
        Err(error) => {
            let told = format!(
                "{places} builds upon {image}, which is neither in the engine nor to be had: {}",
                cause(&error)
            );
            let hint = format!(
                "check the name and the network; `docker pull {image}` once helps, as builds pull without a login"
            );
            Finding::failed(CHECK, Failure::new(told).hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_put_in() {
        let arguments = [("V", "1.2"), ("R", "r.io")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let image = |text: &str| Base::Image(text.to_owned());
        assert_eq!(resolved("a:$V-x", &arguments), image("a:1.2-x"));
        assert_eq!(resolved("${R}/a:${V}", &arguments), image("r.io/a:1.2"));
        assert_eq!(resolved("a:${W:-3}", &arguments), image("a:3"));
        assert_eq!(resolved("a:$W", &arguments), Base::Unknown("a:$W".to_owned()));
    }
}
