use std::path::{Path, PathBuf};

use bollard::Docker;

use crate::event::StepEvents;
use crate::failure::Failure;

const GIB: u64 = 1024 * 1024 * 1024;

/// With less than this free a build is not begun: it would fail on the way, and take others with it.
const TOO_LITTLE: u64 = GIB;

/// With less than this free it is said.
const SCARCE: u64 = 5 * GIB;

/// Free space where something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// What is kept there: `the work tree`.
    pub what: &'static str,
    /// The directory.
    pub path: PathBuf,
    /// Bytes that are free.
    pub free: u64,
}

/// Whether the space does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// There is enough.
    Enough,
    /// It may not do for a large build.
    Scarce(Failure),
    /// Nothing should be built.
    TooLittle(Failure),
}

impl Space {
    /// The space at a path; `None` if it can't be told, as for a path on another machine.
    #[must_use]
    pub fn at(what: &'static str, path: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(Self { what, path: path.to_owned(), free: found.f_bavail.saturating_mul(found.f_frsize) })
    }

    /// Whether it does.
    #[must_use]
    pub fn room(&self) -> Room {
        let failure = || {
            Failure::new(format!("{self}, which is little for a build")).hint(
                "make room, for instance by `docker system prune`, which deletes what no container uses",
            )
        };
        match self.free {
            ..TOO_LITTLE => Room::TooLittle(failure()),
            TOO_LITTLE..SCARCE => Room::Scarce(failure()),
            _ => Room::Enough,
        }
    }
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = self.free / (1024 * 1024);
        let free = if mib < 10 * 1024 { format!("{mib} MiB") } else { format!("{} GiB", mib / 1024) };
        write!(f, "{free} free for {} at {}", self.what, self.path.display())
    }
}

/// The space that builds take: where the sources are, and where the engine keeps images, if that is on this machine.
pub async fn spaces(docker: Option<&Docker>, directory: &Path) -> Vec<Space> {
    let images = match docker {
        Some(docker) => docker.info().await.ok().and_then(|info| info.docker_root_dir),
        None => None,
    };
    let images =
        images.filter(|_| engine_is_here()).and_then(|root| Space::at("Docker's images", Path::new(&root)));
    Space::at("the work tree", directory).into_iter().chain(images).collect()
}

/// Whether the engine is reached through a socket of this machine.
fn engine_is_here() -> bool {
    std::env::var("DOCKER_HOST").map_or(true, |host| host.starts_with("unix://"))
}

/// Refuses to begin a build that would fill the disk.
///
/// # Errors
/// If there is too little space.
pub(super) async fn check(docker: &Docker, directory: &Path, events: &StepEvents) -> Result<(), Failure> {
    for space in spaces(Some(docker), directory).await {
        match space.room() {
            Room::Enough => {}
            Room::Scarce(failure) => events.warning(failure.message),
            Room::TooLittle(failure) => return Err(failure),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(free: u64) -> Space {
        Space { what: "the work tree", path: "/src".into(), free }
    }

    #[test]
    fn little_space_is_said_and_too_little_refused() {
        assert!(matches!(with(GIB - 1).room(), Room::TooLittle(_)));
        assert!(matches!(with(GIB).room(), Room::Scarce(_)));
        assert!(matches!(with(5 * GIB).room(), Room::Enough));
        assert_eq!(with(GIB / 2).to_string(), "512 MiB free for the work tree at /src");
        assert_eq!(with(40 * GIB).to_string(), "40 GiB free for the work tree at /src");
    }

    #[test]
    fn what_is_not_here_can_t_be_told() {
        assert_eq!(Space::at("nothing", Path::new("/does/not/exist")), None);
        assert!(Space::at("something", Path::new("/")).unwrap().free > 0);
    }
}
