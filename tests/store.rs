//! What `pipeline serve` remembers: the same on SQLite and on Postgres.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::event::RunResult;
use pipeline::store::{
    Accepted, Cause, Claim, Delivery, Ending, Enqueued, Inbox, Place, Request, State, Store,
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
    one_run_per_environment_goes_at_a_time_and_the_more_urgent_first,
    a_run_that_deploys_what_another_waits_for_takes_its_place,
    many_servers_take_each_run_once,
    who_has_lost_a_lease_changes_nothing,
    runs_of_a_holder_that_is_no_more_wait_again,
    a_run_that_a_task_carries_out_is_taken_on_and_not_begun_anew,
    events_are_numbered_on_whoever_writes_them,
    what_is_old_is_forgotten_but_for_the_newest,
    what_was_stored_is_there_when_it_is_opened_again,
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
    let states: Vec<_> = store.runs(Some("prod"), None, 10).await.expect("runs").into_iter().collect();
    assert_eq!(states.iter().map(|run| run.id).collect::<Vec<_>>(), [second, first]);
    assert_eq!((states[0].state, states[1].state), (State::Queued, State::Superseded));
    assert_eq!(states[1].superseded_by, Some(second));
    assert_eq!(store.count(State::Queued).await.expect("a number"), 2);
    // A page begins where the last one ended.
    let page: Vec<i64> =
        store.runs(None, Some(second), 1).await.expect("runs").iter().map(|run| run.id).collect();
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

async fn a_run_that_deploys_what_another_waits_for_takes_its_place(place: &Place) {
    let store = open(place).await;
    let first = enqueue(&store, request("prod", "a")).await;
    let held = claim(&store, LEASE).await;
    let waiting = enqueue(&store, request("prod", "b")).await;
    let elsewhere = enqueue(&store, request("staging", "b")).await;
    // Another commit than the one that is waited for changes nothing.
    assert!(store.deploys(&held, "c").await.expect("an answer"));
    assert_eq!(store.run(waiting).await.expect("an answer").expect("a run").state, State::Queued);
    assert!(store.deploys(&held, "b").await.expect("an answer"));
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
    assert!(!store.deploys(&lost, "b").await.expect("an answer"));
    assert!(!store.append(&lost, &["late".to_owned()]).await.expect("an answer"));
    assert!(!store.end(&lost, &ending(RunResult::Failed)).await.expect("an answer"));
    store.give_back(&lost).await.expect("an answer");
    let run = store.run(id).await.expect("an answer").expect("a run");
    assert_eq!((run.state, run.commit.as_str()), (State::Running, "a"));
    assert!(store.renew(&held, LEASE).await.expect("an answer"));
    assert!(store.deploys(&held, "b").await.expect("an answer"));
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
    let left: Vec<i64> = store.runs(None, None, 10).await.expect("runs").iter().map(|run| run.id).collect();
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
