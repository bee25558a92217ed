//! `pipeline.yaml`: its types, how it is read, and its JSON Schema.
//!
//! Pure: text in, [`Config`] or everything that is wrong with the text out. That the pieces fit together (templates,
//! parameters, outputs) is checked by [`crate::project`].

mod load;
mod reference;
mod role;
mod rollout;
mod schema;
mod span;
mod syntax;
mod types;
mod values;
mod weight;

pub use load::{Values, load};
pub(crate) use load::{load_located, load_values};
pub use reference::{Part, Reference, ReferenceError, Text};
pub use role::RoleArn;
pub use schema::schema;
pub use span::Span;
pub use types::{
    Approval, Build, Canary, CanaryStep, Capability, Config, Environment, GitHub, Rollout, Stack, Strategy,
    Workload,
};
pub use weight::Weight;
