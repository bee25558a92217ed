//! What is said when a canary goes back.

use super::Setting;
use super::next::Why;
use super::shift::Shift;
use crate::failure::Failure;

/// Why the alias is not moved to the new version.
pub(super) fn not_moved(shift: &Shift<'_>, why: Why) -> Failure {
    let at = shift.weight().map(|weight| format!(" at {weight} of the calls")).unwrap_or_default();
    let refused = |what: String| {
        let (target, version) = (shift.rollout.target, shift.version);
        Failure::new(format!("{target} could not be moved to version {version}: {what}"))
    };
    match why {
        Why::Alarm(alarm) => {
            refused(format!("alarm {} went off{at}", alarm.name)).detail(alarm.reason).hint(format!(
                "`aws logs tail {} --since 15m` shows what the function wrote; fix it, commit, and run again",
                log_group(shift)
            ))
        }
        Why::TooFew(count) => {
            let minimum = shift.canary.plan.minimum_invocations;
            let time = shift.longest().map(|time| format!(" within {time}")).unwrap_or_default();
            refused(format!("{count} of {minimum} invocations{time}{at}, too few to tell anything")).hint(
                "run again when more calls come in; or give the step a larger weight or more time, or lower minimum_invocations, in pipeline.yaml",
            )
        }
        Why::Blind(last) => {
            refused(format!("it is not known how it does{at}")).detail(last.message).hint(last.hint.unwrap_or_else(
                || "make sure that cloudwatch:DescribeAlarms and cloudwatch:GetMetricData are allowed and answer, then run again".to_owned(),
            ))
        }
        Why::Stuck(failure) => Failure { message: refused(failure.message).message, ..failure },
    }
}

/// That the old version does not get all calls again, and how it does by hand.
pub(super) fn not_back(shift: &Shift<'_>, failure: Failure) -> Failure {
    let (function, alias, old) =
        (shift.rollout.target.function_name(), &shift.alias.name, &shift.alias.version);
    let message = format!("going back to version {old} failed: {}", failure.message);
    Failure { message, ..failure }.detail(format!(
        "by hand: `aws lambda update-alias --function-name {function} --name {alias} --function-version {old} --routing-config AdditionalVersionWeights={{}}`"
    ))
}

/// Where the function writes to; `/aws/lambda/NAME` if it names no group of its own.
fn log_group(shift: &Shift<'_>) -> String {
    match shift.function.latest.settings.get("LoggingConfig.LogGroup") {
        Some(Setting::Shown(group)) => group.clone(),
        _ => format!("/aws/lambda/{}", shift.rollout.target.function_name()),
    }
}
