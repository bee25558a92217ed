//! GitHub's workflow commands: `::error file=stacks/msk/template.yaml,line=42::…` on a line of the job's log.

use crate::location::Location;

/// Has no width; apart from it a line is what it was, and no command.
const BREAK: &str = "\u{200b}";

/// How the older syntax begins, which the runner looks for anywhere in a line.
const OLD: &str = "##[";

/// A command about a line of a file, or about none: it is shown in the log, and beside the line.
pub fn annotation(name: &str, location: Option<&Location>, title: &str, message: &str) -> String {
    let place =
        location.map(|at| format!("file={},line={},", property(&at.file), at.line)).unwrap_or_default();
    format!("::{name} {place}title={}::{}", property(title), data(message))
}

/// What comes until [`END_GROUP`] is folded away under this title.
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

pub const END_GROUP: &str = "::endgroup::";

/// A line in which the runner finds no command.
pub fn harmless(line: &str) -> String {
    let line = line.replace(OLD, &format!("##{BREAK}["));
    // The runner takes away blanks before it looks, and more than Rust's are blanks to it.
    let shown = |c: char| c.is_alphanumeric() || c.is_ascii_graphic();
    match line.find(shown) {
        Some(start) if line[start..].starts_with("::") => {
            format!("{}{BREAK}{}", &line[..start], &line[start..])
        }
        _ => line,
    }
}

/// A command's message.
fn data(text: &str) -> String {
    let text = text.replace(OLD, &format!("##{BREAK}["));
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the runner takes a line for a command, as `ActionCommand.TryParseV2` and `TryParse` do.
    fn is_command(line: &str) -> bool {
        let new = line.trim_start().strip_prefix("::").is_some_and(|rest| rest.contains("::"));
        let old = line.split_once("##[").is_some_and(|(_, rest)| rest.contains(']'));
        new || old
    }

    fn text() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "::", ":", "##[", "#", "##", "[", "]", " ", "\t", "\u{a0}", "\u{2028}", "\u{feff}", "error", "%",
            "\n", "\r", ",", "x",
        ]);
        prop_oneof![prop::collection::vec(words, 0..10).prop_map(|words| words.concat()), any::<String>()]
    }

    proptest! {
        #[test]
        fn no_line_is_a_command(text in text()) {
            for line in text.split(['\n', '\r']) {
                let shown = harmless(line);
                prop_assert!(!is_command(&shown), "{shown}");
                prop_assert_eq!(shown.replace(BREAK, ""), line.replace(BREAK, ""));
            }
        }

        #[test]
        fn a_command_stays_one(title in text(), message in text(), file in text()) {
            let place = Location { file, line: 3 };
            let line = annotation("error", Some(&place), &title, &message);
            prop_assert!(!line.contains(['\n', '\r']) && !line.contains("##["), "{line}");
            let (properties, said) = line["::error ".len()..].split_once("::").expect("a command");
            prop_assert_eq!(properties.split(',').count(), 3);
            let back = said.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
            prop_assert_eq!(back.replace(BREAK, ""), message.replace(BREAK, ""));
        }
    }

    #[test]
    fn commands_are_written_as_documented() {
        let place = Location { file: "stacks/a,b:c.yaml".to_owned(), line: 7 };
        assert_eq!(
            annotation("error", Some(&place), "100 %: failed", "a: 100 %\nb, c"),
            "::error file=stacks/a%2Cb%3Ac.yaml,line=7,title=100 %25%3A failed::a: 100 %25%0Ab, c"
        );
        assert_eq!(annotation("warning", None, "x", "y"), "::warning title=x::y");
    }
}
