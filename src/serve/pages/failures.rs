use maud::{Markup, html};

use super::links;
use super::mark::Mark;
use super::run::View;
use crate::diagnostic::visible_lines;
use crate::event::RunResult;
use crate::failure::Failure;
use crate::plan::Change;
use crate::report::changes::Fate;
use crate::report::words::clean;
use crate::report::{StepState, run_text};
use crate::store::State;

/// What has to be seen first: why it failed and what to do now, what is lost, what is to be known.
pub(super) fn failures(view: &View<'_>) -> Markup {
    let board = &view.story.board;
    let grave: Vec<(&StepState, &Change)> =
        board.steps.iter().flat_map(|step| step.grave().map(move |change| (step, change))).collect();
    html! {
        @for (step, failure) in board.failures() { (failed(view, step, failure)) }
        @if let Some(reason) = &view.run.reason {
            section.alert.bad aria-label="Why it failed" {
                h2 { (Mark::Bad.icon()) "Run " (view.run.id) " " (Mark::of_run(view.run).1) }
                pre.reason tabindex="0" { (visible_lines(reason)) }
            }
        }
        (how_it_ended(view))
        @if !grave.is_empty() { (lost(&grave)) }
        @if !board.warnings.is_empty() {
            section.alert.caution aria-label="Warnings" {
                h2 { (board.warnings.len()) @if board.warnings.len() == 1 { " warning" } @else { " warnings" } }
                ul { @for warning in &board.warnings { li { (warning) } } }
            }
        }
    }
}

fn failed(view: &View<'_>, step: &StepState, failure: &Failure) -> Markup {
    html! {
        section.alert.bad.failure aria-label={ (step.id) " failed" } {
            h2 { (Mark::Bad.icon()) span { a href={ "#" (step.id) } { (step.id) } " failed" } }
            p.message { (failure.message) }
            @if !failure.details.is_empty() {
                ul.details { @for detail in &failure.details { li { (clean_lines(detail)) } } }
            }
            @if let Some(location) = &failure.location {
                p.location { "Written at " (links::line(view.web, &view.run.commit, location)) }
            }
            @if let Some(hint) = &failure.hint { p.next { strong { "Next: " } (hint) } }
        }
    }
}

fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// What is to be said of a run that was not carried out to its end.
fn how_it_ended(view: &View<'_>) -> Markup {
    let result = view.run.result;
    html! {
        @if result == Some(RunResult::Interrupted) {
            section.alert.caution aria-label="Interrupted" {
                h2 { (Mark::Stopped.icon()) "Interrupted" }
                ul { @for line in run_text::unfinished(&view.story.board) { li { (line) } } }
                p.next { strong { "Next: " } "run it again; it goes on from what is live then" }
            }
        }
        @if let (Some((RunResult::Refused, _)), Some(digest)) = (view.story.finished, &view.story.board.digest) {
            section.alert.bad aria-label="Refused" {
                h2 { (Mark::Bad.icon()) "The plan is not the one that is required" }
                p { "Nothing was changed. The digest of the plan as it is now is " code { (digest) } "." }
            }
        }
        @if let Some(newer) = &view.story.board.newer {
            section.alert.caution aria-label="Superseded" {
                h2 { (Mark::Stopped.icon()) "Gave way to a newer commit" }
                p { (links::commit(view.web, newer)) " is deployed instead." }
            }
        }
        @if let (State::Superseded, Some(other)) = (view.run.state, view.run.superseded_by) {
            section.alert.caution aria-label="Superseded" {
                h2 { (Mark::Stopped.icon()) "Superseded" }
                p { a href={ "/runs/" (other) } { "Run " (other) } " took its place before it began." }
            }
        }
    }
}

/// The live resources that are lost, or may be.
fn lost(grave: &[(&StepState, &Change)]) -> Markup {
    html! {
        section.alert.grave aria-label="Replacements and deletions" {
            h2 {
                svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
                    path class="solid" d="M8 1.2 15.4 14.4H.6Z" {}
                    path class="cut" d="M8 6V9.6M8 12H8.01" {}
                }
                @if grave.len() == 1 { "A live resource is lost, or may be" }
                @else { (grave.len()) " live resources are lost, or may be" }
            }
            ul.lost {
                @for (step, change) in grave {
                    li {
                        (fate(Fate::of(change)))
                        a href={ "#" (step.id) } { code { (change.logical_id) } }
                        span.kind { (change.resource_type) " in " (step.id) }
                    }
                }
            }
        }
    }
}

/// What becomes of a resource: a symbol and a word.
pub(super) fn fate(fate: Fate) -> Markup {
    let (symbol, word) = fate.label().split_once(' ').unwrap_or_default();
    let class = match fate {
        Fate::Replace | Fate::Remove => "bad",
        Fate::MayReplace | Fate::Unclear => "caution",
        Fate::Modify | Fate::Revise => "busy",
        Fate::Import | Fate::Add => "good",
    };
    html! { span class={ "fate " (class) } { span.symbol aria-hidden="true" { (symbol) } (word.trim()) } }
}
