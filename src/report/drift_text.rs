//! Drift as text: what differs, field by field, and then what does not.

use crate::drift::{Report, Stack, State, Workload};
use crate::plan::StepId;
use crate::stack::{PropertyDrift, ResourceDrift};

use super::changes::{one_line, quoted};
use super::paint::{Paint, Tone, cut, cut_pair, wrap};
use super::plan_text::explanation;
use super::words::{clean, listed};

/// Columns of `≠ drifted       `, the symbol and the word in front of a step.
const LABEL: usize = 16;

/// Columns where nothing is known of the terminal.
const WIDTH: usize = 110;

/// The report as people read it, with `color` in colours.
#[must_use]
pub fn drift_text(report: &Report, color: bool) -> String {
    let paint = Paint { color };
    let width = console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| usize::from(columns));
    let mut lines = vec![
        format!("drift  {} → {}  at {}", report.project, report.environment, report.commit),
        String::new(),
    ];
    let mut told: Vec<String> = report.stacks.iter().flat_map(|s| stack(s, report, width, paint)).collect();
    told.extend(report.workloads.iter().flat_map(|w| workload(w, report, paint)));
    for (state, label) in [(State::InSync, "= in sync"), (State::NotDeployed, "· not deployed")] {
        told.extend(quiet(report, state, label, width, paint));
    }
    if !told.is_empty() {
        told.push(String::new());
    }
    lines.append(&mut told);
    let mut notes = notes(report);
    if !notes.is_empty() {
        notes.push(String::new());
    }
    lines.append(&mut notes);
    lines.push(summary(report, paint));
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n") + "\n"
}

fn stack(stack: &Stack, report: &Report, width: usize, paint: Paint) -> Vec<String> {
    let many = if stack.resources.len() == 1 { "resource differs" } else { "resources differ" };
    let told = format!("{} {many} from the deployed template", stack.resources.len());
    let told = Some(told).filter(|_| !stack.resources.is_empty());
    let mut lines =
        head(&StepId::stack(&stack.stack), report, stack.state, told, stack.failure.as_ref(), paint);
    for resource in &stack.resources {
        lines.extend(
            self::resource(resource, width.saturating_sub(4), paint).iter().map(|line| format!("    {line}")),
        );
    }
    lines
}

fn workload(workload: &Workload, report: &Report, paint: Paint) -> Vec<String> {
    let mut differences = workload.differences.iter().map(|line| clean(line));
    let first = differences.next();
    let mut lines = head(
        &StepId::rollout(&workload.workload),
        report,
        workload.state,
        first,
        workload.failure.as_ref(),
        paint,
    );
    lines.extend(
        differences.map(|line| format!("{:indent$}{line}", "", indent = LABEL + id_width(report) + 2)),
    );
    lines
}

/// The line of a step that is worth one, and why it is not known, if it is not.
fn head(
    step: &StepId,
    report: &Report,
    state: State,
    told: Option<String>,
    failure: Option<&crate::failure::Failure>,
    paint: Paint,
) -> Vec<String> {
    let (label, tone) = match state {
        State::Failed => ("✖ not known", Tone::Bad),
        State::Drifted => ("≠ drifted", Tone::Caution),
        State::InSync | State::NotDeployed => return Vec::new(),
    };
    let why = failure.map(|failure| clean(&failure.message));
    let text = why.into_iter().chain(told).collect::<Vec<_>>().join("; ");
    let label = paint.show(tone, format!("{label:<LABEL$}"));
    let id = paint.show(Tone::Strong, format!("{step:<width$}", width = id_width(report)));
    let mut lines = vec![format!("{label}{id}  {text}")];
    let more = failure.map(|failure| explanation(failure, paint)).unwrap_or_default();
    lines.extend(more.into_iter().map(|line| format!("    {line}")));
    lines
}

fn id_width(report: &Report) -> usize {
    report.states().map(|(step, _)| step.to_string().chars().count()).max().unwrap_or(0)
}

fn resource(resource: &ResourceDrift, width: usize, paint: Paint) -> Vec<String> {
    let (label, tone) =
        if resource.deleted { ("-   deleted ", Tone::Bad) } else { ("~   changed ", Tone::Caution) };
    let identity = if resource.physical_id == resource.logical_id {
        String::new()
    } else {
        format!("  ({})", clean(&resource.physical_id))
    };
    let name = format!("{} {}", resource.resource_type, resource.logical_id);
    let line = format!(
        "{}  {}{}",
        paint.show(tone, label),
        paint.show(Tone::Strong, name),
        paint.show(Tone::Faint, identity)
    );
    let mut lines = vec![cut(&line, width)];
    lines.extend(resource.properties.iter().flat_map(|found| property(found, width)));
    lines
}

/// `DelaySeconds: "0" → "5"`: what the template says, then what is live. Values that are too long for one line take one
/// each.
fn property(drift: &PropertyDrift, width: usize) -> Vec<String> {
    const INDENT: &str = "        ";
    let room = width.saturating_sub(INDENT.len() + 6).max(12);
    let value = |value: &Option<String>| value.as_deref().map(|value| clean(&one_line(value)));
    let (expected, actual) = match (value(&drift.expected), value(&drift.actual)) {
        (Some(expected), Some(actual)) => {
            let (expected, actual) = cut_pair(&expected, &actual, room - 2);
            (quoted(&expected), quoted(&actual))
        }
        (expected, actual) => {
            let shown = |value: Option<String>| {
                value.map_or_else(|| "(nothing)".to_owned(), |value| cut(&quoted(&value), room))
            };
            (shown(expected), shown(actual))
        }
    };
    let line = format!("{INDENT}{}: {expected} → {actual}", drift.path);
    if console::measure_text_width(&line) <= width {
        return vec![line];
    }
    vec![
        format!("{INDENT}{}:", drift.path),
        format!("{INDENT}    {expected}"),
        format!("{INDENT}  → {actual}"),
    ]
}

/// Steps of which there is nothing to tell.
fn quiet(report: &Report, state: State, label: &str, width: usize, paint: Paint) -> Vec<String> {
    let ids = report.states().filter(|(_, found)| *found == state).map(|(step, _)| step.to_string());
    wrap(ids, width.saturating_sub(LABEL))
        .into_iter()
        .enumerate()
        .map(|(index, ids)| {
            let label = if index == 0 { label } else { "" };
            paint.show(Tone::Faint, format!("{label:<LABEL$}{ids}"))
        })
        .collect()
}

/// What should be known and is no drift.
fn notes(report: &Report) -> Vec<String> {
    let pending = report.stacks.iter().filter(|stack| !stack.pending.is_empty()).map(|stack| {
        format!(
            "stack/{} has changes that are not deployed ({}): `pipeline plan`",
            stack.stack,
            stack.pending.join(", ")
        )
    });
    let under_way = report
        .workloads
        .iter()
        .filter_map(|workload| Some(format!("rollout/{}: {}", workload.workload, workload.note.as_ref()?)));
    let unchecked = match report.stacks.iter().map(|stack| stack.unchecked).sum::<usize>() {
        0 => None,
        1 => Some("1 resource can't be checked by CloudFormation".to_owned()),
        count => Some(format!("{count} resources can't be checked by CloudFormation")),
    };
    pending.chain(under_way).chain(unchecked).collect()
}

fn summary(report: &Report, paint: Paint) -> String {
    let count = |state| report.states().filter(|(_, found)| *found == state).count();
    let counts = listed([
        (count(State::Failed), "not known"),
        (count(State::Drifted), "drifted"),
        (count(State::InSync), "in sync"),
        (count(State::NotDeployed), "not deployed"),
    ]);
    match report.state() {
        State::Failed => paint.show(Tone::Bad, format!("drift is NOT KNOWN: {counts}")),
        State::Drifted => paint.show(Tone::Caution, format!("drift: {counts}")),
        State::InSync | State::NotDeployed => paint.show(Tone::Good, format!("no drift: {counts}")),
    }
}
