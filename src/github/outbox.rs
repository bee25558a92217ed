//! What is still to be posted, and what may be tried when: pure, with times as durations since the run began.

use std::time::Duration;

use super::post::Post;
use super::refusal::{Again, Refusal};

/// The pause after a first failure; it doubles with each further one in a row.
const BACKOFF: Duration = Duration::from_millis(500);

/// No pause is longer, unless GitHub asks for it.
const LONGEST: Duration = Duration::from_secs(30);

/// No pause is longer once the run is over.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How many tries in a row may fail once the run is over, before GitHub is taken to be down.
const LAST_FAILURES: u32 = 6;

/// How many tries a post has left once the run is over: each may get one request further.
const LAST_TRIES: u32 = 12;

/// How long GitHub may make a run wait that is over.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is known of a thing on GitHub before it is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// What it is there, if it is.
    pub thing: Option<Thing>,
    /// Whether it may have been made already, by a request whose answer did not arrive.
    pub unsure: bool,
}

/// A thing on GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// What a run made, by its identity.
    Ours(u64),
    /// What GitHub made itself for the job that the run is part of, and keeps up to date.
    OfTheJob,
}

/// Everything that GitHub should show, and how far that is done.
#[derive(Debug, Default)]
pub struct Outbox {
    slots: Vec<Slot>,
    /// Failures since the last success that say something about GitHub and not about one post.
    failures: u32,
    not_before: Duration,
    /// When the run ended.
    closed: Option<Duration>,
    /// Such failures since then.
    last_failures: u32,
    /// Whether it is known that checks may not be posted.
    checks_refused: bool,
}

#[derive(Debug)]
struct Slot {
    post: Post,
    known: Known,
    state: State,
    /// Tries since the run is over.
    last_tries: u32,
    /// Whether it says how an earlier run ended.
    earlier: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// GitHub shows it.
    Shown,
    /// It is to be posted, and was refused in this way when it was tried last.
    Due(Option<Refusal>),
    /// It can't be posted.
    Refused(Refusal),
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is to be posted.
    Deliver(Box<Post>, Known),
    /// Nothing may be tried before this time.
    Wait(Duration),
    /// All is posted, or can't be.
    Nothing,
}

/// A post that GitHub has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The post.
    pub post: Post,
    /// Why it was not taken.
    pub refusal: Refusal,
    /// Whether it may be taken later.
    pub may_pass: bool,
}

impl Outbox {
    /// Takes in what an earlier run could not post. It may have got through after all. It is posted before anything of
    /// this run, as of two deployments GitHub takes the one that was made last for what runs.
    pub fn take_over(&mut self, posts: impl IntoIterator<Item = Post>) {
        for post in posts {
            let post = self.permitted(post);
            if self.slots.iter().all(|slot| slot.post.key() != post.key()) {
                let known = Known { thing: None, unsure: true };
                self.slots.push(Slot { post, known, state: State::Due(None), last_tries: 0, earlier: true });
            }
        }
    }

    /// What GitHub should show from now on.
    pub fn want(&mut self, post: Post) {
        let post = self.permitted(post);
        match self.slots.iter_mut().find(|slot| slot.post.key() == post.key()) {
            Some(slot) if slot.post == post => {}
            Some(slot) => {
                slot.post = post;
                slot.state = State::Due(None);
            }
            None => {
                let (known, state) = (Known::default(), State::Due(None));
                self.slots.push(Slot { post, known, state, last_tries: 0, earlier: false });
            }
        }
    }

    /// The run is over: what can't be posted soon is left.
    pub fn close(&mut self, now: Duration) {
        self.closed.get_or_insert(now);
    }

    /// What to do at this time.
    #[must_use]
    pub fn next(&self, now: Duration) -> Next {
        let due = self.slots.iter().filter(|slot| self.is_due(slot));
        let Some(slot) = due.min_by_key(|slot| (slot.last_tries, !slot.earlier, slot.post.rank())) else {
            return Next::Nothing;
        };
        if now >= self.not_before {
            return Next::Deliver(Box::new(slot.post.clone()), slot.known);
        }
        match self.closed {
            Some(closed) if self.not_before > closed + PATIENCE => Next::Nothing,
            _ => Next::Wait(self.not_before),
        }
    }

    fn is_due(&self, slot: &Slot) -> bool {
        // With GitHub down not every post has to find that out.
        let hopeless = self.last_failures >= LAST_FAILURES || slot.last_tries >= LAST_TRIES;
        matches!(slot.state, State::Due(_)) && !hopeless
    }

    /// GitHub took a post. Meanwhile something newer may be wanted in its place.
    pub fn delivered(&mut self, post: &Post, thing: Option<Thing>) {
        self.answered();
        if let Some(slot) = self.slot(post) {
            slot.known = Known { thing: thing.or(slot.known.thing), unsure: false };
            if slot.post == *post {
                slot.state = State::Shown;
            }
        }
    }

    /// GitHub has answered a request.
    pub fn answered(&mut self) {
        (self.failures, self.last_failures) = (0, 0);
    }

    /// GitHub did not take a post; there is a `thing` if it was made at least.
    pub fn refused(&mut self, post: &Post, thing: Option<Thing>, refusal: Refusal, now: Duration) {
        let pause = match refusal.again {
            Again::Never => None,
            Again::Later => {
                let doubled = BACKOFF.saturating_mul(2_u32.saturating_pow(self.failures));
                self.failures = self.failures.saturating_add(1);
                self.last_failures += u32::from(self.closed.is_some());
                Some(doubled.min(if self.closed.is_some() { LAST_PAUSE } else { LONGEST }))
            }
            Again::After(pause) => Some(pause),
        };
        self.not_before = pause.map_or(self.not_before, |pause| self.not_before.max(now + pause));
        let closed = self.closed.is_some();
        if let Post::Check(_) = post
            && refusal.is_forbidden()
        {
            return self.refuse_checks();
        }
        let Some(slot) = self.slot(post) else { return };
        slot.known.thing = thing.or(slot.known.thing);
        slot.known.unsure |= refusal.again == Again::Later;
        slot.last_tries += u32::from(closed);
        if slot.post == *post {
            let lasting = refusal.again == Again::Never;
            slot.state = if lasting { State::Refused(refusal) } else { State::Due(Some(refusal)) };
        }
    }

    /// Checks may be posted by Apps alone; commit statuses by any token.
    fn refuse_checks(&mut self) {
        self.checks_refused = true;
        let (checks, others) =
            std::mem::take(&mut self.slots).into_iter().partition(|slot| matches!(slot.post, Post::Check(_)));
        self.slots = others;
        let checks: Vec<Slot> = checks;
        for slot in checks {
            self.want(slot.post);
        }
    }

    fn permitted(&self, post: Post) -> Post {
        match post {
            Post::Check(check) if self.checks_refused => Post::Status(check.as_status()),
            post => post,
        }
    }

    fn slot(&mut self, post: &Post) -> Option<&mut Slot> {
        let key = post.key();
        self.slots.iter_mut().find(|slot| slot.post.key() == key)
    }

    /// What GitHub has not taken.
    pub fn left(&self) -> impl Iterator<Item = Left> {
        self.slots.iter().filter_map(|slot| {
            let (refusal, may_pass) = match &slot.state {
                State::Shown => return None,
                State::Refused(refusal) => (refusal.clone(), false),
                State::Due(refusal) => (refusal.clone().or_else(|| self.general())?, true),
            };
            Some(Left { post: slot.post.clone(), refusal, may_pass })
        })
    }

    /// Why nothing is taken: what another post was told.
    fn general(&self) -> Option<Refusal> {
        self.slots.iter().find_map(|slot| match &slot.state {
            State::Due(Some(refusal)) => Some(refusal.clone()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use octocrab::models::StatusState;
    use proptest::prelude::*;

    use super::super::post::{Check, CheckState, Commit, Status};
    use super::*;

    fn status(context: &str, description: &str) -> Post {
        Post::Status(Status {
            commit: Commit::Sha("3f2a91c".to_owned()),
            context: context.to_owned(),
            state: StatusState::Pending,
            description: description.to_owned(),
            target_url: None,
        })
    }

    fn check(name: &str) -> Post {
        Post::Check(Check {
            commit: Commit::Sha("3f2a91c".to_owned()),
            name: name.to_owned(),
            run: "1".to_owned(),
            state: CheckState::InProgress,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            details_url: None,
            title: "creating".to_owned(),
            summary: String::new(),
            annotations: Vec::new(),
        })
    }

    fn later() -> Refusal {
        Refusal::unanswered("connection refused")
    }

    const START: Duration = Duration::ZERO;

    #[test]
    fn of_several_states_only_the_newest_is_posted() {
        let mut outbox = Outbox::default();
        outbox.want(status("a", "1"));
        outbox.want(status("a", "2"));
        assert_eq!(outbox.next(START), Next::Deliver(Box::new(status("a", "2")), Known::default()));
        outbox.want(status("a", "3"));
        outbox.delivered(&status("a", "2"), None);
        assert_eq!(outbox.next(START), Next::Deliver(Box::new(status("a", "3")), Known::default()));
        outbox.delivered(&status("a", "3"), None);
        outbox.want(status("a", "3"));
        assert_eq!(outbox.next(START), Next::Nothing);
    }

    #[test]
    fn what_may_have_got_through_is_looked_for() {
        let mut outbox = Outbox::default();
        outbox.want(check("a"));
        outbox.refused(&check("a"), None, later(), START);
        assert_eq!(outbox.next(START), Next::Wait(BACKOFF));
        let unsure = Known { thing: None, unsure: true };
        assert_eq!(outbox.next(BACKOFF), Next::Deliver(Box::new(check("a")), unsure));
        outbox.delivered(&check("a"), Some(Thing::Ours(7)));
        assert_eq!(outbox.next(BACKOFF), Next::Nothing);
    }

    #[test]
    fn where_checks_are_forbidden_statuses_stand_for_them() {
        let mut outbox = Outbox::default();
        outbox.want(check("a"));
        outbox.want(check("b"));
        let forbidden = Refusal::lasting("403 Resource not accessible by integration", "");
        outbox.refused(&check("a"), None, forbidden, START);
        outbox.want(check("c"));
        for name in ["a", "b", "c"] {
            assert_eq!(
                outbox.next(START),
                Next::Deliver(Box::new(status(name, "creating")), Known::default())
            );
            outbox.delivered(&status(name, "creating"), None);
        }
        assert_eq!(outbox.next(START), Next::Nothing);
        assert_eq!(outbox.left().count(), 0);
    }

    #[test]
    fn a_limit_beyond_the_end_leaves_everything() {
        let mut outbox = Outbox::default();
        outbox.want(status("a", "1"));
        outbox.close(START);
        let limited = Refusal { again: Again::After(Duration::from_secs(61)), ..later() };
        outbox.refused(&status("a", "1"), None, limited, START);
        assert_eq!(outbox.next(START), Next::Nothing);
        assert!(outbox.left().all(|left| left.may_pass));
        assert_eq!(outbox.left().count(), 1);
    }

    proptest! {
        /// With GitHub down, a run that is over ends soon, however much there is to post.
        #[test]
        fn github_down_ends(count in 1_usize..40) {
            let mut outbox = Outbox::default();
            (0..count).for_each(|index| outbox.want(check(&index.to_string())));
            outbox.close(START);
            let (mut now, mut tries) = (START, 0);
            loop {
                match outbox.next(now) {
                    Next::Deliver(post, _) => {
                        tries += 1;
                        outbox.refused(&post, None, later(), now);
                    }
                    Next::Wait(until) => now = until,
                    Next::Nothing => break,
                }
            }
            prop_assert_eq!(tries, LAST_FAILURES);
            prop_assert!(now <= Duration::from_secs(10));
            prop_assert_eq!(outbox.left().count(), count);
        }

        /// Whatever fails, as long as GitHub answers in the end, all that is wanted is shown in its newest state.
        #[test]
        fn everything_gets_through(answers in prop::collection::vec(0_u8..4, 0..60), count in 1_usize..8) {
            let mut outbox = Outbox::default();
            let mut shown = std::collections::BTreeMap::new();
            (0..count).for_each(|index| outbox.want(status(&index.to_string(), "begins")));
            let (mut now, mut answers) = (START, answers.into_iter());
            let mut ended = false;
            loop {
                match outbox.next(now) {
                    Next::Deliver(post, _) => match answers.next() {
                        Some(0) => outbox.refused(&post, None, later(), now),
                        Some(1) => {
                            let limited = Refusal { again: Again::After(Duration::from_secs(7)), ..later() };
                            outbox.refused(&post, None, limited, now);
                        }
                        _ => {
                            outbox.delivered(&post, None);
                            shown.insert(post.key(), *post);
                        }
                    },
                    Next::Wait(until) => now = until,
                    Next::Nothing if ended => break,
                    Next::Nothing => {
                        ended = true;
                        (0..count).for_each(|index| outbox.want(status(&index.to_string(), "ends")));
                    }
                }
            }
            let wanted: Vec<Post> = (0..count).map(|index| status(&index.to_string(), "ends")).collect();
            prop_assert_eq!(shown.into_values().collect::<Vec<_>>(), wanted);
        }
    }
}
