use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::diagnostic::visible;
use crate::event::short;
use crate::location::Location;

/// What a path's bytes are written as themselves in an address.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// A commit, leading to where people look at it if that is known.
pub(super) fn commit(web: Option<&str>, commit: &str) -> Markup {
    let shown = html! { code { (visible(short(commit))) } };
    html! {
        @match web {
            Some(web) if is_commit(commit) => a href={ (web) "/commit/" (commit) } rel="noreferrer" { (shown) }
            _ => (shown)
        }
    }
}

/// A line of a file as a commit has it.
pub(super) fn line(web: Option<&str>, commit: &str, location: &Location) -> Markup {
    let path = utf8_percent_encode(&location.file, IN_PATH);
    let shown = html! { code { (location) } };
    html! {
        @match web {
            Some(web) if is_commit(commit) => {
                a href={ (web) "/blob/" (commit) "/" (path) "#L" (location.line) } rel="noreferrer" { (shown) }
            }
            _ => (shown)
        }
    }
}

/// An address from outside: it leads somewhere only if that is a page.
pub(super) fn outside(address: &str) -> Markup {
    let is_page = address.starts_with("https://") || address.starts_with("http://");
    html! {
        @if is_page { a href=(address) rel="noreferrer" { (address) } } @else { (address) }
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "3f2a91c0000000000000000000000000000000ab";

    #[test]
    fn a_line_is_linked_where_the_repository_has_a_page() {
        let location = Location { file: "stacks/a b/t?.yaml".to_owned(), line: 42 };
        let web = "https://github.com/octo/shop";
        let expected = format!(
            "<a href=\"{web}/blob/{COMMIT}/stacks/a%20b/t%3F.yaml#L42\" rel=\"noreferrer\"><code>stacks/a b/t?.yaml:42</code></a>"
        );
        assert_eq!(line(Some(web), COMMIT, &location).into_string(), expected);
        assert_eq!(line(None, COMMIT, &location).into_string(), "<code>stacks/a b/t?.yaml:42</code>");
    }

    #[test]
    fn what_is_no_page_is_no_link() {
        assert_eq!(outside("javascript:alert(1)").into_string(), "javascript:alert(1)");
        assert_eq!(
            commit(Some("https://host/o/r"), "\"><b>").into_string(),
            "<code>&quot;&gt;&lt;b&gt;</code>"
        );
    }
}
