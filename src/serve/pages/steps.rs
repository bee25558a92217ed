use maud::{Markup, html};

use super::mark::Mark;
use super::run::View;
use super::{changes, log};
use crate::event::Outcome;
use crate::plan::StepId;
use crate::report::words::{self, duration, millis_between};
use crate::report::{Phase, StepState, tree};

/// How wide the picture of when steps ran is, in units of its own, and what the shortest step has of it.
const SPAN: u64 = 1000;
const LEAST: u64 = 6;

/// The steps, one below the other: when each ran, and behind that all that is known of it.
pub(super) fn steps(view: &View<'_>) -> Markup {
    let board = &view.story.board;
    let written = view.story.logs.iter().any(|(_, log)| log.written > 0);
    html! {
        section.steps aria-label="Steps in detail" {
            @if written {
                form.search method="get" action={ "/runs/" (view.run.id) } role="search" aria-label="Search the logs" {
                    label { span { "Search the logs" }
                        input type="search" name="search" value=(view.story.search) autocomplete="off"; }
                    button { "Search" }
                    @if !view.story.search.is_empty() { a.clear href={ "/runs/" (view.run.id) } { "Clear" } }
                }
            }
            @for step in &board.steps { (self::step(view, step)) }
        }
    }
}

fn step(view: &View<'_>, step: &StepState) -> Markup {
    let (mark, word) = Mark::of_step(&view.story.board, step);
    let log = view.story.log(&step.id);
    let found = !view.story.search.is_empty() && log.is_some_and(|log| log.fitting > 0);
    let open = found || matches!(mark, Mark::Bad | Mark::Busy | Mark::Asks);
    html! {
        details class={ "step " (mark.class()) } id={ "step-" (step.id) } open[open] {
            summary {
                (mark.icon())
                span.name { (step.id) }
                span.told { @if !matches!(step.phase, Phase::Ended { .. }) { span.word { (word) ": " } } (told(view, step)) }
                (bar(view, step))
                span.took { (took(view, step)) }
            }
            div.inside {
                span.anchor id=(step.id) {}
                (facts(step, view.story.board.is_plan()))
                @if let Some(decision) = &step.decision {
                    @if !decision.changes.is_empty() { (changes::changes(view, &decision.changes)) }
                }
                @if !step.resources.is_empty() { (resources(view, step)) }
                @if let Some(log) = log { (log::log(view, &step.id, log)) }
            }
        }
    }
}

/// What it is doing, what it did, or what it waits for.
fn told(view: &View<'_>, step: &StepState) -> String {
    match &step.phase {
        Phase::Waiting => tree::waits_for(step, &view.story.board),
        Phase::Running { .. } => {
            let doing = tree::doing(step);
            step.progress
                .as_ref()
                .map_or_else(|| doing.clone(), |progress| format!("{doing} ({})", words::progress(progress)))
        }
        Phase::Ended { outcome: Outcome::Done { .. }, .. } if view.story.board.is_plan() => {
            let reason = step.decision.as_ref().map_or_else(String::new, words::reason);
            format!("{}: {reason}", words::intent(step.action()))
        }
        Phase::Ended { outcome, millis } => tree::how_it_ended(outcome, *millis).2,
    }
}

fn took(view: &View<'_>, step: &StepState) -> String {
    match step.phase {
        Phase::Running { since } => duration(millis_between(since, view.now)),
        Phase::Ended { millis, .. } if millis > 0 => duration(millis),
        _ => String::new(),
    }
}

/// When it ran, within the time of the run.
fn bar(view: &View<'_>, step: &StepState) -> Markup {
    let (mark, _) = Mark::of_step(&view.story.board, step);
    let place = || {
        let board = &view.story.board;
        let (began, first) = (step.began?, board.started?);
        let all = match view.story.finished {
            Some((_, millis)) => millis,
            None => millis_between(first, view.now),
        };
        let took = match step.phase {
            Phase::Ended { millis, .. } => millis,
            _ => millis_between(began, view.now),
        };
        Some(within(millis_between(first, began), took, all))
    };
    html! {
        svg.bar viewBox={ "0 0 " (SPAN) " 10" } preserveAspectRatio="none" aria-hidden="true" {
            @if let Some((start, width)) = place() {
                rect class=(mark.class()) x=(start) y="0" width=(width) height="10" {}
            }
        }
    }
}

/// Where a time stands within another, and how wide it is: never outside, and never too narrow to be seen.
fn within(from: u64, took: u64, all: u64) -> (u64, u64) {
    let part = |millis: u64| {
        let part = u128::from(millis.min(all)) * u128::from(SPAN) / u128::from(all.max(1));
        u64::try_from(part).unwrap_or(SPAN)
    };
    let start = part(from).min(SPAN - LEAST);
    (start, part(took).clamp(LEAST, SPAN - start))
}

fn facts(step: &StepState, plan: bool) -> Markup {
    let reason = step.decision.as_ref().map(words::reason).filter(|reason| !reason.is_empty());
    html! {
        dl.facts {
            @if let Some(reason) = reason {
                div { dt { (words::intent(step.action())) } dd { (reason) } }
            }
            @if let (Phase::Ended { outcome: Outcome::Done { summary }, .. }, false) = (&step.phase, plan) {
                div { dt { "Now live" } dd { (summary) } }
            }
            @if !step.needs.is_empty() {
                div { dt { "Needs" } dd.needs { @for (index, need) in step.needs.iter().enumerate() {
                    @if index > 0 { ", " } (reference(need))
                } } }
            }
        }
    }
}

fn reference(step: &StepId) -> Markup {
    html! { a href={ "#" (step) } { (step) } }
}

/// A stack's resources, what changed last first.
fn resources(view: &View<'_>, step: &StepState) -> Markup {
    let class = |status: &str| match status {
        _ if status.contains("FAILED") || status.contains("ROLLBACK") => "bad",
        _ if status.ends_with("_COMPLETE") => "good",
        _ => "busy",
    };
    let still =
        |status: &str| status.ends_with("_IN_PROGRESS") && matches!(step.phase, Phase::Running { .. });
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Resources of " (step.id) } {
            table.resources {
                thead { tr { th scope="col" { "Resource" } th scope="col" { "Type" } th scope="col" { "Status" } th scope="col" { "For" } } }
                tbody {
                    @for resource in step.resources.iter().rev() {
                        tr {
                            td { code { (resource.logical_id) } }
                            td { (resource.kind) }
                            td class={ "status " (class(&resource.status)) } { (resource.status) }
                            td.number { @if still(&resource.status) { (duration(millis_between(resource.since, view.now))) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bar_is_within_and_can_be_seen(from in any::<u64>(), took in any::<u64>(), all in any::<u64>()) {
            let (start, width) = within(from, took, all);
            prop_assert!(width >= LEAST && start + width <= SPAN);
        }
    }

    #[test]
    fn a_bar_stands_where_the_time_was() {
        assert_eq!(within(0, 500, 1000), (0, 500));
        assert_eq!(within(250, 250, 1000), (250, 250));
        assert_eq!(within(1000, 0, 1000), (SPAN - LEAST, LEAST));
    }
}
