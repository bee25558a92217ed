use console::AnsiCodeIterator;
use maud::{Markup, html};

use crate::diagnostic::visible;

/// Longer lines are cut when they are shown.
const LONGEST: usize = 2000;

/// How a piece of a line looks: a colour from 1 to 7 as terminals count them, bold or faint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    color: Option<u8>,
    bold: bool,
    faint: bool,
}

/// A line that something else wrote, with its colours and what is searched for marked. Nothing else in it is obeyed; of
/// what a carriage return overwrites only what was seen last is left.
pub(super) fn line(text: &str, search: &str) -> Markup {
    let pieces = pieces(text);
    html! {
        @for (look, text) in &pieces {
            @if let Some(class) = look.class() { span class=(class) { (marked(text, search)) } }
            @else { (marked(text, search)) }
        }
    }
}

/// The text with every place marked at which the word is found.
pub(super) fn marked(text: &str, search: &str) -> Markup {
    if search.is_empty() {
        return html! { (text) };
    }
    // Only a text of the same length has the places of the other.
    let (folded, search) = (text.to_ascii_lowercase(), search.to_ascii_lowercase());
    let mut rest = 0;
    let mut parts = Vec::new();
    for (at, found) in folded.match_indices(&search) {
        parts.push((&text[rest..at], &text[at..at + found.len()]));
        rest = at + found.len();
    }
    html! { @for (before, found) in &parts { (before) mark { (found) } } (&text[rest..]) }
}

/// Whether a line has a word, whatever its colours.
pub(super) fn has(text: &str, search: &str) -> bool {
    search.is_empty()
        || console::strip_ansi_codes(text).to_ascii_lowercase().contains(&search.to_ascii_lowercase())
}

fn pieces(text: &str) -> Vec<(Look, String)> {
    let last = text.trim_end().rsplit('\r').next().unwrap_or_default();
    let (mut look, mut left) = (Look::default(), LONGEST);
    let mut pieces = Vec::new();
    for (part, is_code) in AnsiCodeIterator::new(last) {
        if is_code {
            look = look.after(part);
            continue;
        }
        let shown: String = visible(&part.replace('\t', "    ")).chars().take(left).collect();
        left -= shown.chars().count();
        if !shown.is_empty() {
            pieces.push((look, shown));
        }
    }
    if left == 0 {
        pieces.push((Look::default(), "…".to_owned()));
    }
    pieces
}

impl Look {
    /// The look behind an escape sequence; of those that are no colours it stays.
    fn after(self, code: &str) -> Self {
        let Some(codes) = code.strip_prefix("\u{1b}[").and_then(|code| code.strip_suffix('m')) else {
            return self;
        };
        let mut look = self;
        let mut numbers = codes.split([';', ':']).map(|number| number.parse::<u8>().unwrap_or_default());
        while let Some(number) = numbers.next() {
            match number {
                0 => look = Self::default(),
                1 => look.bold = true,
                2 => look.faint = true,
                22 => (look.bold, look.faint) = (false, false),
                31..=37 => look.color = Some(number - 30),
                91..=97 => look.color = Some(number - 90),
                30 | 39 | 90 => (look.color, look.faint) = (None, number == 90),
                // A colour of 256 or of 16 million: its numbers are none of these.
                38 | 48 => {
                    let more = if numbers.clone().next() == Some(5) { 2 } else { 4 };
                    numbers.by_ref().take(more).for_each(drop);
                }
                _ => {}
            }
        }
        look
    }

    fn class(self) -> Option<String> {
        let color = self.color.map(|color| format!("ansi-{color}"));
        let bold = self.bold.then(|| "ansi-bold".to_owned());
        let faint = self.faint.then(|| "ansi-faint".to_owned());
        let classes: Vec<String> = [color, bold, faint].into_iter().flatten().collect();
        (!classes.is_empty()).then(|| classes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, search: &str) -> String {
        line(text, search).into_string()
    }

    #[test]
    fn colours_are_kept_and_nothing_else_is_obeyed() {
        assert_eq!(
            shown("\u{1b}[1;31mred\u{1b}[0m <b>", ""),
            "<span class=\"ansi-1 ansi-bold\">red</span> &lt;b&gt;"
        );
        assert_eq!(shown("\u{1b}[38;5;31mx\u{1b}[2Jy", ""), "xy");
        assert_eq!(shown("10%\r\u{1b}[32m100%\u{1b}[m\r\n", ""), "<span class=\"ansi-2\">100%</span>");
        assert_eq!(shown("a\u{202e}b", ""), "a�b");
    }

    #[test]
    fn what_is_searched_for_is_marked_whatever_its_case() {
        assert_eq!(
            shown("An ERROR & an error", "error"),
            "An <mark>ERROR</mark> &amp; an <mark>error</mark>"
        );
        assert!(has("\u{1b}[31mEr\u{1b}[0mror", "error"));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(text in "(\u{1b}\\[[0-9;]{0,6}[mJK]|\\PC|[\u{0}-\u{1f}]){0,40}", search in "\\PC{0,3}") {
            let shown = shown(&text, &search);
            prop_assert!(shown.chars().all(|c| !c.is_control()));
            prop_assert!(!shown.replace("<span", "").replace("</span", "").replace("<mark", "").replace("</mark", "").contains('<'));
        }
    }
}
