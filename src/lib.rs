//! `pipeline`: a GitOps pipeline runner for AWS.
//!
//! git says what should run, AWS says what does run, and `pipeline` is the shortest safe way from the one to
//! the other. `docs/architecture.md` explains how the modules fit together.

pub mod aws;
pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod drift;
pub mod event;
pub mod failure;
pub mod github;
pub mod image;
pub mod init;
pub mod lease;
pub mod location;
pub mod plan;
pub mod project;
pub mod redact;
pub mod report;
pub mod rollout;
pub mod run;
pub mod serve;
pub mod source;
pub mod stack;
pub mod status;
pub mod store;
pub mod template;
pub mod verify;
mod yaml;
