use serde_json::{Value, json};

use pipeline::store::{Run, State};

use crate::browser::Browser;
use crate::server::{Place, Server, TOKEN};
use crate::support::Output;
use crate::support::http::{self, Answer};

fn with_token(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let header = format!("Bearer {token}");
    http::ask(&server.address, method, path, &[("Authorization", &header)], body.as_bytes())
        .expect("an answer")
}

const WISH: &str = r#"{"repository": "octo/shop", "environment": "local", "branch": "main"}"#;

#[test]
fn nothing_is_shown_to_who_is_not_known() {
    let place = Place::simple();
    let server = place.serve(&[]);
    for path in ["/api/runs", "/api/runs/1", "/api/runs/1/events", "/api/audit", "/api/session", "/metrics"] {
        assert_eq!(server.get(path).status, 401, "{path}");
        assert_eq!(
            server.api("POST", path, &Value::Null).status,
            if path == "/api/runs" { 400 } else { 405 }
        );
    }
    assert_eq!(http::ask(&server.address, "POST", "/api/runs", &[], WISH.as_bytes()).unwrap().status, 401);
    assert_eq!(Browser::of(&server).send("/sign-out", "").status, 401);
    assert_eq!(server.get("/healthz").body, "alive\n");
    assert_eq!(server.get("/readyz").body, "ready\n");
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

#[test]
fn a_token_allows_its_level_and_nothing_once_it_is_revoked() {
    let place = Place::simple();
    let read = place.token("reader", &["--level", "read", "--only", "Octo/Shop"]);
    let run = place.token("runner", &["--level", "run", "--expires", "90d"]);
    let elsewhere = place.token("elsewhere", &["--level", "approve", "--only", "octo/other"]);
    assert!(read.starts_with("plt_") && read.len() == 68, "{read}");
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Ended);
    let one = format!("/api/runs/{}", first.id);
    for (token, list, single, asked) in [(&read, 1, 200, 403), (&elsewhere, 0, 404, 422), (&run, 1, 200, 202)]
    {
        let runs: Vec<Run> =
            serde_json::from_value(with_token(&server, token, "GET", "/api/runs", "").json()).unwrap();
        assert_eq!(runs.len(), list);
        assert_eq!(with_token(&server, token, "GET", &one, "").status, single);
        assert_eq!(with_token(&server, token, "GET", &format!("{one}/events"), "").status, single);
        assert_eq!(with_token(&server, token, "POST", "/api/runs", WISH).status, asked);
        let metrics = with_token(&server, token, "GET", "/metrics", "");
        assert_eq!((metrics.status, metrics.body.contains("octo/shop")), (200, list > 0), "{metrics:?}");
    }
    let state = place.state().display().to_string();
    let tokens = |more: &[&str], code| {
        Output::of(place.author.command(&[&["token"], more, &["--state", &state]].concat())).code(code)
    };
    tokens(&["revoke", "runner"], 0);
    tokens(&["revoke", "runner"], 2);
    assert_eq!(with_token(&server, &run, "GET", "/api/runs", "").status, 401);
    tokens(&["create", "reader", "--level", "read"], 2);
    tokens(&["create", "api", "--level", "read"], 2);
    tokens(&["create", "x", "--level", "admin"], 2);
    let list = tokens(&["list"], 0).stdout;
    assert!(list.contains("runner") && list.contains("revoked") && !list.contains("plt_"), "{list}");
    let everything = std::fs::read(place.state().join("pipeline.db")).expect("a store");
    for token in [&read, &run, &elsewhere] {
        assert!(!String::from_utf8_lossy(&everything).contains(token.as_str()));
    }
    server.stop();
}

#[test]
fn who_signs_in_gets_to_where_they_wanted_and_out_again() {
    let place = Place::simple();
    let token = place.token("ada", &["--level", "run"]);
    let server = place.serve(&[]);
    let browser = Browser::of(&server);
    let sent = browser.get("/api/runs?environment=local&limit=1");
    assert_eq!(sent.status, 303);
    let sign_in = sent.header("location").to_owned();
    assert_eq!(sign_in, "/sign-in?to=%2Fapi%2Fruns%3Fenvironment%3Dlocal%26limit%3D1");
    let page = browser.get(&sign_in);
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    assert!(page.body.contains("<form method=\"post\">"), "{page:?}");

    let wrong = browser.send(&sign_in, "token=plt_wrong");
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("opens nothing") && browser.cookie().is_empty(), "{wrong:?}");
    let right = browser.send(&sign_in, &format!("token={token}"));
    assert_eq!((right.status, right.header("location")), (303, "/api/runs?environment=local&limit=1"));
    let cookie = right.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(browser.get("/api/runs?environment=local&limit=1").status, 200);
    assert_eq!(browser.get("/api/session").json()["who"], "ada");

    // Another sign-in ends the session before it.
    let before = browser.cookie();
    browser.sign_in(&token);
    let csrf = browser.csrf();
    assert_ne!(browser.cookie(), before);
    let with = |cookie: &str| {
        http::ask(&server.address, "GET", "/api/runs", &[("Cookie", cookie)], b"").expect("an answer").status
    };
    assert_eq!(with(&before), 401);
    let cookie = browser.cookie();
    let out = browser.send("/sign-out", &format!("csrf={csrf}"));
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert_eq!(with(&cookie), 401);
    // Only what is on this server.
    for to in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let answer = browser.send(&format!("/sign-in?to={to}"), &format!("token={token}"));
        assert_eq!(answer.header("location"), "/", "{to}");
    }
    server.stop();
}

#[test]
fn a_session_ends_with_its_token() {
    let place = Place::simple();
    let token = place.token("ada", &["--level", "run"]);
    let server = place.serve(&[]);
    let browser = Browser::of(&server);
    browser.sign_in(&token);
    assert_eq!(browser.get("/api/runs").status, 200);
    let state = place.state().display().to_string();
    Output::of(place.author.command(&["token", "revoke", "ada", "--state", &state])).code(0);
    assert_eq!(browser.get("/api/runs").status, 303);
    server.stop();
}

#[test]
fn a_session_outlives_the_server_and_with_tls_its_cookie_is_bound_to_it() {
    let place = Place::simple();
    let token = place.token("ada", &["--level", "run"]);
    let server = place.serve(&["--url", "https://deploy.example"]);
    let sign_in = |origin: &str| {
        let headers = [("Origin", origin)];
        let form = format!("token={token}");
        http::ask(&server.address, "POST", "/sign-in", &headers, form.as_bytes()).expect("an answer")
    };
    assert_eq!(sign_in(&format!("http://{}", server.address)).status, 403);
    let answer = sign_in("https://deploy.example");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-pipeline=") && cookie.ends_with("; SameSite=Lax; Secure"), "{cookie}");
    server.kill();
    let server = place.serve(&["--url", "https://deploy.example"]);
    let cookie = cookie.split(';').next().unwrap();
    let answer = http::ask(&server.address, "GET", "/api/session", &[("Cookie", cookie)], b"").unwrap();
    assert_eq!(answer.json()["who"], "ada");
    server.stop();
}

#[test]
fn other_pages_can_do_nothing_in_the_name_of_who_is_signed_in() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let browser = Browser::of(&server);
    browser.sign_in(TOKEN);
    let csrf = browser.csrf();
    let here = format!("http://{}", server.address);
    let ask = |headers: &[(&str, &str)]| browser.ask("POST", "/api/runs", headers, WISH).status;
    let token = ("X-CSRF-Token", csrf.as_str());
    for refused in [
        &[][..],
        &[token],
        &[("Origin", here.as_str())],
        &[("Origin", here.as_str()), ("X-CSRF-Token", "wrong")],
        &[("Origin", "https://evil.example"), token],
        &[("Origin", here.as_str()), ("Sec-Fetch-Site", "cross-site"), token],
        &[("Origin", "null"), token],
    ] {
        assert_eq!(ask(refused), 403, "{refused:?}");
    }
    assert_eq!(server.runs().len(), 1);
    assert_eq!(ask(&[("Origin", here.as_str()), token]), 202);
    assert_eq!(ask(&[("Sec-Fetch-Site", "same-origin"), token]), 202);
    // The token of another session is none.
    let other = Browser::of(&server);
    other.sign_in(TOKEN);
    assert_eq!(ask(&[("Origin", here.as_str()), ("X-CSRF-Token", &other.csrf())]), 403);
    server.stop();
}

#[test]
fn wrong_tokens_lock_nobody_out() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let address = server.address.clone();
    let guesses: Vec<_> = (0..100)
        .map(|number| {
            let (address, token) = (address.clone(), format!("Bearer wrong{number}"));
            std::thread::spawn(move || {
                let headers = [("Authorization", token.as_str())];
                http::ask(&address, "GET", "/api/runs", &headers, b"").expect("an answer").status
            })
        })
        .collect();
    let began = std::time::Instant::now();
    assert_eq!(server.api("GET", "/api/runs", &Value::Null).status, 200);
    assert!(began.elapsed().as_millis() < 450, "who has the token waits: {:?}", began.elapsed());
    let answers: Vec<u16> = guesses.into_iter().map(|guess| guess.join().expect("a status")).collect();
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    assert!(answers.contains(&401), "{answers:?}");
    server.stop();
}

#[test]
fn who_did_what_is_remembered_and_a_change_of_it_shows() {
    let place = Place::simple();
    let token = place.token("ada", &["--level", "run"]);
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let browser = Browser::of(&server);
    browser.sign_in(&token);
    let bearer = format!("Bearer {token}");
    let asked = [("X-Forwarded-For", "203.0.113.1, 198.51.100.7"), ("Authorization", bearer.as_str())];
    let answer = http::ask(&server.address, "POST", "/api/runs", &asked, WISH.as_bytes()).unwrap();
    assert_eq!(answer.status, 202);
    let rows = server.api("GET", "/api/audit", &Value::Null).json();
    let row =
        |number: usize| ["who", "what", "subject", "repository", "from"].map(|key| rows[number][key].clone());
    let subject = format!("run {} to local", answer.json()["id"]);
    assert_eq!(json!(row(0)), json!(["ada", "run_asked", subject, "octo/shop", "198.51.100.7 by 127.0.0.1"]));
    assert_eq!(json!(row(1)), json!(["ada", "signed_in", "", "", "127.0.0.1"]));
    assert_eq!(rows[2]["what"], "token_created");
    // It tells of more than who may only run has to know.
    assert_eq!(with_token(&server, &token, "GET", "/api/audit", "").json(), json!([]));
    server.until_run(&place.head(), State::Ended);
    server.stop();

    let state = place.state().display().to_string();
    let audit = |more: &[&str], code| {
        Output::of(place.author.command(&[&["audit", "--state", &state], more].concat())).code(code)
    };
    assert!(audit(&[], 0).stdout.contains("run asked"), "{:?}", audit(&[], 0));
    assert!(audit(&["--verify"], 0).stdout.starts_with("3 rows, as they were written"));
    let database = place.state().join("pipeline.db");
    sqlite(&database, "UPDATE audit SET who = 'eve' WHERE what = 'signed_in'");
    assert!(audit(&["--verify"], 1).stderr.contains("row 2 was changed"), "{:?}", audit(&["--verify"], 1));
    sqlite(&database, "DELETE FROM audit WHERE number = 2");
    assert!(audit(&["--verify"], 1).stderr.contains("row 2 is missing"));
}

impl Place {
    /// As if their time had come.
    pub(crate) fn end_all_sessions(&self) {
        sqlite(&self.state().join("pipeline.db"), "UPDATE sessions SET expires = 0");
    }
}

/// Changes the store as whoever can write to its file.
fn sqlite(database: &std::path::Path, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let address = format!("sqlite://{}", database.display());
        let pool = sqlx::AnyPool::connect(&address).await.expect("a store");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.expect("a change");
        pool.close().await;
    });
}
