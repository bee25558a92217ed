use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_cloudformation::Client;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::live::{self, Live};
use crate::aws::Pace;
use crate::failure::Failure;

/// With news expected, every so many turns one stack's events are looked at.
const WITH_NEWS: u64 = 3;
/// And so many without: events tell how far an operation is, but the end of any is known soonest by looking at all.
const WITHOUT_NEWS: u64 = 12;

/// Looks at the stacks in flight of an account and region: one look at a time, spaced out, on behalf of all.
///
/// One call lists every stack, so it tells of all operations whether they have ended; only what happens within a stack
/// takes a call of its own. Whoever has a turn looks for everybody.
#[derive(Debug, Clone)]
pub struct Lookout {
    pace: Pace,
    watch: Arc<Mutex<Watch>>,
}

/// What somebody following an operation is told.
#[derive(Debug)]
pub(super) enum Sighting {
    /// It is this stack's turn to have its events looked at.
    Turn,
    /// The stack was seen; `None` if it is not in the list of all stacks.
    Stack(Option<Box<Live>>),
}

impl Lookout {
    /// Looks take their turns at this pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, watch: Arc::new(Mutex::new(Watch::default())) }
    }

    /// Turns for other looks at stacks.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// From now on the stack is in flight.
    pub(super) fn post(&self, stack_id: &str) -> Post {
        let (sender, sightings) = unbounded_channel();
        let mut watch = self.watch();
        let looked_at = watch.turns;
        watch.stacks.insert(stack_id.to_owned(), InFlight { sender, news: true, looked_at });
        Post { lookout: self.clone(), stack_id: stack_id.to_owned(), sightings }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a turn, for whoever needs it most.
    async fn look(&self, client: &Client) -> Result<(), Failure> {
        if self.watch().next_events() {
            return Ok(());
        }
        let names: Vec<String> = self.watch().stacks.keys().filter_map(|id| name(id)).collect();
        let mut pages = 0;
        let mut found = BTreeMap::new();
        let mut token = None;
        loop {
            let (stacks, next) = live::page(client, &names, token).await?;
            pages += 1;
            found.extend(stacks.into_iter().map(|live| (live.id.clone(), live)));
            if next.is_none() {
                break;
            }
            token = next;
            self.pace.turn().await;
        }
        self.watch().tell(pages, found);
        Ok(())
    }
}

/// The name in `arn:aws:cloudformation:eu-west-1:111111111111:stack/NAME/…`.
fn name(stack_id: &str) -> Option<String> {
    stack_id.split('/').nth(1).map(str::to_owned)
}

/// The place of one operation at the lookout, until it is dropped.
#[derive(Debug)]
pub(super) struct Post {
    lookout: Lookout,
    stack_id: String,
    sightings: UnboundedReceiver<Sighting>,
}

impl Post {
    /// What is seen next of the stack.
    ///
    /// # Errors
    /// If a look that this made for everybody failed.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Sighting, Failure> {
        loop {
            tokio::select! {
                biased;
                Some(sighting) = self.sightings.recv() => return Ok(sighting),
                () = self.lookout.pace.turn() => self.lookout.look(client).await?,
            }
        }
    }

    /// Waits for a turn to look at this stack alone.
    pub(super) async fn turn(&self) {
        self.lookout.pace.turn().await;
    }

    /// Whether the stack is one in which something happens, so that its events are worth a look soon.
    pub(super) fn expect_news(&self, news: bool) {
        if let Some(stack) = self.lookout.watch().stacks.get_mut(&self.stack_id) {
            stack.news = news;
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.lookout.watch().stacks.remove(&self.stack_id);
    }
}

/// The stacks in flight, by their ARNs, and what was looked at when.
#[derive(Debug)]
struct Watch {
    stacks: BTreeMap<String, InFlight>,
    turns: u64,
    /// The turn in which somebody's events were looked at last.
    events_at: u64,
    /// Calls that the list of all stacks took last.
    pages: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Self { stacks: BTreeMap::new(), turns: 0, events_at: 0, pages: 1 }
    }
}

#[derive(Debug)]
struct InFlight {
    sender: UnboundedSender<Sighting>,
    /// Its last look brought something new.
    news: bool,
    looked_at: u64,
}

impl Watch {
    /// Begins a turn; gives it to a stack whose events are to be looked at, if it is for one.
    fn next_events(&mut self) -> bool {
        self.turns += 1;
        let Some(id) = self.whose_events() else { return false };
        self.events_at = self.turns;
        if let Some(stack) = self.stacks.get_mut(&id) {
            stack.looked_at = self.turns;
            // It may have been dropped this very moment.
            let _ = stack.sender.send(Sighting::Turn);
        }
        true
    }

    /// The stack whose events are looked at in this turn; `None` if it is for a look at all stacks.
    fn whose_events(&self) -> Option<String> {
        let waited_longest = |news: bool| {
            let waiting = self.stacks.iter().filter(|(_, stack)| stack.news || !news);
            waiting.min_by_key(|(_, stack)| stack.looked_at).map(|(id, _)| id.clone())
        };
        // Events tell of the end, too: one by one costs no more than the list, and tells more.
        if self.stacks.len() <= self.pages {
            return waited_longest(false);
        }
        match self.turns - self.events_at {
            WITHOUT_NEWS.. => waited_longest(false),
            WITH_NEWS.. => waited_longest(true),
            _ => None,
        }
    }

    fn tell(&mut self, pages: usize, mut found: BTreeMap<String, Live>) {
        self.pages = pages;
        for (id, stack) in &self.stacks {
            let _ = stack.sender.send(Sighting::Stack(found.remove(id).map(Box::new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watch(stacks: usize, pages: usize, news: bool) -> Watch {
        let in_flight = |number| {
            let sender = unbounded_channel().0;
            (format!("stack-{number}"), InFlight { sender, news, looked_at: 0 })
        };
        Watch { stacks: (0..stacks).map(in_flight).collect(), pages, ..Watch::default() }
    }

    /// Whether each of so many turns is for somebody's events.
    fn turns(watch: &mut Watch, count: usize) -> Vec<bool> {
        (0..count).map(|_| watch.next_events()).collect()
    }

    #[test]
    fn a_stack_alone_has_its_events_looked_at_in_every_turn() {
        assert_eq!(turns(&mut watch(1, 1, false), 3), [true; 3]);
    }

    #[test]
    fn with_news_every_third_turn_is_for_events() {
        assert_eq!(turns(&mut watch(4, 1, true), 6), [false, false, true, false, false, true]);
    }

    #[test]
    fn a_list_that_takes_as_many_calls_as_there_are_stacks_is_not_read() {
        assert_eq!(turns(&mut watch(3, 3, false), 3), [true; 3]);
    }

    proptest! {
        #[test]
        fn without_news_one_turn_in_twelve_is_for_events(stacks in 2..20_usize) {
            let for_events = turns(&mut watch(stacks, 1, false), 120).into_iter().filter(|events| *events).count();
            prop_assert_eq!(for_events, 10);
        }

        #[test]
        fn every_stack_has_its_turn(stacks in 1..20_usize, pages in 1..20_usize, news in any::<bool>()) {
            let mut watch = watch(stacks, pages, news);
            turns(&mut watch, stacks * 12);
            prop_assert!(watch.stacks.values().all(|stack| stack.looked_at > 0));
        }
    }
}
