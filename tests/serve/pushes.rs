use pipeline::event::RunResult;
use pipeline::store::State;

use crate::server::Place;

#[test]
fn a_forced_push_deploys_the_head_that_it_left_and_older_deliveries_nothing_more() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let first = place.head();
    server.until_run(&first, State::Ended);
    let second = place.push("second");
    server.tell(&second);
    server.until_run(&second, State::Ended);
    // The branch is taken back and goes another way.
    place.author.git(&["reset", "--quiet", "--hard", &first]);
    place.author.edit("stacks/a/template.yaml", "Value: ", "Value: other-");
    let third = place.author.commit("Another way");
    place.author.git(&["push", "--quiet", "--force", "origin", "main"]);
    server.tell(&third);
    let run = server.until_run(&third, State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "other-first");

    // What was pushed before is told late, in the wrong order, and of one nobody knows any more.
    for (number, commit) in [&second, &first, &second].into_iter().enumerate() {
        let body = Place::told(commit, &format!("late-{number}"));
        assert_eq!(server.deliver("push", &format!("late-{number}"), &body).body, "accepted");
    }
    place.until_settled();
    let runs: Vec<_> = server.runs().into_iter().map(|run| run.commit).collect();
    assert_eq!(runs, [first.clone(), second, third.clone()]);
    assert_eq!(place.cloud.outputs("a")["Value"], "other-first");

    // Back to a commit that was deployed before: that is a new head all the same.
    place.author.git(&["push", "--quiet", "--force", "origin", &format!("{first}:main")]);
    let body = Place::told(&first, "taken back");
    assert_eq!(server.deliver("push", "taken-back", &body).body, "accepted");
    crate::support::until("the run of what was taken back", || {
        let last = server.runs().pop()?;
        (last.commit == first && last.state == State::Ended && last.id > run.id).then_some(())
    });
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    assert_eq!(server.runs().len(), 4);
    server.stop();
}
