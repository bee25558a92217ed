use jiff::{SignedDuration, Timestamp};
use pipeline::event::RunResult;
use pipeline::store::State;
use serde_json::json;

use crate::browser::Browser;
use crate::server::{Place, Server, TOKEN, at_the_gate};
use crate::support::http;
use crate::told::{self, COMMIT, NEWER, Teller};

/// A server that remembers what is told: in `prod` one run that went well and one that failed, in `staging` one that is under
/// way and one that waits.
fn told() -> (Place, Server) {
    let place = Place::simple();
    let begin: Timestamp = "2026-10-01T12:00:00Z".parse().expect("a time");
    let teller = Teller::open(&place.state());
    let done = teller.run("prod", COMMIT, &told::done(begin));
    teller.end(&done, RunResult::Changed, None);
    let failed = teller.run("prod", NEWER, &told::failed(begin + SignedDuration::from_hours(2)));
    teller.end(&failed, RunResult::Failed, None);
    teller.run("staging", NEWER, &told::under_way(Timestamp::now() - SignedDuration::from_secs(75)));
    teller.queue("staging", COMMIT);
    teller.close();
    // Nothing here is to be deployed: there is no branch to look at.
    let remote = place.remote().display().to_string();
    place.author.git(&["--git-dir", &remote, "branch", "--move", "main", "elsewhere"]);
    let server = place.serve(&[]);
    (place, server)
}

fn get(server: &Server, path: &str) -> http::Answer {
    let token = format!("Bearer {TOKEN}");
    http::ask(&server.address, "GET", path, &[("Authorization", &token)], b"").expect("an answer")
}

#[test]
fn a_run_is_watched_live() {
    let (place, server, commit) = at_the_gate();
    let browser = Browser::open(&server);
    browser.go("/");
    browser.until_text(".card", "Under way");
    browser.click(".card dd a");
    browser.until_text("a.node.busy", "gate");
    assert!(browser.title().starts_with("running · local"), "{}", browser.title());
    // What was opened by hand stays open, and nothing is loaded anew.
    browser.click("[id='step-stack/a'] summary");
    browser.ask("(window.kept = true)");
    place.cloud.open_gate("gate");
    browser.until_text(".head .word", "changed");
    browser.until_text("a.node.good[href='#stack/gate']", "gate");
    assert!(browser.title().starts_with("changed · local"), "{}", browser.title());
    let kept = browser.ask("[window.kept, document.getElementById('step-stack/a').open]");
    assert_eq!(kept, json!([true, true]));
    // It is what a reload shows.
    let shown = || {
        let main = "document.querySelector('main').innerText.replaceAll(/just now|\\d+ s ago/g, '')";
        (browser.ask(main), browser.ask("document.querySelector('link[rel=icon]').href"))
    };
    let live = shown();
    browser.go(&browser.place());
    browser.click("[id='step-stack/a'] summary");
    assert_eq!(shown(), live);
    browser.close();
    server.until_run(&commit, State::Ended);
    server.stop();
}

#[test]
fn pictures() {
    let (_place, server) = told();
    let browser = Browser::open(&server);
    let directory = std::path::Path::new("/tmp/pages");
    std::fs::create_dir_all(directory).expect("a directory");
    let picture = |name: &str| std::fs::write(directory.join(name), browser.picture()).expect("a file");
    let runs = server.runs();
    for (scheme, wide) in [("light", true), ("dark", true), ("light", false)] {
        browser.prefer("prefers-color-scheme", scheme);
        browser.window(if wide { 1280 } else { 390 }, 900);
        let kind = if wide { scheme } else { "phone" };
        browser.go("/");
        picture(&format!("environments-{kind}.png"));
        browser.go("/runs");
        picture(&format!("runs-{kind}.png"));
        for (name, index) in [("failed", 1), ("running", 2)] {
            browser.go(&format!("/runs/{}", runs[index].id));
            browser.window(if wide { 1280 } else { 390 }, 1800);
            picture(&format!("{name}-{kind}.png"));
        }
    }
    browser.close();
    server.stop();
}
