//! The way to AWS: credentials, endpoint, the account guard, pacing, the fence, and errors that say what to do.

mod assumed;
mod credentials;
mod error;
mod fence;
mod id_token;
mod job;
mod pace;
mod session;

pub use credentials::Purpose;
pub use error::failure;
pub use fence::Fence;
pub use pace::Pace;
pub use session::{Identity, Session};
