//! What `pipeline serve` remembers: the same on SQLite and on Postgres.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::drift::State as Drift;
use pipeline::event::RunResult;
use pipeline::plan::PlanDigest;
use pipeline::store::{
    Accepted, By, Cause, Chain, Claim, Delivery, Ending, Enqueued, Inbox, Level, Place, Refusal, Request,
    Rights, Runs, Secret, Session, SignedIn, State, Store, Unfit,
};
use support::postgres::Database;
use tempfile::TempDir;

const LEASE: Duration = Duration::from_mins(1);
const EXPIRED: Duration = Duration::ZERO;

/// Makes each a test on both engines.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let directory = super::TempDir::new().expect("a directory");
                super::$test(&super::Place::Sqlite(directory.path().join("pipeline.db"))).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let database = super::Database::create();
                super::$test(&super::Place::Postgres(database.address())).await;
            })*
        }
    };
}

on_both!(
    a_delivery_is_stored_once,
    many_deliveries_at_once_are_all_stored,
    a_newer_request_takes_the_place_of_the_one_that_waits,
    repositories_take_turns,
    what_can_t_be_carried_out_has_failed_once,
    one_run_per_environment_goes_at_a_time_and_the_more_urgent_first,
    a_run_that_deploys_what_another_waits_for_takes_its_place,
    many_servers_take_each_run_once,
    who_has_lost_a_lease_changes_nothing,
    runs_of_a_holder_that_is_no_more_wait_again,
    a_run_that_a_task_carries_out_is_taken_on_and_not_begun_anew,
    events_are_numbered_on_whoever_writes_them,
    what_is_old_is_forgotten_but_for_the_newest,
    what_was_stored_is_there_when_it_is_opened_again,
    a_look_for_drift_is_due_once_for_what_was_deployed_well,
    a_token_opens_until_it_is_revoked_or_expires,
    a_session_ends_by_itself_and_when_it_is_told_to,
    who_did_what_is_remembered_in_order,
    runs_of_other_repositories_are_not_among_those_of_some,
    a_plan_waits_for_approval_and_gives_way_to_what_is_newer,
    a_roll_back_is_not_undone_by_hints_and_the_head_that_was_tried_is_remembered,
    what_runs_where_and_since_when_is_told_from_the_runs,
    runs_are_found_by_whatever_is_known_of_them,
);

async fn open(place: &Place) -> Store {
    Store::open(place).await.expect("a store")
}

fn delivery(id: &str, digest: &str) -> Delivery {
    Delivery {
        id: id.to_owned(),
        digest: digest.to_owned(),
        event: "push".to_owned(),
        push: Some(("octo/shop".to_owned(), "main".to_owned())),
        ask: None,
    }
}

fn request(environment: &str, commit: &str) -> Request {
    Request {
        repository: "octo/shop".to_owned(),
        environment: environment.to_owned(),
        branch: "main".to_owned(),
        commit: commit.to_owned(),
        cause: Cause::Push,
        priority: 0,
    }
}

/// Puts a run into the queue and gives its number.
async fn enqueue(store: &Store, request: Request) -> i64 {
    store.enqueue(&[request], &[]).await.expect("a run")[0].run()
}

async fn claim(store: &Store, lease: Duration) -> Claim {
    store.claim("here", lease).await.expect("an answer").expect("a run")
}

fn ending(result: RunResult) -> Ending {
    Ending { result, reason: None }
}

async fn a_delivery_is_stored_once(place: &Place) {
    let store = open(place).await;
    let both = [delivery("1", "a"), delivery("2", "b"), delivery("1", "a")];
    let accepted = store.accept(&both).await.expect("stored");
    assert_eq!(accepted, [Accepted::New, Accepted::New, Accepted::Duplicate]);
    // Another body under the same identity, and the same body under another one.
    let again = store.accept(&[delivery("1", "c"), delivery("3", "b")]).await.expect("stored");
    assert_eq!(again, [Accepted::Duplicate, Accepted::Duplicate]);
    let waiting = store.unsettled().await.expect("pushes");
    assert_eq!(waiting, [("octo/shop".to_owned(), "main".to_owned())]);
    let ids: BTreeSet<String> =
        store.unsettled_of("octo/shop", "main").await.expect("deliveries").into_iter().collect();
    assert_eq!(ids, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
    store.enqueue(&[request("prod", "a")], &["1".to_owned()]).await.expect("a run");
    store.settle(&["2".to_owned()], "no environment").await.expect("settled");
    assert_eq!(store.unsettled().await.expect("pushes"), []);
    // A delivery from which nothing follows waits for nothing.
    let ping = Delivery { push: None, ..delivery("4", "d") };
    assert_eq!(store.accept(&[ping]).await.expect("stored"), [Accepted::New]);
    assert_eq!(store.unsettled().await.expect("pushes"), []);
}

async fn many_deliveries_at_once_are_all_stored(place: &Place) {
    let store = open(place).await;
    let inbox = Inbox::of(store.clone());
    let put = |number: i32| {
        let inbox = inbox.clone();
        async move { inbox.put(delivery(&(number / 2).to_string(), &(number / 2).to_string())).await }
    };
    let put = futures::future::join_all((0..600).map(put)).await;
    let new = put.iter().filter(|put| matches!(put, Ok(Accepted::New))).count();
    let duplicates = put.iter().filter(|put| matches!(put, Ok(Accepted::Duplicate))).count();
    assert_eq!((new, duplicates), (300, 300));
    assert_eq!(store.unsettled_of("octo/shop", "main").await.expect("deliveries").len(), 300);
}

async fn a_newer_request_takes_the_place_of_the_one_that_waits(place: &Place) {
    let store = open(place).await;
    let first = enqueue(&store, request("prod", "a")).await;
    assert_eq!(store.enqueue(&[request("prod", "a")], &[]).await.expect("a run"), [Enqueued::Already(first)]);
    let both = store.enqueue(&[request("prod", "b"), request("staging", "b")], &[]).await.expect("runs");
    let second = both[0].run();
    let states: Vec<_> = store
        .runs(Runs { environment: Some("prod"), ..Runs::default() }, 10)
        .await
        .expect("runs")
        .into_iter()
        .collect();
    assert_eq!(states.iter().map(|run| run.id).collect::<Vec<_>>(), [second, first]);
    assert_eq!((states[0].state, states[1].state), (State::Queued, State::Superseded));
    assert_eq!(states[1].superseded_by, Some(second));
    assert_eq!(store.count(State::Queued).await.expect("a number"), 2);
    // A page begins where the last one ended.
    let page: Vec<i64> = store
        .runs(Runs { before: Some(second), ..Runs::default() }, 1)
        .await
        .expect("runs")
        .iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(page, [first]);
    assert_eq!(store.branches("octo/shop").await.expect("branches"), ["main"]);
}

async fn one_run_per_environment_goes_at_a_time_and_the_more_urgent_first(place: &Place) {
    let store = open(place).await;
    let prod = enqueue(&store, request("prod", "a")).await;
    let staging = enqueue(&store, Request { priority: 1, ..request("staging", "a") }).await;
    let first = claim(&store, LEASE).await;
    assert_eq!(first.run.id, staging);
    let second = claim(&store, LEASE).await;
    assert_eq!(second.run.id, prod);
    // What is under way is not cut, and the next one waits for it.
    let next = enqueue(&store, request("prod", "b")).await;
    assert_eq!(store.claim("here", LEASE).await.expect("an answer"), None);
    assert_eq!(store.run(prod).await.expect("an answer").expect("a run").state, State::Running);
    assert!(store.end(&second, &ending(RunResult::Changed)).await.expect("an end"));
    assert_eq!(claim(&store, LEASE).await.run.id, next);
    let ended = store.run(prod).await.expect("an answer").expect("a run");
    assert_eq!((ended.state, ended.result), (State::Ended, Some(RunResult::Changed)));
    assert!(ended.created <= ended.started.expect("a time") && ended.started <= ended.ended, "{ended:?}");
}

async fn repositories_take_turns(place: &Place) {
    let store = open(place).await;
    // One pushes to many environments, the other one later to a single one.
    let often: Vec<Request> = (0..3).map(|number| request(&format!("e{number}"), "a")).collect();
    store.enqueue(&often, &[]).await.expect("runs");
    let rare = Request { repository: "octo/rare".to_owned(), ..request("prod", "a") };
    store.enqueue(&[rare], &[]).await.expect("a run");
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(claim(&store, LEASE).await.run.repository);
        // Times are counted in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(turns, ["octo/shop", "octo/rare", "octo/shop", "octo/shop"]);
    // Whoever had the last turn waits for the other one.
    store.enqueue(&[request("e9", "a")], &[]).await.expect("a run");
    let rare = Request { repository: "octo/rare".to_owned(), ..request("staging", "a") };
    let urgent = Request { priority: 1, ..request("e10", "a") };
    store.enqueue(&[rare, urgent], &[]).await.expect("runs");
    let mut turns = Vec::new();
    for _ in 0..3 {
        turns.push(claim(&store, LEASE).await.run.environment);
    }
    assert_eq!(turns, ["e10", "staging", "e9"]);
}

async fn what_can_t_be_carried_out_has_failed_once(place: &Place) {
    let store = open(place).await;
    let refusal = Refusal {
        repository: "octo/shop".to_owned(),
        branch: "main".to_owned(),
        commit: "b".to_owned(),
        cause: Cause::Push,
        reason: "a mistake".to_owned(),
    };
    store.accept(&[delivery("1", "a")]).await.expect("stored");
    assert_eq!(store.refuse(&refusal, &["1".to_owned()]).await.expect("an answer"), []);
    assert_eq!(store.unsettled().await.expect("pushes"), []);
    enqueue(&store, request("staging", "a")).await;
    store.end(&claim(&store, LEASE).await, &ending(RunResult::Changed)).await.expect("an end");
    enqueue(&store, Request { branch: "release".to_owned(), ..request("prod", "a") }).await;
    let waiting = enqueue(&store, request("staging", "a2")).await;
    let refused = store.refuse(&refusal, &[]).await.expect("an answer");
    let [Enqueued::New(id)] = refused[..] else { panic!("{refused:?}") };
    let run = store.run(id).await.expect("an answer").expect("a run");
    assert_eq!((run.environment.as_str(), run.state), ("staging", State::Ended));
    assert_eq!((run.result, run.reason.as_deref()), (Some(RunResult::Failed), Some("a mistake")));
    assert_eq!(store.run(waiting).await.expect("an answer").expect("a run").superseded_by, Some(id));
    assert_eq!(store.refuse(&refusal, &[]).await.expect("an answer"), [Enqueued::Already(id)]);
    // What repairs it is tried.
    assert_ne!(enqueue(&store, request("staging", "c")).await, id);
}

#[tokio::test]
async fn leases_go_by_the_clock_of_the_database() {
    let database = Database::create();
    database.set_clock("-1 hour");
    let store = open(&Place::Postgres(database.address())).await;
    enqueue(&store, request("prod", "a")).await;
    let held = claim(&store, LEASE).await;
    // By this machine's clock it is long over.
    assert_eq!(store.recover(None).await.expect("an answer"), 0);
    let run = store.run(held.run.id).await.expect("an answer").expect("a run");
    let age = jiff::Timestamp::now().duration_since(run.created);
    assert!(age > jiff::SignedDuration::from_mins(59), "{age:?}");
    // By the database's it lasts a minute, and is renewed; here no moment passes.
    database.set_clock("-59 minutes -30 seconds");
    assert!(store.renew(&held, LEASE).await.expect("an answer"));
    database.set_clock("-58 minutes -45 seconds");
    assert_eq!(store.recover(None).await.expect("an answer"), 0);
    database.set_clock("-58 minutes -15 seconds");
    assert_eq!(store.recover(None).await.expect("an answer"), 1);
}

async fn a_run_that_deploys_what_another_waits_for_takes_its_place(place: &Place) {
    let store = open(place).await;
    let first = enqueue(&store, request("prod", "a")).await;
    let held = claim(&store, LEASE).await;
    let waiting = enqueue(&store, request("prod", "b")).await;
    let elsewhere = enqueue(&store, request("staging", "b")).await;
    // Another commit than the one that is waited for changes nothing.
    assert!(store.deploys(&held, "c", None).await.expect("an answer"));
    assert_eq!(store.run(waiting).await.expect("an answer").expect("a run").state, State::Queued);
    assert!(store.deploys(&held, "b", None).await.expect("an answer"));
    let superseded = store.run(waiting).await.expect("an answer").expect("a run");
    assert_eq!((superseded.state, superseded.superseded_by), (State::Superseded, Some(first)));
    assert_eq!(store.run(elsewhere).await.expect("an answer").expect("a run").state, State::Queued);
    assert_eq!(store.run(first).await.expect("an answer").expect("a run").commit, "b");
    // A hint of it finds the run that deploys it.
    assert_eq!(enqueue(&store, request("prod", "b")).await, first);
}

async fn many_servers_take_each_run_once(place: &Place) {
    let stores = [open(place).await, open(place).await];
    let requests: Vec<Request> = (0..20).map(|number| request(&format!("e{number}"), "a")).collect();
    stores[0].enqueue(&requests, &[]).await.expect("runs");
    let claims = (0..40).map(|number| stores[number % 2].claim("somebody", LEASE));
    let claims = futures::future::join_all(claims).await;
    let claimed: Vec<i64> =
        claims.into_iter().filter_map(|claim| Some(claim.expect("an answer")?.run.id)).collect();
    assert_eq!(claimed.len(), 20, "{claimed:?}");
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 20, "{claimed:?}");
}

async fn who_has_lost_a_lease_changes_nothing(place: &Place) {
    let store = open(place).await;
    let id = enqueue(&store, request("prod", "a")).await;
    let lost = claim(&store, EXPIRED).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(store.recover(None).await.expect("an answer"), 1);
    let held = claim(&store, LEASE).await;
    assert_eq!(held.run.id, id);
    assert!(!store.renew(&lost, LEASE).await.expect("an answer"));
    assert!(!store.deploys(&lost, "b", None).await.expect("an answer"));
    assert!(!store.append(&lost, &["late".to_owned()]).await.expect("an answer"));
    assert!(!store.end(&lost, &ending(RunResult::Failed)).await.expect("an answer"));
    store.give_back(&lost).await.expect("an answer");
    let run = store.run(id).await.expect("an answer").expect("a run");
    assert_eq!((run.state, run.commit.as_str()), (State::Running, "a"));
    assert!(store.renew(&held, LEASE).await.expect("an answer"));
    assert!(store.deploys(&held, "b", None).await.expect("an answer"));
    assert!(store.end(&held, &ending(RunResult::Changed)).await.expect("an answer"));
    assert!(!store.end(&held, &ending(RunResult::Failed)).await.expect("an answer"));
    assert_eq!(store.events(id, 0, 10).await.expect("events"), []);
}

async fn runs_of_a_holder_that_is_no_more_wait_again(place: &Place) {
    let store = open(place).await;
    let prod = enqueue(&store, request("prod", "a")).await;
    let staging = enqueue(&store, request("staging", "a")).await;
    store.claim("one", LEASE).await.expect("an answer").expect("a run");
    store.claim("other", LEASE).await.expect("an answer").expect("a run");
    assert_eq!(store.recover(None).await.expect("an answer"), 0);
    // Something newer waits already for one of the two environments.
    let newer = enqueue(&store, request("prod", "b")).await;
    assert_eq!(store.recover(Some("one")).await.expect("an answer"), 1);
    let run = |id| {
        let store = store.clone();
        async move { store.run(id).await.expect("an answer").expect("a run") }
    };
    assert_eq!((run(prod).await.state, run(prod).await.superseded_by), (State::Superseded, Some(newer)));
    assert_eq!(run(staging).await.state, State::Running);
    assert_eq!(store.recover(Some("other")).await.expect("an answer"), 1);
    assert_eq!(run(staging).await.state, State::Queued);
    // It has not begun: a hint of the same commit finds it, and whoever takes it begins it anew.
    assert_eq!(enqueue(&store, request("staging", "a")).await, staging);
    let held = claim(&store, LEASE).await;
    store.give_back(&held).await.expect("an answer");
    assert_eq!(run(held.run.id).await.state, State::Queued);
}

async fn a_run_that_a_task_carries_out_is_taken_on_and_not_begun_anew(place: &Place) {
    let store = open(place).await;
    let id = enqueue(&store, request("prod", "a")).await;
    let first = claim(&store, LEASE).await;
    assert_eq!(first.task, None);
    store.append(&first, &["before".to_owned()]).await.expect("stored");
    let asked = store.ask_for_task(&first, "token").await.expect("an answer").expect("a task");
    assert_eq!((asked.token.as_str(), &asked.arn, asked.after), ("token", &None, 1));
    // Another one waits for the same environment, and does not take its place.
    let newer = enqueue(&store, request("prod", "b")).await;
    assert_eq!(store.claim("other", LEASE).await.expect("an answer"), None);

    // It is left, before it is known which task it is.
    store.give_back(&first).await.expect("an answer");
    let second = claim(&store, LEASE).await;
    assert_eq!((second.run.id, &second.task), (id, &Some(asked.clone())));
    assert_eq!(second.run.state, State::Running);
    assert!(store.carried_out_by(&second, "arn").await.expect("an answer"));
    store.append(&second, &["x".to_owned(), "y".to_owned()]).await.expect("stored");
    assert_eq!(store.stored_of(&second, &asked).await.expect("an answer"), 2);
    // Who has lost it changes nothing.
    assert_eq!(store.ask_for_task(&first, "another").await.expect("an answer"), None);
    assert!(!store.carried_out_by(&first, "another").await.expect("an answer"));

    // Its holder is started anew, which is no reason to begin the run anew.
    assert_eq!(store.recover(Some("here")).await.expect("an answer"), 0);
    store.let_go("here").await.expect("an answer");
    let third = claim(&store, EXPIRED).await;
    let task = third.task.clone().expect("a task");
    assert_eq!((third.run.id, task.arn.as_deref(), task.after), (id, Some("arn"), 1));
    assert!(store.run(id).await.expect("an answer").expect("a run").started.is_some());
    // Or its lease has expired.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(store.recover(None).await.expect("an answer"), 0);
    let fourth = claim(&store, LEASE).await;
    assert_eq!((fourth.run.id, &fourth.task), (id, &Some(task)));
    assert!(store.end(&fourth, &ending(RunResult::Changed)).await.expect("an answer"));
    assert_eq!(claim(&store, LEASE).await.run.id, newer);
}

async fn events_are_numbered_on_whoever_writes_them(place: &Place) {
    let store = open(place).await;
    let id = enqueue(&store, request("prod", "a")).await;
    let lines = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let first = claim(&store, LEASE).await;
    assert!(store.append(&first, &lines(&["a", "b"])).await.expect("stored"));
    store.give_back(&first).await.expect("an answer");
    let second = claim(&store, LEASE).await;
    assert!(store.append(&second, &lines(&["c 'quoted' ✓"])).await.expect("stored"));
    let all = [(1, "a".to_owned()), (2, "b".to_owned()), (3, "c 'quoted' ✓".to_owned())];
    assert_eq!(store.events(id, 0, 10).await.expect("events"), all);
    assert_eq!(store.events(id, 2, 1).await.expect("events"), all[1..2]);
    assert_eq!(store.events(id + 1, 0, 10).await.expect("events"), []);
    // More than one statement takes.
    let many: Vec<String> = (4..=1203).map(|number| number.to_string()).collect();
    assert!(store.append(&second, &many).await.expect("stored"));
    let stored = store.events(id, 1200, 10).await.expect("events");
    assert_eq!(stored, (1200..=1203).map(|number| (number, number.to_string())).collect::<Vec<_>>());
}

async fn what_is_old_is_forgotten_but_for_the_newest(place: &Place) {
    let store = open(place).await;
    let mut ended = Vec::new();
    for commit in ["a", "b"] {
        ended.push(enqueue(&store, request("prod", commit)).await);
        let held = claim(&store, LEASE).await;
        store.append(&held, &["event".to_owned()]).await.expect("stored");
        store.end(&held, &ending(RunResult::Changed)).await.expect("an end");
    }
    let superseded = enqueue(&store, request("staging", "a")).await;
    let waiting = enqueue(&store, request("staging", "b")).await;
    store.accept(&[delivery("1", "a"), delivery("2", "b")]).await.expect("stored");
    store.settle(&["1".to_owned()], "done").await.expect("settled");
    tokio::time::sleep(Duration::from_millis(2)).await;

    assert_eq!(store.forget(Duration::from_hours(1)).await.expect("an answer"), 0);
    assert_eq!(store.forget(Duration::ZERO).await.expect("an answer"), 2);
    let left: Vec<i64> =
        store.runs(Runs::default(), 10).await.expect("runs").iter().map(|run| run.id).collect();
    assert_eq!(left, [waiting, ended[1]], "{superseded} is gone");
    assert_eq!(store.events(ended[0], 0, 10).await.expect("events"), []);
    assert_eq!(store.events(ended[1], 0, 10).await.expect("events").len(), 1);
    // What waits is not forgotten, and what is forgotten is no duplicate any more.
    assert_eq!(store.unsettled_of("octo/shop", "main").await.expect("deliveries"), ["2"]);
    let again = store.accept(&[delivery("1", "a"), delivery("2", "b")]).await.expect("stored");
    assert_eq!(again, [Accepted::New, Accepted::Duplicate]);
}

async fn what_was_stored_is_there_when_it_is_opened_again(place: &Place) {
    let store = open(place).await;
    let id = enqueue(&store, request("prod", "a")).await;
    store.close().await;
    assert!(store.ping().await.is_err());
    let store = open(place).await;
    store.ping().await.expect("an answer");
    assert_eq!(store.run(id).await.expect("an answer").expect("a run").commit, "a");
}

async fn a_look_for_drift_is_due_once_for_what_was_deployed_well(place: &Place) {
    let store = open(place).await;
    let interval = Duration::from_millis(500);
    for (environment, result) in [("prod", RunResult::Changed), ("staging", RunResult::Failed)] {
        store.enqueue(&[request(environment, "1")], &[]).await.expect("a queue");
        let claim = claim(&store, LEASE).await;
        assert_eq!(store.take_drift_look(interval).await.expect("a look"), None);
        assert!(store.end(&claim, &Ending { result, reason: None }).await.expect("an end"));
    }
    let hour = Duration::from_hours(1);
    assert_eq!(store.take_drift_look(hour).await.expect("a look"), None, "it was deployed just now");
    tokio::time::sleep(2 * interval).await;
    let (one, two) = tokio::join!(store.take_drift_look(interval), store.take_drift_look(interval));
    let looks = [one.expect("a look"), two.expect("a look")];
    let mut looks = looks.iter().flatten();
    let look = looks.next().expect("a look");
    assert_eq!((look.environment.as_str(), look.commit.as_str()), ("prod", "1"));
    assert_eq!(looks.next(), None);
    assert_eq!(store.drift().await.expect("drift"), []);
    store.note_drift(look, &Err("the account is gone".to_owned())).await.expect("a note");
    let drift = store.drift().await.expect("drift");
    let failure = drift[0].failure.as_deref();
    assert_eq!((drift.len(), drift[0].state, failure), (1, Drift::Failed, Some("the account is gone")));
}

fn by(who: &str) -> By {
    By { who: who.to_owned(), from: "here".to_owned() }
}

async fn a_token_opens_until_it_is_revoked_or_expires(place: &Place) {
    let store = open(place).await;
    let secret = || Secret::token().expect("a secret");
    let (ada, old) = (secret(), secret());
    let rights = Rights::of([("octo/shop".to_owned(), Level::Run)]);
    let create = |name: &'static str, secret: &Secret, lifetime| {
        let (store, hash, rights) = (store.clone(), secret.hash(), rights.clone());
        async move { store.create_token(name, &hash, &rights, lifetime, &by("root")).await.expect("an answer") }
    };
    assert!(create("ada", &ada, Some(LEASE)).await);
    assert!(create("old", &old, Some(EXPIRED)).await);
    assert!(!create("ada", &secret(), None).await);
    let found = store.token(&ada.hash()).await.expect("an answer").expect("a token");
    assert_eq!((found.name.as_str(), &found.rights), ("ada", &rights));
    assert_eq!(store.token(&old.hash()).await.expect("an answer"), None);
    assert_eq!(store.token(&secret().hash()).await.expect("an answer"), None);
    assert!(store.revoke_token("ada", &by("root")).await.expect("an answer"));
    assert!(!store.revoke_token("ada", &by("root")).await.expect("an answer"));
    assert_eq!(store.token(&ada.hash()).await.expect("an answer"), None);
    // A name stays that of whom it was given to.
    assert!(!create("ada", &secret(), None).await);
    let tokens = store.tokens().await.expect("tokens");
    let revoked: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.revoked.is_some())).collect();
    assert_eq!(revoked, [("ada", true), ("old", false)]);
    let audit = store.audit(None, None, 10).await.expect("rows");
    let acts: Vec<_> = audit.iter().rev().map(|row| (row.what.as_str(), row.subject.as_str())).collect();
    let expected = [
        ("token_created", "token ada: run octo/shop"),
        ("token_created", "token old: run octo/shop"),
        ("token_revoked", "token ada"),
    ];
    assert_eq!(acts, expected);
}

async fn a_session_ends_by_itself_and_when_it_is_told_to(place: &Place) {
    let store = open(place).await;
    let ids: Vec<Secret> = (0..3).map(|_| Secret::random().expect("a secret")).collect();
    let sessions = [
        Session { who: "ada".to_owned(), by: SignedIn::Token(ids[0].hash()) },
        Session { who: "@bob".to_owned(), by: SignedIn::Rights(Rights::everywhere(Level::Read)) },
        Session { who: "old".to_owned(), by: SignedIn::Rights(Rights::default()) },
    ];
    for ((id, session), lifetime) in ids.iter().zip(&sessions).zip([LEASE, LEASE, EXPIRED]) {
        store.begin_session(&id.hash(), session, lifetime, "here").await.expect("a session");
    }
    let look = |id: &Secret, idle| {
        let (store, hash) = (store.clone(), id.hash());
        async move { store.session(&hash, idle).await.expect("an answer") }
    };
    assert_eq!(look(&ids[0], LEASE).await.as_ref(), Some(&sessions[0]));
    assert_eq!(look(&ids[1], LEASE).await.as_ref(), Some(&sessions[1]));
    assert_eq!(look(&ids[2], LEASE).await, None);
    assert_eq!(look(&ids[1], EXPIRED).await, None, "it was not used for as long");
    assert_eq!(store.forget_sessions(LEASE).await.expect("an answer"), 1);
    store.end_session(&ids[0].hash(), "there").await.expect("an end");
    store.end_session(&ids[0].hash(), "there").await.expect("an end");
    assert_eq!(look(&ids[0], LEASE).await, None);
    let audit = store.audit(None, None, 1).await.expect("rows");
    let last = (audit[0].number, audit[0].who.as_str(), audit[0].what.as_str(), audit[0].from.as_str());
    assert_eq!(last, (4, "ada", "signed_out", "there"));
}

async fn who_did_what_is_remembered_in_order(place: &Place) {
    let stores = [open(place).await, open(place).await];
    let ask = |number: usize| {
        let store = stores[number % 2].clone();
        let request = Request { cause: Cause::Api, ..request(&format!("e{number}"), "a") };
        async move { store.ask(&request, &by(&number.to_string())).await.expect("a run") }
    };
    futures::future::join_all((0..20).map(ask)).await;
    let mut chain = Chain::default();
    let rows = stores[0].audit_from(1, 100).await.expect("rows");
    assert_eq!(rows.len(), 20);
    rows.iter().try_for_each(|row| chain.follow(row)).expect("a chain");
    assert_eq!(chain.ends(&stores[1].audit_head().await.expect("a head")), Ok(()));
    assert_eq!(stores[0].audit_from(20, 100).await.expect("rows"), rows[19..]);
    let some = stores[0].audit(Some(vec!["octo/shop".to_owned()]), Some(3), 10).await.expect("rows");
    assert_eq!(some.iter().map(|row| row.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(stores[0].audit(Some(Vec::new()), None, 10).await.expect("rows"), []);
    // What is forgotten of runs is not forgotten here.
    stores[0].forget(Duration::ZERO).await.expect("an answer");
    assert_eq!(stores[0].audit_from(1, 100).await.expect("rows").len(), 20);
}

async fn runs_of_other_repositories_are_not_among_those_of_some(place: &Place) {
    let store = open(place).await;
    let shop = enqueue(&store, request("prod", "a")).await;
    let other = Request { repository: "octo/other".to_owned(), ..request("prod", "a") };
    let other = enqueue(&store, other).await;
    let of = |repositories: Option<&[&str]>| {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (store, repositories) = (store.clone(), repositories.map(named));
        async move {
            let runs = store.runs(Runs { repositories, ..Runs::default() }, 10).await.expect("runs");
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(of(None).await, [other, shop]);
    assert_eq!(of(Some(&["octo/shop"])).await, [shop]);
    assert_eq!(of(Some(&["octo/shop", "octo/other"])).await, [other, shop]);
    assert_eq!(of(Some(&[])).await, Vec::<i64>::new());
}

fn digest(digit: char) -> PlanDigest {
    format!("{}-abc", String::from(digit).repeat(32)).parse().expect("a digest")
}

async fn a_plan_waits_for_approval_and_gives_way_to_what_is_newer(place: &Place) {
    let store = open(place).await;
    let id = enqueue(&store, request("prod", "a")).await;
    let held = claim(&store, LEASE).await;
    assert!(store.planned(&held, &digest('1')).await.expect("an answer"));
    assert!(!store.planned(&held, &digest('1')).await.expect("an answer"), "nobody holds it any more");
    let run = |id| {
        let store = store.clone();
        async move { store.run(id).await.expect("an answer").expect("a run") }
    };
    assert_eq!((run(id).await.state, run(id).await.plan), (State::Waiting, Some(digest('1').to_string())));
    assert_eq!(store.claim("here", LEASE).await.expect("an answer"), None);
    assert_eq!(store.recover(Some("here")).await.expect("an answer"), 0);
    assert_eq!(enqueue(&store, request("prod", "a")).await, id);
    let approve = |id, plan| {
        let store = store.clone();
        async move { store.approve(id, &digest(plan).to_string(), &by("ada")).await.expect("an answer") }
    };
    assert_eq!(approve(id, '2').await, Err(Unfit::OtherPlan));
    assert_eq!(approve(id, '1').await, Ok(()));
    assert_eq!(approve(id, '1').await, Err(Unfit::NotWaiting(State::Queued)));
    // Whoever takes it knows what was approved, also after another one had it.
    let held = claim(&store, LEASE).await;
    assert_eq!(held.run.approved_by.as_deref(), Some("ada"));
    store.give_back(&held).await.expect("an answer");
    let held = claim(&store, LEASE).await;
    assert_eq!((held.run.approved_by.as_deref(), held.run.is_pinned()), (Some("ada"), true));
    // The world has changed, and something newer waits already.
    let newer = enqueue(&store, request("prod", "b")).await;
    assert!(store.planned(&held, &digest('3')).await.expect("an answer"));
    let superseded = run(id).await;
    assert_eq!((superseded.state, superseded.superseded_by), (State::Superseded, Some(newer)));
    let held = claim(&store, LEASE).await;
    assert!(store.planned(&held, &digest('4')).await.expect("an answer"));
    assert!(store.prioritize(newer, 3, &by("ada")).await.expect("an answer"));
    assert_eq!(run(newer).await.priority, 3);
    assert_eq!(store.reject(newer, None, &by("bob")).await.expect("an answer"), Ok(()));
    let rejected = run(newer).await;
    assert_eq!((rejected.state, rejected.result), (State::Ended, Some(RunResult::Refused)));
    assert!(!store.prioritize(newer, 4, &by("ada")).await.expect("an answer"));
    let acts: Vec<String> =
        store.audit_from(1, 10).await.expect("rows").into_iter().map(|row| row.what).collect();
    assert_eq!(acts, ["approved", "prioritized", "rejected"]);
}

async fn a_roll_back_is_not_undone_by_hints_and_the_head_that_was_tried_is_remembered(place: &Place) {
    let store = open(place).await;
    let mut ids = Vec::new();
    for commit in ["old", "head"] {
        ids.push(enqueue(&store, request("prod", commit)).await);
        let held = claim(&store, LEASE).await;
        store.end(&held, &ending(RunResult::Changed)).await.expect("an end");
    }
    let back = Request { cause: Cause::Rollback, ..request("prod", "old") };
    let back = store.ask(&back, &by("ada")).await.expect("a run").run();
    assert_eq!(enqueue(&store, request("prod", "head")).await, ids[1]);
    let held = claim(&store, LEASE).await;
    assert_eq!(enqueue(&store, request("prod", "head")).await, ids[1]);
    store.end(&held, &ending(RunResult::Changed)).await.expect("an end");
    assert_eq!(enqueue(&store, request("prod", "head")).await, ids[1]);
    assert_eq!(store.environments(None).await.expect("runs").len(), 1);
    assert_eq!(store.environments(None).await.expect("runs")[0].run.id, back);
    assert_eq!(store.deployed("octo/shop", "prod").await.expect("a commit").as_deref(), Some("old"));
    // However long ago that was.
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.forget(Duration::ZERO).await.expect("an answer");
    assert_eq!(enqueue(&store, request("prod", "head")).await, ids[1]);
    let newer = enqueue(&store, request("prod", "newer")).await;
    assert!(newer > back);
}

/// Has a run of a commit end so, and gives its number.
async fn ended(store: &Store, commit: &str, result: RunResult) -> i64 {
    let id = enqueue(store, Request { cause: Cause::Api, ..request("prod", commit) }).await;
    let held = claim(store, LEASE).await;
    store.end(&held, &ending(result)).await.expect("an end");
    id
}

async fn what_runs_where_and_since_when_is_told_from_the_runs(place: &Place) {
    let store = open(place).await;
    ended(&store, "old", RunResult::Changed).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let first = ended(&store, "new", RunResult::Changed).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let again = ended(&store, "new", RunResult::Unchanged).await;
    let failed = ended(&store, "newer", RunResult::Failed).await;
    let held = enqueue(&store, request("prod", "newest")).await;
    claim(&store, LEASE).await;
    let next = enqueue(&store, request("prod", "after that")).await;
    enqueue(&store, request("staging", "new")).await;
    let told = store.environments(None).await.expect("environments");
    assert_eq!(told.iter().map(|it| it.environment.as_str()).collect::<Vec<_>>(), ["prod", "staging"]);
    let id = |run: &Option<pipeline::store::Run>| run.as_ref().map(|run| run.id);
    let prod = &told[0];
    assert_eq!((id(&prod.live), id(&prod.last)), (Some(again), Some(failed)));
    assert_eq!((id(&prod.running), id(&prod.queued), prod.run.id), (Some(held), Some(next), next));
    assert_eq!(prod.since, store.run(first).await.expect("a run").expect("a run").ended);
    assert_eq!((id(&told[1].live), told[1].since), (None, None));
    // Only of repositories that one may see; and what is live is not forgotten behind what failed.
    let nothing = store.environments(Some(vec!["octo/other".to_owned()])).await.expect("environments");
    assert_eq!(nothing, []);
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.forget(Duration::ZERO).await.expect("an answer");
    assert_eq!(id(&store.environments(None).await.expect("environments")[0].live), Some(again));
}

async fn runs_are_found_by_whatever_is_known_of_them(place: &Place) {
    let store = open(place).await;
    let failed = ended(&store, "a", RunResult::Failed).await;
    let changed = ended(&store, "b", RunResult::Changed).await;
    let queued = enqueue(&store, Request { branch: "next".to_owned(), ..request("staging", "c") }).await;
    let found = async |which: Runs<'_>| {
        let runs = store.runs(which, 10).await.expect("runs");
        runs.iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(found(Runs { result: Some(RunResult::Failed), ..Runs::default() }).await, [failed]);
    assert_eq!(found(Runs { state: Some(State::Ended), ..Runs::default() }).await, [changed, failed]);
    assert_eq!(found(Runs { cause: Some(Cause::Push), ..Runs::default() }).await, [queued]);
    assert_eq!(found(Runs { branch: Some("next"), ..Runs::default() }).await, [queued]);
    assert_eq!(found(Runs { repository: Some("octo/other"), ..Runs::default() }).await, [0; 0]);
    let both = Runs { environment: Some("prod"), state: Some(State::Queued), ..Runs::default() };
    assert_eq!(found(both).await, [0; 0]);
}
