use insta::{assert_snapshot, with_settings};
use jiff::{SignedDuration, Timestamp};
use pipeline::event::RunResult;
use pipeline::store::State;
use serde_json::json;

use crate::browser::Browser;
use crate::server::{Place, Server, TOKEN, at_the_gate};
use crate::support::http;
use crate::told::{self, COMMIT, NEWER, Teller};
use crate::window::Window;

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
    let window = Window::open(&server);
    window.go("/");
    window.until_text(".card", "Under way");
    window.click(".card dd a");
    window.until_text("a.node.busy", "gate");
    assert!(window.title().starts_with("running · local"), "{}", window.title());
    // What was opened by hand stays open, and nothing is loaded anew.
    window.click("[id='step-stack/a'] summary");
    window.ask("(window.kept = true)");
    place.cloud.open_gate("gate");
    window.until_text(".head .word", "changed");
    window.until_text("a.node.good[href='#stack/gate']", "gate");
    assert!(window.title().starts_with("changed · local"), "{}", window.title());
    let kept = window.ask("[window.kept, document.getElementById('step-stack/a').open]");
    assert_eq!(kept, json!([true, true]));
    // It is what a reload shows.
    let shown = || {
        let main = "document.querySelector('main').innerText.replaceAll(/just now|\\d+ s ago/g, '')";
        (window.ask(main), window.ask("document.querySelector('link[rel=icon]').href"))
    };
    let live = shown();
    window.go(&window.place());
    window.click("[id='step-stack/a'] summary");
    assert_eq!(shown(), live);
    window.close();
    server.until_run(&commit, State::Ended);
    server.stop();
}

#[test]
fn a_failure_says_why_and_what_to_do() {
    let (_place, server) = told();
    let window = Window::open(&server);
    window.go("/");
    window.click_link("run 5 failed");
    let failure = window.text_of("section.failure");
    for told in
        ["stack/ecs failed", "circuit breaker", "stacks/ecs/template.yaml:88", "Next: set KAFKA_BROKERS"]
    {
        assert!(failure.contains(told), "no `{told}` in {failure}");
    }
    let lost = window.text_of("section.grave");
    assert!(lost.contains("REPLACE") && lost.contains("LegacyTopic"), "{lost}");
    assert!(window.title().starts_with("failed · prod"), "{}", window.title());
    // A link to a step opens it, and names it in the address.
    window.click("section.grave a");
    assert_eq!(window.place(), "/runs/5#stack/msk");
    window.until_text("[id='step-stack/msk'] .changes", "ClusterName");
    window.go("/runs/5#image/api");
    window.until_text("[id='step-image/api'] .log", "Compiling");
    window.close();
    server.stop();
}

#[test]
fn what_another_server_does_is_seen_too() {
    let place = Place::simple();
    let teller = Teller::open(&place.state());
    let begin = Timestamp::now() - SignedDuration::from_secs(75);
    let claim = teller.run("staging", NEWER, &told::under_way(begin));
    let server = place.serve(&[]);
    let window = Window::open(&server);
    window.go(&format!("/runs/{}", claim.run.id));
    window.until_text("#live", "live");
    window.until_text("a.node.busy", "msk");
    let rest = &told::failed(begin)[told::under_way(begin).len() - 1..];
    teller.tell(&claim, rest);
    teller.end(&claim, RunResult::Failed, None);
    window.until_text("section.failure", "stack/ecs failed");
    window.until_text(".head .word", "failed");
    window.close();
    teller.close();
    server.stop();
}

#[test]
fn runs_are_filtered_and_logs_are_searched() {
    let (_place, server) = told();
    let window = Window::open(&server);
    window.go("/runs?environment=prod&result=failed");
    assert_eq!(window.ask("document.querySelectorAll('.run').length"), 1);
    assert_eq!(window.ask("document.querySelector('[name=result]').value"), "failed");
    window.click_link("Clear");
    assert_eq!(window.ask("document.querySelectorAll('.run').length"), 4);
    window.click("[name=state] option[value=queued]");
    window.click(".filters button");
    window.until_text(".runs", "queued");
    assert!(window.place().contains("state=queued"), "{}", window.place());
    assert_eq!(window.ask("document.querySelectorAll('.run').length"), 1);
    // Fifty on a page, and from there to older ones.
    window.go("/runs?before=5");
    assert_eq!(window.ask("document.querySelectorAll('.run').length"), 1);
    window.go("/runs/5");
    window.press("/");
    window.press("WARN\u{e007}");
    window.until_text(".log pre", "unused variable");
    assert_eq!(window.place(), "/runs/5?search=WARN");
    assert!(!window.text_of(".log pre").contains("Step 1/6"));
    assert_eq!(window.ask("document.querySelector('.log mark').textContent"), "warn");
    let log = get(&server, "/runs/5/log?step=image/api");
    assert!(log.body.contains("Step 1/6 : FROM") && !log.body.contains('\u{1b}'), "{log:?}");
    window.close();
    server.stop();
}

#[test]
fn keys_lead_through_the_pages() {
    let (_place, server) = told();
    let window = Window::open(&server);
    window.go("/");
    window.press("?");
    window.until_text("dialog[open]", "next run or step");
    window.press("\u{e00c}");
    window.press("r");
    window.until_text("h1", "Runs");
    window.press("j");
    window.press("j");
    window.press("\u{e007}");
    window.until_text(".crumbs", "run 9");
    window.press("k");
    assert!(window.ask("document.activeElement.matches('summary')").as_bool().expect("an answer"));
    window.go("/runs/5");
    window.press("f");
    assert_eq!(window.ask("document.activeElement.textContent"), "stack/ecs");
    window.press("e");
    window.until_text("h1", "Environments");
    window.close();
    server.stop();
}

const PAGES: [&str; 7] =
    ["/", "/runs", "/runs/1", "/runs/5", "/runs/5?search=warning", "/runs/9#stack/msk", "/runs/77"];

#[test]
fn nothing_keeps_people_out() {
    let (_place, server) = told();
    let window = Window::of_a_stranger(&server);
    let mut barriers = Vec::new();
    let look = |window: &Window, page: &str, scheme: &str| {
        window.prefer("prefers-color-scheme", scheme);
        window.go(page);
        window.barriers().into_iter().map(|barrier| format!("{scheme} {page} {barrier}")).collect::<Vec<_>>()
    };
    barriers.extend(look(&window, "/sign-in", "light"));
    barriers.extend(look(&window, "/sign-in", "dark"));
    window.let_in();
    for scheme in ["light", "dark"] {
        for page in PAGES.iter().filter(|page| **page != "/runs/77") {
            barriers.extend(look(&window, page, scheme));
        }
    }
    assert!(barriers.is_empty(), "{barriers:#?}");
    window.close();
    server.stop();
}

#[test]
fn a_phone_shows_all_without_scrolling_aside() {
    let (_place, server) = told();
    let window = Window::open(&server);
    for width in [360, 768, 1280] {
        window.window(width, 740);
        for page in PAGES.iter().filter(|page| **page != "/runs/77") {
            window.go(page);
            assert_eq!(window.overhang(), 0, "{page} at {width}");
        }
    }
    window.close();
    server.stop();
}

#[test]
fn without_script_everything_is_there() {
    let (_place, server) = told();
    let window = Window::open(&server);
    window.without_script();
    window.go("/runs/5");
    assert!(window.text_of("section.failure").contains("Next: set KAFKA_BROKERS"));
    window.click("[id='step-stack/msk'] summary");
    window.until_text("[id='step-stack/msk'] .changes", "ClusterName");
    assert_eq!(window.text_of("#live"), "");
    window.close();
    server.stop();
}

#[test]
fn who_wants_no_motion_sees_none() {
    let (_place, server) = told();
    let window = Window::open(&server);
    window.go("/runs/9");
    let moving = "document.getAnimations().length > 0";
    assert_eq!(window.ask(moving), true);
    window.prefer("prefers-reduced-motion", "reduce");
    assert_eq!(window.ask(moving), false);
    window.close();
    server.stop();
}

#[test]
fn people_sign_in_and_out() {
    let (place, server) = told();
    let token = place.token("ada", &["--level", "read"]);
    let window = Window::of_a_stranger(&server);
    window.go("/runs/5?search=warning");
    window.until_text("h1", "Sign in");
    window.press(&format!("{token}\u{e007}"));
    window.until_text(".who", "ada");
    assert_eq!(window.place(), "/runs/5?search=warning");
    window.click(".out button");
    window.until_text("h1", "Sign in");
    window.go("/runs");
    window.until_text("h1", "Sign in");
    window.close();
    server.stop();
}

#[test]
fn each_decides_what_they_may() {
    let place = crate::approvals::place();
    let (reader, approver) =
        (place.token("reader", &["--level", "read"]), place.token("ada", &["--level", "approve"]));
    let server = place.serve(&[]);
    let waiting = server.until_run(&place.head(), State::Waiting);
    let page = format!("/runs/{}", waiting.id);
    let sign_in = |token: &str| {
        let window = Window::of_a_stranger(&server);
        window.go(&page);
        window.until_text("h1", "Sign in");
        window.press(&format!("{token}\u{e007}"));
        window.until_text(".head .word", "waiting for approval");
        window
    };
    let window = sign_in(&reader);
    assert_eq!(window.ask("document.querySelectorAll('main form[method=post]').length"), 0);
    window.close();
    let window = sign_in(&approver);
    window.until_text("a.node.asks", "create");
    window.until_text("#live", "live");
    window.click(".acts .primary");
    window.until_text(".head .word", "changed");
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    // Roll back, and there is another run of the same commit.
    window.click(".acts details:last-child summary");
    window.click(".acts .danger");
    window.until_text(".about", "rollback");
    window.until_text(".head .word", "unchanged");
    assert_ne!(window.place(), page);
    window.go("/");
    window.until_text(".card", "Rolled back");
    window.close();
    // What another page would send is refused.
    let browser = Browser::of(&server);
    browser.sign_in(&approver);
    for verb in ["approve", "reject", "again", "rollback"] {
        assert_eq!(browser.send(&format!("{page}/{verb}"), "digest=x").status, 403, "{verb}");
    }
    server.stop();
}

#[test]
fn one_sees_what_one_may_read() {
    let (place, server) = told();
    let token = place.token("elsewhere", &["--level", "approve", "--only", "octo/other"]);
    let bearer = format!("Bearer {token}");
    let ask = |path: &str| {
        http::ask(&server.address, "GET", path, &[("Authorization", &bearer)], b"").expect("an answer")
    };
    for path in ["/runs/5", "/runs/5/log?step=image/api", "/runs/5/stream"] {
        assert_eq!(ask(path).status, 404, "{path}");
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    for path in ["/", "/runs"] {
        let answer = ask(path);
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("octo/shop") && !answer.body.contains("prod"), "{answer:?}");
    }
    assert_eq!(ask("/api/environments").json(), json!([]));
    server.stop();
}

#[test]
fn what_runs_where_is_told_as_json_too() {
    let (_place, server) = told();
    let environments = get(&server, "/api/environments").json();
    let [prod, staging] = &environments.as_array().expect("environments")[..] else {
        panic!("{environments}");
    };
    assert_eq!((&prod["live"]["commit"], &prod["live"]["id"]), (&json!(COMMIT), &json!(1)));
    assert_eq!((&prod["last"]["id"], &prod["last"]["result"]), (&json!(5), &json!("failed")));
    assert_eq!(prod["since"], prod["live"]["ended"]);
    assert_eq!((&staging["running"]["id"], &staging["queued"]["id"]), (&json!(9), &json!(13)));
    assert_eq!(staging.get("live"), None);
    server.stop();
}

#[test]
fn a_stream_goes_on_where_it_was_left_and_ends_with_the_run() {
    let (_place, server) = told();
    let all = get(&server, "/runs/5/stream");
    assert_eq!((all.status, all.header("content-type")), (200, "text/event-stream"));
    let count = |answer: &http::Answer| answer.body.matches("\ndata: {").count();
    let events = server.events(5, 1).len();
    assert_eq!(count(&all), events);
    assert!(all.body.contains("event: end"), "{all:?}");
    assert_eq!(count(&get(&server, "/runs/5/stream?from=4")), events - 3);
    let token = format!("Bearer {TOKEN}");
    let headers = [("Authorization", token.as_str()), ("Last-Event-ID", "10")];
    let rest = http::ask(&server.address, "GET", "/runs/5/stream?from=1", &headers, b"").expect("an answer");
    assert_eq!(count(&rest), events - 10);
    server.stop();
}

#[test]
fn who_watches_and_does_not_read_keeps_nobody_from_anything() {
    let (_place, server) = told();
    let token = format!("Bearer {TOKEN}");
    let headers = [("Authorization", token.as_str())];
    let begin = || http::begin(&server.address, "GET", "/runs/9/stream", &headers, 0).expect("a connection");
    // More than are allowed are sent away; pages and deliveries are answered all the while.
    let watching: Vec<_> = (0..140).map(|_| begin()).collect();
    let refused = watching.iter().filter(|watch| watch.status() == 503).count();
    assert_eq!(refused, 140 - 128);
    assert_eq!(get(&server, "/runs/9").status, 200);
    assert_eq!(server.deliver("ping", "a-ping", "{}").status, 202);
    // And they keep the server from its end no longer than its runs do.
    server.stop();
    drop(watching);
}

#[test]
fn what_comes_from_outside_is_text() {
    let place = Place::simple();
    let teller = Teller::open(&place.state());
    let hostile = "<script>alert(1)</script>\u{202e}\u{1b}[2J\"onload=x";
    let events: Vec<_> = told::failed("2026-10-01T12:00:00Z".parse().expect("a time"))
        .into_iter()
        .map(|event| {
            serde_json::from_str(
                &event.to_string().replace("KAFKA_BROKERS", json!(hostile).to_string().trim_matches('"')),
            )
            .expect("an event")
        })
        .collect();
    let claim = teller.run("prod\u{202e}<b>", "\"><i>", &events);
    teller.end(&claim, RunResult::Failed, Some(hostile));
    teller.close();
    let server = place.serve(&[]);
    for path in ["/", "/runs", "/runs/1", "/runs/1?search=%3Cscript%3E", "/runs?branch=%22%3E%3Cscript%3E"] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 200, "{path}");
        for bad in ["<script>", "\u{202e}", "\u{1b}", "<b>", "<i>", "\"onload"] {
            assert!(!answer.body.contains(bad), "{bad:?} in {path}:\n{}", answer.body);
        }
    }
    let log = get(&server, "/runs/1/log?step=image/api");
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    server.stop();
}

#[test]
fn browsers_are_told_what_to_allow() {
    let (_place, server) = told();
    let page = get(&server, "/runs/5");
    for path in ["/", "/runs", "/runs/5", "/runs/77", "/sign-in", "/runs/5/log?step=image/api"] {
        let answer = get(&server, path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    let script = page.body.split('"').find(|text| text.starts_with("/assets/live.")).expect("a script");
    let script = server.get(script);
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(server.get("/assets/live.js").status, 404);
    server.stop();
}

#[test]
fn a_page_is_written_so() {
    let (_place, server) = told();
    let page = get(&server, "/runs/5").body.replace("><", ">\n<");
    with_settings!({ filters => vec![
        (r"\.[0-9a-f]{12}\.", ".DIGEST."),
        (r#"<time datetime="[^"]*" title="[^"]*">[^<]*"#, r#"<time datetime="…" title="…">just now"#),
        (r"took \d+\w+", "took 12ms"),
    ] }, { assert_snapshot!(page) });
    server.stop();
}
