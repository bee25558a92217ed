use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

/// Goes into every key: another number makes every image be built anew, as when the way of building changes.
const KEY_VERSION: &str = "1";

/// A workload's image as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The workload's name.
    pub workload: String,
    /// The root of the source tree; the build happens in it.
    pub directory: PathBuf,
    /// A digest of the contents of all declared inputs, the Dockerfile and `.dockerignore` among them.
    pub inputs: String,
    /// A shell command that is run in `directory` before the image is built.
    pub command: Option<String>,
    /// The directory that is sent to Docker, relative to `directory`.
    pub context: String,
    /// The Dockerfile, relative to `directory`.
    pub dockerfile: String,
    /// Values for the Dockerfile's `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The Dockerfile's stage to build; the last one if there is none.
    pub target: Option<String>,
    /// Environment variables with secrets that the command is given. What they hold is no part of the key.
    pub secrets: Vec<String>,
    /// What the image runs on: `linux/amd64`.
    pub platform: String,
    /// The image's labels. They say where it came from, not what it is, and are no part of the key.
    pub labels: BTreeMap<String, String>,
}

impl Spec {
    /// The content key, which is the image's tag: equal for equal inputs that are built in the same way, whatever the
    /// commit and wherever the source tree lies.
    #[must_use]
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            // With its length before it no part can run over into the next.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for part in [KEY_VERSION, &self.inputs, &self.context, &self.dockerfile, &self.platform] {
            add(part);
        }
        for optional in [&self.command, &self.target] {
            add(if optional.is_some() { "some" } else { "none" });
            add(optional.as_deref().unwrap_or_default());
        }
        for (name, value) in &self.args {
            add(name);
            add(value);
        }
        // 128 bits: no two keys of a repository collide, and a tag stays readable.
        let start =
            hash.finalize().iter().take(16).fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
        format!("{start:032x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec() -> Spec {
        Spec {
            workload: "api".into(),
            directory: "/src".into(),
            inputs: "4b825dc6".into(),
            command: Some("make".into()),
            context: ".".into(),
            dockerfile: "Dockerfile".into(),
            args: BTreeMap::from([("A".into(), "1".into())]),
            target: None,
            secrets: Vec::new(),
            platform: "linux/amd64".into(),
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn stays_what_it_was_in_earlier_versions() {
        assert_eq!(spec().key(), "d61218b173c62b023a241cb0b8ec47a0");
    }

    #[test]
    fn every_input_counts() {
        let changes: [fn(&mut Spec); 9] = [
            |spec| spec.inputs.push('0'),
            |spec| spec.command = None,
            |spec| spec.command = Some(String::new()),
            |spec| spec.context.push('/'),
            |spec| spec.dockerfile.push('2'),
            |spec| spec.args.clear(),
            |spec| _ = spec.args.insert("B".into(), String::new()),
            |spec| spec.target = Some(String::new()),
            |spec| spec.platform = "linux/arm64".into(),
        ];
        let mut keys: Vec<_> = changes
            .iter()
            .map(|change| {
                let mut other = spec();
                change(&mut other);
                other.key()
            })
            .chain([spec().key()])
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), changes.len() + 1);
    }

    #[test]
    fn origin_and_place_do_not_count() {
        let mut other = spec();
        other.labels.insert("org.opencontainers.image.revision".into(), "c0ffee".into());
        other.directory = "/elsewhere".into();
        other.workload = "renamed".into();
        assert_eq!(other.key(), spec().key());
    }

    proptest! {
        #[test]
        fn is_a_tag_that_depends_on_every_argument_and_not_on_their_order(
            mut args in proptest::collection::btree_map("[A-Z]{1,3}", "[a-z]{0,3}", 1..5)
        ) {
            let with = |args: &BTreeMap<String, String>| Spec { args: args.clone(), ..spec() }.key();
            let key = with(&args);
            prop_assert_eq!(key.len(), 32);
            prop_assert_eq!(&key, &with(&args.clone().into_iter().rev().collect()));
            let (name, value) = args.pop_first().unwrap();
            prop_assert_ne!(&key, &with(&args));
            args.insert(name, value + "0");
            prop_assert_ne!(&key, &with(&args));
        }
    }
}
