use super::{Files, VALUES};

/// The files of one place, but with the configuration and the environments' values of another: what comes from somebody
/// who is not trusted, as those who are have configured it.
pub struct Configured<'a> {
    /// The configuration's path.
    pub config: &'a str,
    /// Whence the configuration and the values are.
    pub from: &'a dyn Files,
    /// Whence everything else is.
    pub files: &'a dyn Files,
}

impl Configured<'_> {
    fn of(&self, path: &str) -> &dyn Files {
        if self.configures(path) { self.from } else { self.files }
    }

    fn configures(&self, path: &str) -> bool {
        let in_values =
            path.strip_prefix(VALUES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        path == self.config || in_values
    }
}

impl Files for Configured<'_> {
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.of(path).read(path)
    }

    fn exists(&self, path: &str) -> anyhow::Result<bool> {
        self.of(path).exists(path)
    }

    fn paths(&self) -> anyhow::Result<Vec<String>> {
        let mut paths = self.files.paths()?;
        paths.retain(|path| !self.configures(path));
        paths.extend(self.from.paths()?.into_iter().filter(|path| self.configures(path)));
        paths.sort_unstable();
        Ok(paths)
    }

    fn names_in(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        self.of(directory).names_in(directory)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Files for BTreeMap<&str, &str> {
        fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
            Ok(self.get(path).map(|text| text.as_bytes().to_vec()))
        }

        fn exists(&self, path: &str) -> anyhow::Result<bool> {
            Ok(self.keys().any(|known| *known == path || known.starts_with(&format!("{path}/"))))
        }

        fn paths(&self) -> anyhow::Result<Vec<String>> {
            Ok(self.keys().map(|path| (*path).to_owned()).collect())
        }
    }

    #[test]
    fn configuration_and_values_are_of_one_place_and_the_rest_of_the_other() {
        let from = BTreeMap::from([
            ("pipeline.yaml", "base"),
            ("stacks/a/template.yaml", "base"),
            ("stacks/environments/prod.yaml", "base"),
        ]);
        let files = BTreeMap::from([
            ("pipeline.yaml", "head"),
            ("stacks/a/template.yaml", "head"),
            ("stacks/environments/new.yaml", "head"),
            ("stacks/environments.yaml", "head"),
            ("web/pipeline.yaml", "head"),
        ]);
        let both = Configured { config: "pipeline.yaml", from: &from, files: &files };
        let read =
            |path: &str| both.read(path).expect("a file").map(|text| String::from_utf8(text).expect("text"));
        assert_eq!(read("pipeline.yaml").as_deref(), Some("base"));
        assert_eq!(read("stacks/environments/prod.yaml").as_deref(), Some("base"));
        assert_eq!(read("stacks/environments/new.yaml"), None);
        assert_eq!(both.names_in("stacks/environments").expect("names"), ["prod.yaml"]);
        for path in ["stacks/a/template.yaml", "stacks/environments.yaml", "web/pipeline.yaml"] {
            assert_eq!(read(path).as_deref(), Some("head"), "{path}");
        }
        assert_eq!(
            both.paths().expect("paths"),
            [
                "pipeline.yaml",
                "stacks/a/template.yaml",
                "stacks/environments.yaml",
                "stacks/environments/prod.yaml",
                "web/pipeline.yaml"
            ]
        );
    }
}
