use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::source::{Checkout, Repository, Snapshot};

/// The sources that builds happen in.
#[derive(Debug)]
pub enum Tree {
    /// The working tree is what is deployed.
    Here(PathBuf),
    /// Another commit is deployed: it is checked out beside the working tree when the first build needs it.
    Elsewhere {
        /// The repository.
        repository: Arc<Repository>,
        /// What is to be checked out.
        snapshot: Arc<Snapshot>,
        /// The checkout, once it is there.
        checkout: OnceCell<Checkout>,
    },
}

impl Tree {
    /// The tree that holds the snapshot's files.
    ///
    /// # Errors
    /// If the working tree can't be compared with the snapshot.
    pub fn of(repository: &Arc<Repository>, snapshot: &Arc<Snapshot>) -> anyhow::Result<Self> {
        if snapshot.is_in_place() || repository.working_tree_matches(snapshot)? {
            return Ok(Self::Here(repository.root().to_owned()));
        }
        Ok(Self::Elsewhere {
            repository: Arc::clone(repository),
            snapshot: Arc::clone(snapshot),
            checkout: OnceCell::new(),
        })
    }

    /// The directory to build in.
    ///
    /// # Errors
    /// If the commit can't be checked out.
    pub async fn directory(&self) -> Result<PathBuf, Failure> {
        match self {
            Self::Here(root) => Ok(root.clone()),
            Self::Elsewhere { repository, snapshot, checkout } => {
                let checkout = checkout.get_or_try_init(|| check_out(repository, snapshot)).await?;
                Ok(checkout.path().to_owned())
            }
        }
    }
}

async fn check_out(repository: &Arc<Repository>, snapshot: &Arc<Snapshot>) -> Result<Checkout, Failure> {
    let (repository, commit, snapshot) =
        (Arc::clone(repository), snapshot.commit.clone(), Arc::clone(snapshot));
    tokio::task::spawn_blocking(move || repository.checkout(&snapshot))
        .await
        .map_err(|panic| Failure::new(format!("checking {commit} out broke off: {panic}")))?
        .map_err(|error| Failure::new(format!("checking {commit} out: {error:#}")))
}
