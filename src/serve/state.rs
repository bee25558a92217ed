use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::lease::unique_name;

/// The directory in which a server keeps what it needs, for one server at a time.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
    /// The name under which this server holds runs: the next one in the same directory has the same.
    pub(super) holder: String,
    _lock: File,
}

impl StateDirectory {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("the state directory {} can't be used: {error}", path.display()))
                .hint("name one that can be written to with --state")
        };
        fs::create_dir_all(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = File::create(path.join("serve.lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(format!("another server uses {}", path.display()))
                    .hint("end that one first, or name another directory with --state"));
            }
        }
        let holder = holder(&path.join("holder")).map_err(failed)?;
        Ok(Self { path, holder, _lock: lock })
    }

    /// The repository into which is fetched.
    pub(super) fn fetched(&self, repository: &str) -> PathBuf {
        self.path.join("repositories").join(repository).join("fetched")
    }

    /// The repository in which a pull request is planned.
    pub(super) fn plans(&self, repository: &str, number: u64) -> PathBuf {
        self.path.join("repositories").join(repository).join("plans").join(number.to_string())
    }

    /// The repository in which an environment's runs are carried out.
    pub(super) fn place(&self, repository: &str, environment: &str) -> PathBuf {
        self.path.join("repositories").join(repository).join("environments").join(environment)
    }
}

/// Reads the name, or makes one up. It is on the disk before anything is held under it.
fn holder(file: &Path) -> std::io::Result<String> {
    match fs::read_to_string(file) {
        Ok(name) if !name.is_empty() => return Ok(name),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let name = unique_name();
    let mut written = File::create(file)?;
    written.write_all(name.as_bytes())?;
    written.sync_all()?;
    Ok(name)
}
