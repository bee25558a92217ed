use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// A moment as people say it, with the exact one behind it.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(exact(at)) { (ago(now.duration_since(at), at)) } }
}

fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago a moment is; of one long ago its day.
fn ago(since: SignedDuration, at: Timestamp) -> String {
    let seconds = since.as_secs();
    let count = |count: i64, word: &str| format!("{count} {word}{} ago", if count == 1 { "" } else { "s" });
    match seconds {
        ..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => count(seconds / 3600, "hour"),
        86_400..2_592_000 => count(seconds / 86_400, "day"),
        _ => at.strftime("%-d %b %Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_away_the_coarser() {
        let now: Timestamp = "2026-11-25T14:00:00Z".parse().unwrap();
        let said = |seconds: i64| {
            let at = now - SignedDuration::from_secs(seconds);
            ago(now.duration_since(at), at)
        };
        let all = [-5, 3, 42, 60, 3599, 3600, 7200, 86_400, 172_800, 40 * 86_400].map(said);
        let expected = [
            "just now",
            "just now",
            "42 s ago",
            "1 min ago",
            "59 min ago",
            "1 hour ago",
            "2 hours ago",
            "1 day ago",
            "2 days ago",
            "16 Oct 2026",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn the_exact_moment_stands_behind_it() {
        let at: Timestamp = "2026-11-25T13:00:00.5Z".parse().unwrap();
        let shown = moment(at, at + SignedDuration::from_hours(1)).into_string();
        assert_eq!(
            shown,
            "<time datetime=\"2026-11-25T13:00:00.5Z\" title=\"2026-11-25 13:00:00 UTC\">1 hour ago</time>"
        );
    }
}
