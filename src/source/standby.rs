use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::repository::Repository;

impl Repository {
    /// A repository in a directory of its own for what a remote holds, made if need be, with none of its files in it:
    /// what is deployed is read from git's objects.
    ///
    /// With `objects_of` it takes over what that repository has fetched, and fetches nothing itself.
    ///
    /// # Errors
    /// If the directory can't be written.
    pub fn standby(directory: &Path, remote: &str, objects_of: Option<&Self>) -> Result<Self> {
        let making = || format!("making the git repository {}", directory.display());
        fs::create_dir_all(directory).with_context(making)?;
        let git = git2::Repository::init(directory).with_context(making)?;
        match git.find_remote("origin") {
            Ok(origin) if origin.url().is_ok_and(|url| url == remote) => {}
            Ok(_) => git.remote_set_url("origin", remote).with_context(making)?,
            Err(_) => drop(git.remote("origin", remote).with_context(making)?),
        }
        if let Some(other) = objects_of {
            let objects = other.handle.lock().commondir().join("objects");
            let alternates = git.commondir().join("objects/info/alternates");
            fs::write(&alternates, format!("{}\n", objects.display()))
                .with_context(|| format!("writing {}", alternates.display()))?;
        }
        Self::discover(directory)
    }
}
