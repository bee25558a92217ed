//! Where the steps of a run stand in its picture: in columns from left to right, each step in a column behind all that it
//! needs. What a step needs by way of another step is not drawn a second time.

use std::collections::BTreeSet;

/// A step's box, in pixels.
pub(super) const WIDTH: usize = 208;
pub(super) const HEIGHT: usize = 44;

/// Between two columns, and between two boxes of one.
const ACROSS: usize = 48;
const BETWEEN: usize = 14;

/// What an edge takes of a column that it passes.
const LANE: usize = 6;

/// How often the order within the columns is bettered.
const SWEEPS: usize = 6;

/// A picture of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The left upper corner of each step's box.
    pub(super) boxes: Vec<(usize, usize)>,
    pub(super) edges: Vec<Edge>,
}

/// The way from a step to one that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Beginning at the one's right side and ending at the other's left. Every second piece passes a column.
    pub(super) points: Vec<(usize, usize)>,
}

/// What stands in a column: a step, or an edge that passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Step(usize),
    Lane(usize),
}

impl Slot {
    fn height(self) -> usize {
        match self {
            Self::Step(_) => HEIGHT,
            Self::Lane(_) => LANE,
        }
    }
}

/// Lays steps out, given which steps each needs; of those, only the ones in front of it count.
pub(super) fn layout(needs: &[Vec<usize>]) -> Layout {
    let edges = drawn(needs);
    let levels = levels(needs.len(), &edges);
    let mut columns = columns(&levels, &edges);
    order(&mut columns, &edges);
    let middles = middles(&columns);
    let height = columns.iter().map(|column| extent(column)).max().unwrap_or_default();
    let left = |column: usize| column * (WIDTH + ACROSS);
    let middle = |column: usize, slot: Slot| {
        let place = columns[column].iter().position(|other| *other == slot).unwrap_or_default();
        middles[column].get(place).copied().unwrap_or_default()
    };
    let boxes = (0..needs.len())
        .map(|step| (left(levels[step]), middle(levels[step], Slot::Step(step)) - HEIGHT / 2))
        .collect();
    let way = |(index, &(from, to)): (usize, &(usize, usize))| {
        let mut points = vec![(left(levels[from]) + WIDTH, middle(levels[from], Slot::Step(from)))];
        for column in levels[from] + 1..levels[to] {
            let y = middle(column, Slot::Lane(index));
            points.extend([(left(column), y), (left(column) + WIDTH, y)]);
        }
        points.push((left(levels[to]), middle(levels[to], Slot::Step(to))));
        Edge { from, to, points }
    };
    let width = columns.len().checked_sub(1).map_or(0, |last| left(last) + WIDTH);
    Layout { width, height, boxes, edges: edges.iter().enumerate().map(way).collect() }
}

/// The edges that do not follow from others.
fn drawn(needs: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut behind: Vec<BTreeSet<usize>> = Vec::with_capacity(needs.len());
    let mut edges = Vec::new();
    for (step, needs) in needs.iter().enumerate() {
        let direct: BTreeSet<usize> = needs.iter().copied().filter(|need| *need < step).collect();
        let follows = |need: &usize| direct.iter().any(|other| behind[*other].contains(need));
        edges.extend(direct.iter().filter(|need| !follows(need)).map(|need| (*need, step)));
        let all = direct.iter().flat_map(|need| behind[*need].iter().copied()).chain(direct.iter().copied());
        let all = all.collect();
        behind.push(all);
    }
    edges
}

/// The column of each step: behind everything that it needs.
fn levels(steps: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut levels = vec![0; steps];
    // They come in the order of the steps that they lead to.
    for &(from, to) in edges {
        levels[to] = levels[to].max(levels[from] + 1);
    }
    levels
}

fn columns(levels: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<Slot>> {
    let count = levels.iter().max().map_or(0, |last| last + 1);
    let mut columns = vec![Vec::new(); count];
    for (step, level) in levels.iter().enumerate() {
        columns[*level].push(Slot::Step(step));
    }
    for (index, &(from, to)) in edges.iter().enumerate() {
        for column in &mut columns[levels[from] + 1..levels[to]] {
            column.push(Slot::Lane(index));
        }
    }
    columns
}

/// Brings what belongs together near each other: everything goes to the average place of its neighbours, seen from the
/// left and from the right in turn.
fn order(columns: &mut [Vec<Slot>], edges: &[(usize, usize)]) {
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let count = columns.len();
        for index in 1..count {
            let (column, beside) =
                if forward { (index, index - 1) } else { (count - 1 - index, count - index) };
            let places: Vec<(usize, usize)> = columns[column]
                .iter()
                .enumerate()
                .map(|(place, slot)| average(*slot, place, &columns[beside], edges, forward))
                .collect();
            let mut sorted: Vec<usize> = (0..places.len()).collect();
            sorted.sort_by_key(|place| places[*place]);
            columns[column] = sorted.into_iter().map(|place| columns[column][place]).collect();
        }
    }
}

/// The average place of a slot's neighbours in thousandths; its own place if it has none, and to decide between equals.
fn average(
    slot: Slot,
    place: usize,
    beside: &[Slot],
    edges: &[(usize, usize)],
    forward: bool,
) -> (usize, usize) {
    let touches = |index: usize| match (slot, forward) {
        (Slot::Step(step), true) => edges[index].1 == step,
        (Slot::Step(step), false) => edges[index].0 == step,
        (Slot::Lane(lane), _) => lane == index,
    };
    let neighbour = |other: &Slot| match *other {
        Slot::Lane(lane) => touches(lane),
        Slot::Step(step) => edges
            .iter()
            .enumerate()
            .any(|(index, &(from, to))| touches(index) && step == if forward { from } else { to }),
    };
    let places: Vec<usize> =
        beside.iter().enumerate().filter(|(_, other)| neighbour(other)).map(|(place, _)| place).collect();
    let average =
        if places.is_empty() { place * 1000 } else { places.iter().sum::<usize>() * 1000 / places.len() };
    (average, place)
}

fn extent(column: &[Slot]) -> usize {
    column.iter().map(|slot| slot.height()).sum::<usize>() + BETWEEN * column.len().saturating_sub(1)
}

/// The middle of each slot, columns centred beside each other.
fn middles(columns: &[Vec<Slot>]) -> Vec<Vec<usize>> {
    let height = columns.iter().map(|column| extent(column)).max().unwrap_or_default();
    let middles = |column: &Vec<Slot>| {
        let mut top = (height - extent(column)) / 2;
        let next = |slot: &Slot| {
            let middle = top + slot.height() / 2;
            top += slot.height() + BETWEEN;
            middle
        };
        column.iter().map(next).collect()
    };
    columns.iter().map(middles).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop::collection::vec(prop::collection::vec(0_usize..24, 0..5), 0..24)
    }

    /// Which step is behind which, by way of any edges.
    fn reached(edges: &[(usize, usize)]) -> BTreeSet<(usize, usize)> {
        let mut reached = BTreeSet::new();
        // They come in the order of the steps that they lead to.
        for &(from, to) in edges {
            let before: Vec<usize> =
                reached.iter().filter(|(_, end)| *end == from).map(|(start, _)| *start).collect();
            reached.extend(before.into_iter().chain([from]).map(|start| (start, to)));
        }
        reached
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_edges_go_one_way(needs in graphs()) {
            let Layout { width, height, boxes, edges } = layout(&needs);
            prop_assert_eq!(boxes.len(), needs.len());
            for (index, (x, y)) in boxes.iter().enumerate() {
                prop_assert!(x + WIDTH <= width && y + HEIGHT <= height);
                for (other_x, other_y) in &boxes[index + 1..] {
                    prop_assert!(x + WIDTH < *other_x || other_x + WIDTH < *x || y + HEIGHT < *other_y || other_y + HEIGHT < *y);
                }
            }
            for Edge { from, to, points } in &edges {
                prop_assert_eq!(points[0], (boxes[*from].0 + WIDTH, boxes[*from].1 + HEIGHT / 2));
                prop_assert_eq!(points[points.len() - 1], (boxes[*to].0, boxes[*to].1 + HEIGHT / 2));
                prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
                // Where it passes a column, it touches no box of it.
                for passed in points[1..points.len() - 1].chunks(2) {
                    let (x, y) = passed[0];
                    prop_assert!(boxes.iter().all(|(left, top)| *left != x || y < *top || top + HEIGHT < y));
                }
            }
        }

        #[test]
        fn what_is_drawn_tells_all_that_is_needed_and_nothing_twice(needs in graphs()) {
            let direct = needs.iter().enumerate().flat_map(|(step, needs)| {
                needs.iter().filter(move |need| **need < step).map(move |need| (*need, step))
            });
            let direct: Vec<_> = direct.collect();
            let drawn: Vec<_> = layout(&needs).edges.iter().map(|edge| (edge.from, edge.to)).collect();
            prop_assert_eq!(reached(&drawn), reached(&direct));
            for left_out in &drawn {
                let others: Vec<_> = drawn.iter().copied().filter(|edge| edge != left_out).collect();
                prop_assert!(!reached(&others).contains(left_out));
            }
        }
    }

    #[test]
    fn a_way_around_does_not_cross_what_it_passes() {
        // 0 → 1 → 2, and 0 → 3 → 2 in which 3 stands beside 1.
        let picture = layout(&[vec![], vec![0], vec![1, 3], vec![0]]);
        assert_eq!(picture.boxes.iter().map(|(x, _)| x / (WIDTH + ACROSS)).collect::<Vec<_>>(), [0, 1, 2, 1]);
    }
}
