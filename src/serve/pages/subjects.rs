use std::collections::BTreeMap;

use crate::diagnostic::visible;
use crate::event::Event;
use crate::report::read;
use crate::serve::Server;
use crate::serve::problem::Problem;

/// The first lines of the messages of the commits that runs deploy, as far as they have begun.
pub(super) async fn subjects(server: &Server, runs: &[i64]) -> Result<BTreeMap<i64, String>, Problem> {
    let beginnings = server.store.beginnings(runs).await.map_err(|error| server.unavailable(&error))?;
    let subject = |lines: &Vec<String>| {
        lines.iter().find_map(|line| match read(line)? {
            (_, Event::Started { revision, .. }) => Some(visible(&revision.subject)),
            _ => None,
        })
    };
    Ok(beginnings.iter().filter_map(|(run, lines)| Some((*run, subject(lines)?))).collect())
}
