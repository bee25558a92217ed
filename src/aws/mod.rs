//! The way to AWS: credentials, endpoint, the account guard, pacing, and errors that say what to do.

mod error;
mod pace;
mod session;

pub use error::failure;
pub use pace::Pace;
pub use session::{Identity, Session};
