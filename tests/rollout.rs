//! Rollouts of services and functions, against the local cloud: `local/up` starts it.

#[path = "rollout/alarm.rs"]
mod alarm;
#[path = "rollout/canary.rs"]
mod canary;
#[path = "rollout/cloud.rs"]
mod cloud;
#[path = "rollout/ecs.rs"]
mod ecs;
#[path = "rollout/images.rs"]
mod images;
#[path = "rollout/lambda.rs"]
mod lambda;
#[path = "rollout/outage.rs"]
mod outage;
#[path = "rollout/stacks.rs"]
mod stacks;
mod support;
