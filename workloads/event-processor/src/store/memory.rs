use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Name;

/// How many events an instance remembers; some 10 MB.
const CAPACITY: usize = 50_000;

/// The events that this instance has processed last.
#[derive(Default)]
pub struct Memory {
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    known: HashSet<Name>,
    oldest_first: VecDeque<Name>,
}

impl Memory {
    pub(super) fn processed(&self, names: &HashSet<Name>) -> HashSet<Name> {
        self.lock().known.intersection(names).cloned().collect()
    }

    pub(super) fn record(&self, names: Vec<Name>) {
        let mut kept = self.lock();
        for name in names {
            if kept.known.insert(name.clone()) {
                kept.oldest_first.push_back(name);
            }
        }
        while kept.oldest_first.len() > CAPACITY {
            if let Some(oldest) = kept.oldest_first.pop_front() {
                kept.known.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        // Nothing in between leaves the names half changed.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let memory = Memory::default();
        let name = |number: usize| Name::of(&number.to_string());
        memory.record((0..=CAPACITY).map(name).collect());
        let asked = HashSet::from([name(0), name(1), name(CAPACITY)]);
        assert_eq!(memory.processed(&asked), HashSet::from([name(1), name(CAPACITY)]));
    }
}
