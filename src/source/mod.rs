//! git: which commit is deployed, what is in it, and what its remote has.
//!
//! Everything is read from git's objects, never from the files on disk, so that what is deployed is what is
//! recorded. Uncommitted changes are no exception: they are recorded as a tree first.
//!
//! All calls block; from asynchronous code they belong into `spawn_blocking`.

mod checkout;
mod credentials;
mod digest;
mod lookup;
mod path;
mod remote;
mod repository;
mod snapshot;
mod standby;
mod url;
mod work_tree;

pub use checkout::Checkout;
pub use credentials::Token;
pub use remote::is_branch_name;
pub use repository::Repository;
pub use snapshot::Snapshot;
pub use url::{github_repository, web_address};
