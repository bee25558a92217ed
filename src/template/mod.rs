//! CloudFormation templates: what is in them, what is wrong with them, and whether two of them say the same.
//!
//! Pure: text in, [`Template`] or everything that is wrong with the text out.

mod body;
mod capabilities;
mod functions;
mod scope;
mod sections;
mod targets;
mod types;

pub use body::Value;
pub use scope::{Found, Scope, function};
pub use types::{Parameter, Resource, Template};
