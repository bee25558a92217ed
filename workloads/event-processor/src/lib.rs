//! The Lambda function behind the events topic: processes each event, and reports those that failed.
//!
//! On AWS it fetches its invocations from the Lambda runtime API. Where there is no runtime API, it serves
//! invocations over HTTP itself, as the Runtime Interface Emulator in AWS's own base images does.

pub mod aws;
pub mod cloudevent;
pub mod handler;
pub mod kafka;
pub mod local;
pub mod metrics;
pub mod process;
pub mod settings;
pub mod store;
