use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pipeline::store::State;
use url::Url;

use crate::browser::Browser;
use crate::server::{Place, Server};
use crate::support::github::GitHub;
use crate::support::http::Answer;

const CLIENT_SECRET: &str = "canary/client+secret";

/// A server of `o/r` to which people sign in with this GitHub.
fn serve(place: &Place, github: &GitHub, more: &[&str]) -> Server {
    github.belongs_to_a_person();
    place.serve_from(&format!("o/r={}", place.remote().display()), |command| {
        command
            .env("GITHUB_SERVER_URL", &github.url)
            .env("GITHUB_API_URL", &github.url)
            .env("PIPELINE_GITHUB_CLIENT_ID", "Iv1.canary")
            .env("PIPELINE_GITHUB_CLIENT_SECRET", CLIENT_SECRET)
            .args(["--url", "http://deploy.example"])
            .args(more);
    })
}

/// Begins to sign in, and gives where the browser is sent.
fn begin(browser: &Browser, path: &str) -> Url {
    let sent = browser.get(path);
    assert_eq!(sent.status, 303, "{sent:?}");
    Url::parse(sent.header("location")).expect("an address at GitHub")
}

fn word(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).expect("a word")
}

/// Comes back from GitHub.
fn back(browser: &Browser, there: &Url, code: &str) -> Answer {
    let state = word(there, "state");
    browser.get(&format!("/sign-in/github/callback?code={code}&state={state}"))
}

#[test]
fn whoever_github_knows_gets_the_level_of_their_permissions() {
    let place = Place::simple();
    let github = GitHub::start();
    let server = serve(&place, &github, &[]);
    server.until_run(&place.head(), State::Ended);
    for (permissions, asked) in [
        (vec!["pull"], 403),
        (vec!["pull", "triage", "push"], 202),
        (vec!["pull", "triage", "push", "maintain"], 202),
    ] {
        github.change(|things| things.permissions.clone_from(&permissions));
        let browser = Browser::of(&server);
        let page = browser.get("/sign-in?to=/api/session");
        assert!(page.body.contains(r#"<a href="/sign-in/github?to=%2Fapi%2Fsession">"#), "{page:?}");
        let there = begin(&browser, "/sign-in/github?to=/api/session");
        assert_eq!(there.path(), "/login/oauth/authorize");
        assert_eq!(word(&there, "client_id"), "Iv1.canary");
        assert_eq!(word(&there, "redirect_uri"), "http://deploy.example/sign-in/github/callback");
        let come = back(&browser, &there, "a-code");
        assert_eq!((come.status, come.header("location")), (303, "/api/session"), "{come:?}");
        // What is exchanged belongs to what the browser was sent with.
        let requests = github.requests();
        let exchange = requests.iter().rev().find(|it| it.line.contains("access_token")).expect("a request");
        let verifier = exchange.body["code_verifier"].as_str().expect("a verifier");
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(challenge), word(&there, "code_challenge"));

        assert_eq!(browser.get("/api/session").json()["who"], "@ada");
        let csrf = browser.csrf();
        let headers = [("Origin", "http://deploy.example"), ("X-CSRF-Token", csrf.as_str())];
        let wish = r#"{"environment": "local", "branch": "main"}"#;
        assert_eq!(browser.ask("POST", "/api/runs", &headers, wish).status, asked, "{permissions:?}");
    }
    let said = server.stop();
    let store = std::fs::read(place.state().join("pipeline.db")).expect("a store");
    for secret in ["gho_canary", CLIENT_SECRET] {
        assert!(!said.contains(secret) && !String::from_utf8_lossy(&store).contains(secret), "{secret}");
    }
}

#[test]
fn who_did_not_begin_here_or_may_nothing_is_not_let_in() {
    let place = Place::simple();
    let github = GitHub::start();
    let server = serve(&place, &github, &[]);
    let browser = Browser::of(&server);
    let there = begin(&browser, "/sign-in/github");
    // Another browser, another state, another code; and somebody who may see nothing here.
    assert_eq!(back(&Browser::of(&server), &there, "a-code").status, 403);
    let mut other = there.clone();
    other.query_pairs_mut().clear().append_pair("state", "0000");
    assert_eq!(back(&browser, &other, "a-code").status, 403);
    assert_eq!(back(&browser, &there, "guessed").status, 403);
    let nothing = back(&browser, &there, "a-code");
    assert!(nothing.status == 403 && nothing.body.contains("ada may not see any"), "{nothing:?}");
    assert_eq!(browser.get("/api/session").status, 303);
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

#[test]
fn where_teams_are_named_they_decide_instead() {
    let place = Place::simple();
    let github = GitHub::start();
    github.change(|things| {
        things.permissions = vec!["pull", "push", "admin"];
        things.teams = vec!["acme/readers"];
    });
    let teams = ["--team", "approve=acme/ops", "--team", "read=acme/readers"];
    let server = serve(&place, &github, &teams);
    server.until_run(&place.head(), State::Ended);
    let browser = Browser::of(&server);
    let sign_in = || {
        let there = begin(&browser, "/sign-in/github");
        back(&browser, &there, "a-code")
    };
    assert_eq!(sign_in().status, 303);
    let run = |verb: &str| {
        let csrf = browser.csrf();
        let headers = [("Origin", "http://deploy.example"), ("X-CSRF-Token", csrf.as_str())];
        let first = server.runs()[0].id;
        browser.ask("POST", &format!("/api/runs/{first}/{verb}"), &headers, "").status
    };
    assert_eq!(run("again"), 403);
    github.change(|things| things.teams.push("acme/ops"));
    assert_eq!(run("rollback"), 403, "what was found out counts until the session is renewed");
    assert_eq!(sign_in().status, 303);
    assert_eq!(run("rollback"), 202);
    github.change(|things| things.teams.clear());
    assert_eq!(sign_in().status, 403);
    server.stop();
}

#[test]
fn whose_session_has_ended_is_sent_to_github_at_once() {
    let place = Place::simple();
    let github = GitHub::start();
    github.change(|things| things.permissions = vec!["pull"]);
    let server = serve(&place, &github, &[]);
    let browser = Browser::of(&server);
    let there = begin(&browser, "/sign-in/github");
    assert_eq!(back(&browser, &there, "a-code").status, 303);
    place.end_all_sessions();
    let sent = browser.get("/api/session");
    assert_eq!((sent.status, sent.header("location")), (303, "/sign-in/github?to=%2Fapi%2Fsession"));
    server.until_run(&place.head(), State::Ended);
    server.stop();
}
