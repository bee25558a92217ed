//! Step kind 1: a workload's image, from its inputs to its digest in the repository.
//!
//! An image is named by a key over everything that it is made from ([`Spec::key`]), and that key is its tag. Whether
//! there is anything to do is therefore one look at the repository ([`Registry::find`], [`decide`]): neither Docker
//! nor the sources are touched when the tag is there. Otherwise [`build`] runs the workload's own command and has
//! Docker Engine build the image, and [`push`] brings it to the repository and names it by its digest.

mod build;
mod command;
mod configuration;
mod context;
mod decide;
mod dockerignore;
mod engine;
mod origin;
mod output;
mod push;
mod registry;
mod repository;
mod space;
mod spec;

pub use build::{Built, build};
pub use context::Context;
pub use decide::decide;
pub use engine::Engine;
pub(crate) use engine::cause;
pub use push::push;
pub use registry::{Found, Registry};
pub use repository::{Digest, Repository};
pub use space::{Room, Space, spaces};
pub use spec::Spec;
