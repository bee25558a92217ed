//! The pictures of the pages in `docs/images`: `local/pictures` makes them. They are for people to look at, and test nothing.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::event::RunResult;

use crate::server::Place;
use crate::told::{self, COMMIT, NEWER, Teller};
use crate::window::Window;

#[test]
#[ignore = "makes pictures, and tests nothing"]
fn pictures() {
    let place = Place::simple();
    let remote = place.remote().display().to_string();
    place.author.git(&["--git-dir", &remote, "branch", "--move", "main", "elsewhere"]);
    let ago = |minutes: i64| Timestamp::now() - SignedDuration::from_mins(minutes);
    let teller = Teller::open(&place.state());
    let ended = |environment: &str, commit: &str, minutes: i64, result: RunResult| {
        let (events, took) = match result {
            RunResult::Failed => (told::failed(ago(minutes)), 214),
            _ => (told::done(ago(minutes)), 97),
        };
        let claim = teller.run(environment, commit, &events);
        teller.end(&claim, result, None);
        teller.date(&place.state(), claim.run.id, ago(minutes), Some(Duration::from_secs(took)));
        claim.run.id
    };
    ended("staging", COMMIT, 190, RunResult::Changed);
    ended("prod", COMMIT, 170, RunResult::Changed);
    let failed = ended("staging", NEWER, 43, RunResult::Failed);
    ended("preview", COMMIT, 20, RunResult::Changed);
    let begin = Timestamp::now() - SignedDuration::from_secs(75);
    let running = teller.run("prod", NEWER, &told::under_way(begin));
    teller.date(&place.state(), running.run.id, begin - SignedDuration::from_secs(1), None);
    teller.close();
    let server = place.serve(&[]);
    let window = Window::open(&server);
    let pages = [
        ("environments", "/".to_owned(), 560),
        ("running", format!("/runs/{}", running.run.id), 1590),
        ("failed", format!("/runs/{failed}"), 1640),
    ];
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    for (kind, scheme, width) in [("", "light", 1180), ("-dark", "dark", 1180), ("-phone", "light", 390)] {
        window.prefer("prefers-color-scheme", scheme);
        for (name, path, height) in &pages {
            window.window(width, if width < 600 { 1500 } else { *height });
            window.go(path);
            std::fs::write(images.join(format!("serve-{name}{kind}.png")), window.picture()).expect("a file");
        }
    }
    window.close();
    server.stop();
}
