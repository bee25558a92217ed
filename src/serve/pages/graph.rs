use std::fmt::Write as _;

use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{Edge, HEIGHT, Layout, WIDTH, layout};
use super::mark::Mark;
use crate::report::words::{duration, millis_between};
use crate::report::{Board, Phase, StepState};

/// Room around the picture, for what is drawn around a step.
const MARGIN: usize = 4;

/// How many characters of a name have room.
const NAME: usize = 18;

/// The steps of a run, each behind what it needs.
pub(super) fn graph(board: &Board, now: Timestamp) -> Markup {
    let needs: Vec<Vec<usize>> = board
        .steps
        .iter()
        .map(|step| {
            step.needs.iter().filter_map(|need| board.steps.iter().position(|it| it.id == *need)).collect()
        })
        .collect();
    let Layout { width, height, boxes, edges } = layout(&needs);
    let (width, height) = (width + 2 * MARGIN, height + 2 * MARGIN);
    html! {
        div.graph {
            svg viewBox={ "-" (MARGIN) " -" (MARGIN) " " (width) " " (height) } width=(width) height=(height)
                role="group" aria-label="Steps, each behind what it needs" {
                @for edge in &edges { path class={ "edge " (edge_class(board, edge)) } d=(way(&edge.points)) {} }
                @for (step, (x, y)) in board.steps.iter().zip(&boxes) { (node(board, step, *x, *y, now)) }
            }
        }
    }
}

/// What is needed is there, or is not.
fn edge_class(board: &Board, edge: &Edge) -> &'static str {
    match board.steps.get(edge.from).map(|step| Mark::of_step(board, step).0) {
        Some(Mark::Good | Mark::Same | Mark::Asks) => "open",
        _ => "shut",
    }
}

fn node(board: &Board, step: &StepState, x: usize, y: usize, now: Timestamp) -> Markup {
    let (mark, word) = Mark::of_step(board, step);
    let time = match step.phase {
        Phase::Running { since } => duration(millis_between(since, now)),
        Phase::Ended { millis, .. } if millis > 0 => duration(millis),
        _ => String::new(),
    };
    html! {
        a class={ "node " (mark.class()) } href={ "#" (step.id) } {
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="8" {}
            svg class={ "icon " (mark.class()) } x=(x + 12) y=(y + 14) width="16" height="16" viewBox="0 0 16 16" {
                (mark.shape())
            }
            text class="kind" x=(x + 38) y=(y + 17) { (step.id.kind.as_str()) " · " (word) }
            text class="name" x=(x + 38) y=(y + 34) { (shortened(&step.id.name)) }
            text class="time" x=(x + WIDTH - 10) y=(y + 17) text-anchor="end" { (time) }
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}

/// A line through the points, straight where it passes a column and bent between columns.
fn way(points: &[(usize, usize)]) -> String {
    let mut way = String::new();
    for (index, pair) in points.windows(2).enumerate() {
        let [(x, y), (to_x, to_y)] = pair else { continue };
        if index == 0 {
            let _ = write!(way, "M{x} {y}");
        }
        // Every second piece passes a column.
        let _ = if index % 2 == 1 || y == to_y {
            write!(way, "L{to_x} {to_y}")
        } else {
            let middle = usize::midpoint(*x, *to_x);
            write!(way, "C{middle} {y} {middle} {to_y} {to_x} {to_y}")
        };
    }
    way
}
