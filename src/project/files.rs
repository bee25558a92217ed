use crate::source::Snapshot;

/// The files of a repository at some point, by their paths from its root, with `/` between directories.
pub trait Files {
    /// What is in a file; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be read, or is a directory.
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// Whether there is a file or directory.
    ///
    /// # Errors
    /// If that can't be told.
    fn exists(&self, path: &str) -> anyhow::Result<bool>;

    /// The paths of all files.
    ///
    /// # Errors
    /// If they can't be read.
    fn paths(&self) -> anyhow::Result<Vec<String>>;

    /// The names of the files that are in a directory itself; none if there is no such directory.
    ///
    /// # Errors
    /// If they can't be read.
    fn names_in(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        let prefix = format!("{directory}/");
        let paths = if self.exists(directory)? { self.paths()? } else { Vec::new() };
        let names = paths.iter().filter_map(|path| path.strip_prefix(&prefix));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

impl Files for Snapshot {
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.read(path)
    }

    fn exists(&self, path: &str) -> anyhow::Result<bool> {
        self.exists(path)
    }

    fn paths(&self) -> anyhow::Result<Vec<String>> {
        self.paths()
    }

    fn names_in(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        self.names_in(directory)
    }
}
