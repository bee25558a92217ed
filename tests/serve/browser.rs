use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::server::{Place, Server};
use crate::support::Output;
use crate::support::http::{self, Answer};

/// A browser, as far as a server can tell.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub(crate) fn of(server: &'a Server) -> Self {
        Self { server, cookies: RefCell::default() }
    }

    pub(crate) fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Looks at a page.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("Accept", "text/html,application/xhtml+xml")], "")
    }

    /// Sends a form of a page of the server.
    pub(crate) fn send(&self, path: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.server.address);
        let headers = [("Origin", origin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        self.ask("POST", path, &headers, form)
    }

    /// Asks with the cookie that it has.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookie = self.cookie();
        let headers = [headers, &[("Cookie", cookie.as_str())]].concat();
        let answer =
            http::ask(&self.server.address, method, path, &headers, body.as_bytes()).expect("an answer");
        for set in answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = set.split(';').next().and_then(|it| it.split_once('=')).expect("a cookie");
            let mut cookies = self.cookies.borrow_mut();
            if set.contains("; Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Signs in with a token.
    pub(crate) fn sign_in(&self, token: &str) -> Answer {
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let answer = self.send("/sign-in", &format!("token={token}"));
        assert_eq!(answer.status, 303, "{answer:?}");
        answer
    }

    /// What requests of this session have to show.
    pub(crate) fn csrf(&self) -> String {
        self.get("/api/session").json()["csrf"].as_str().expect("a session").to_owned()
    }
}

impl Place {
    /// Makes a token with this name.
    pub(crate) fn token(&self, name: &str, more: &[&str]) -> String {
        let state = self.state().display().to_string();
        let arguments = [&["token", "create", name, "--state", &state], more].concat();
        let output = Output::of(self.author.command(&arguments)).code(0);
        output.stdout.trim().to_owned()
    }
}
