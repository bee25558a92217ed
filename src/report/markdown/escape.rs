//! Text from outside within Markdown: it is read as what it is, and formats, links, mentions and ends nothing.
//!
//! GitHub makes links and mentions of what is left after Markdown's own escapes are gone, but for code. So a word that
//! could become one is shown as code, and can still be copied.

use crate::report::words::clean;

/// It has no width, is no letter, and so ends a mention or a list before it begins.
const BREAK: char = '\u{200b}';

/// The text on one line, without control characters, of at most `length` characters.
pub fn one_line(text: &str, length: usize) -> String {
    let lines: Vec<String> = text.lines().map(clean).collect();
    short(lines.join(" ").trim(), length)
}

/// The text cut to `length` characters.
pub fn short(text: &str, length: usize) -> String {
    if text.chars().nth(length).is_none() {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// Words of others on one line of at most `length` characters; what they have in backquotes stays code.
pub fn prose(text: &str, length: usize) -> String {
    let text = one_line(text, length);
    let parts: Vec<&str> = text.split('`').collect();
    // An odd number of backquotes encloses nothing.
    if parts.len().is_multiple_of(2) {
        return apart(&escaped(&text));
    }
    let part = |(index, part): (usize, &&str)| match (index % 2, part.trim().is_empty()) {
        (0, _) => escaped(part),
        (_, true) => escaped(&format!("`{part}`")),
        (_, false) => code(part, length),
    };
    let prose = parts.iter().enumerate().map(part).fold(String::new(), |prose, part| {
        // Backquotes that meet would be one delimiter.
        let between =
            if prose.ends_with('`') && part.starts_with('`') { BREAK.to_string() } else { String::new() };
        prose + &between + &part
    });
    apart(&prose)
}

/// A name or a value on one line of at most `length` characters, as code.
pub fn code(text: &str, length: usize) -> String {
    let text = one_line(text, length);
    if text.is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A space on both sides is taken away again, so that a backquote or a space can stand at an end.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Markdown that stands in a table: a bar would end the cell, even within code.
pub fn cell(markdown: &str) -> String {
    markdown.replace('|', "∣")
}

/// Words of others where HTML is read, and no Markdown.
pub fn html(text: &str, length: usize) -> String {
    let text = one_line(text, length).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    unlinked(&text)
}

/// The backquotes that enclose these lines as code: more than there are in a row within.
pub fn fence<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let longest = lines.into_iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

/// A link to an address of this project's own or of GitHub; as code if it is not one that can be linked to.
pub fn link(label: &str, url: &str) -> String {
    if is_address(url) { format!("[{label}]({url})") } else { code(url, 500) }
}

/// An address as a link to itself.
pub fn address(url: &str) -> String {
    if is_address(url) { format!("<{url}>") } else { code(url, 500) }
}

fn is_address(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"<>()[]\\`\"'|".contains(c);
    (url.starts_with("https://") || url.starts_with("http://")) && url.chars().all(plain)
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// The text with nothing in it that Markdown or GitHub take for more.
fn escaped(text: &str) -> String {
    let word = |word| if unlinked(word) == word { plain(word) } else { code(word, usize::MAX) };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A word with Markdown's own escapes.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let within_word = before.is_alphanumeric() && after.is_alphanumeric();
        if "\\`*[]<>&~$".contains(character) || (character == '_' && !within_word) {
            plain.push('\\');
        }
        plain.push(character);
        before = character;
    }
    plain
}

/// The text without anything that GitHub would make a link or a mention of.
fn unlinked(text: &str) -> String {
    let mut unlinked = String::with_capacity(text.len());
    for (index, character) in text.char_indices() {
        unlinked.push(character);
        let (so_far, rest) = text.split_at(index + character.len_utf8());
        let links = match character {
            '@' | '#' => true,
            ':' => rest.starts_with('/'),
            'w' | 'W' => rest.starts_with('.') && ends_with_word(so_far, "www"),
            '-' => ends_with_word(so_far, "gh-") && rest.starts_with(|next: char| next.is_ascii_digit()),
            _ => false,
        };
        if links {
            unlinked.push(BREAK);
        }
    }
    unlinked
}

/// Whether the text ends with the word, in capitals or not.
fn ends_with_word(text: &str, word: &str) -> bool {
    text.len()
        .checked_sub(word.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// The text apart from the line's beginning, where `-`, `1.` or `===` is more than text.
fn apart(text: &str) -> String {
    let word = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = word.len() < text.len() && word.starts_with(['.', ')']);
    let is_word = text.starts_with(char::is_alphanumeric) && !is_number;
    if is_word || text.is_empty() { text.to_owned() } else { format!("{BREAK}{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_markup() {
        for (text, prose) in [
            ("template changed", "template changed"),
            ("a_b and _c_ *d* <e> [f](g) ~h~ $i$", r"a_b and \_c\_ \*d\* \<e\> \[f\](g) \~h\~ \$i\$"),
            ("run `a | b` again", "run `a | b` again"),
            ("an odd ` one", r"an odd \` one"),
            ("by @ada #1 GH-2 www.example.com.", "by `@ada` `#1` `GH-2` `www.example.com.`"),
            ("see `a`@ada", "see `a`\u{200b}`@ada`"),
            ("- list", "\u{200b}- list"),
            ("1. list", "\u{200b}1. list"),
            ("1 removal", "1 removal"),
            ("two\nlines\r\n\u{1b}[31mred", "two lines red"),
        ] {
            assert_eq!(super::prose(text, 100), prose);
        }
    }

    #[test]
    fn code_holds_backquotes() {
        assert_eq!(code("a", 9), "`a`");
        assert_eq!(code("a``b", 9), "```a``b```");
        assert_eq!(code("`", 9), "`` ` ``");
        assert_eq!(code("abcdef", 3), "`ab…`");
        assert_eq!(fence(["x ```` y"]), "`````");
    }

    #[test]
    fn only_whole_addresses_are_linked_to() {
        assert_eq!(link("run", "https://github.com/o/r"), "[run](https://github.com/o/r)");
        assert_eq!(link("run", "javascript:alert(1)"), "`javascript:alert(1)`");
        assert_eq!(link("run", "https://a/) @ada"), "`https://a/) @ada`");
        assert_eq!(address("https://events.example.com"), "<https://events.example.com>");
    }
}
