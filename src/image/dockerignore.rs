use std::path::Path;

use anyhow::Context as _;
use regex_lite::Regex;

/// How large the file may be, in bytes.
pub(super) const MAX_SIZE: usize = 1024 * 1024;
/// How many patterns it may have: each of them is tried on every file.
const MAX_PATTERNS: usize = 1_000;
/// How long a pattern may be, in bytes: as long as a path.
const MAX_PATTERN: usize = 4096;

/// Which files of a build context are left out.
///
/// The rules are Docker's, not git's (<https://docs.docker.com/build/concepts/context/#dockerignore-files>): every
/// pattern is anchored at the context's root, what is below a match matches too, and the last matching pattern wins.
#[derive(Debug, Default)]
pub(super) struct Dockerignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// Whether it brings back what an earlier pattern left out.
    exception: bool,
    regex: Regex,
    components: Vec<String>,
}

/// How a path fared: which patterns match it or a directory above it, and whether it is left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Matches {
    patterns: Vec<bool>,
    pub(super) excluded: bool,
}

impl Dockerignore {
    /// Reads a `.dockerignore` file's text.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut patterns = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = if line.starts_with('#') { "" } else { line.trim() };
            let start: String = line.chars().take(40).collect();
            let read = pattern(line).with_context(|| format!("line {}: `{start}`", number + 1))?;
            patterns.extend(read);
            anyhow::ensure!(patterns.len() <= MAX_PATTERNS, "there are more than {MAX_PATTERNS} patterns");
        }
        Ok(Self { patterns })
    }

    /// How a path fares, given how the directory fared that it is in.
    pub(super) fn matches(&self, path: &Path, above: &Matches) -> Matches {
        let text = path.to_string_lossy();
        let mut matches = Matches::default();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = above.patterns.get(index).copied().unwrap_or(false);
            // Like Docker, a pattern that would change nothing for the directory is not tried on it, and so does
            // not reach what is below it: after `x/*.md`, `!*` does not bring back `x/a.md`.
            let hit = inherited || (pattern.exception == matches.excluded && pattern.regex.is_match(&text));
            matches.patterns.push(hit);
            if hit {
                matches.excluded = !pattern.exception;
            }
        }
        matches
    }

    /// Whether an exception can bring back something below a directory that is left out; if not, nobody need look.
    pub(super) fn may_keep_below(&self, directory: &Path) -> bool {
        self.patterns
            .iter()
            .filter(|pattern| pattern.exception)
            .any(|pattern| pattern.may_match_below(directory))
    }
}

impl Pattern {
    fn may_match_below(&self, directory: &Path) -> bool {
        for (depth, part) in directory.iter().enumerate() {
            match self.components.get(depth) {
                Some(component) if component.contains("**") => return true,
                // Whether a wildcard matches is not worth finding out here: looking in vain does no harm.
                Some(component) if component.contains(['*', '?', '[', '\\']) => {}
                Some(component) if component.as_str() == part => {}
                _ => return false,
            }
        }
        true
    }
}

/// A line's pattern; `None` for one that can match nothing.
fn pattern(line: &str) -> anyhow::Result<Option<Pattern>> {
    let (exception, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    anyhow::ensure!(line.len() <= MAX_PATTERN, "a pattern has at most {MAX_PATTERN} bytes");
    let components = clean(line);
    if components.is_empty() {
        anyhow::ensure!(!exception || !line.is_empty(), "nothing follows the `!`");
        return Ok(None);
    }
    let regex = Regex::new(&regex(&components.join("/")))?;
    Ok(Some(Pattern { exception, regex, components }))
}

/// The pattern's parts, without a leading or trailing `/`, and with `.` and `..` worked out.
fn clean(pattern: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| last != "..") => _ = parts.pop(),
            // Above the root there is nothing.
            ".." if pattern.starts_with('/') => {}
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

/// `*` and `?` stay within one part of a path, `**` goes over any number of them, also none; `[…]` is one character,
/// and `\` takes the next character as it is.
fn regex(pattern: &str) -> String {
    let mut regex = String::new();
    let mut chars = pattern.chars().peekable();
    let mut class = false;
    if let Some(end) = pattern.strip_prefix("**").filter(|end| !end.contains(['/', '*', '?', '[', '\\'])) {
        // `**.tmp` is whatever ends in `.tmp`; with another wildcard the stars stand for whole parts.
        return format!("(?s)^.*{}$", regex_lite::escape(end));
    }
    while let Some(char) = chars.next() {
        match char {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                regex += if chars.peek().is_none() { ".*" } else { "(.*/)?" };
            }
            '*' => regex += "[^/]*",
            '?' => regex += "[^/]",
            '[' | ']' => {
                class = char == '[';
                regex.push(char);
            }
            '^' | '-' if class => regex.push(char),
            '\\' => regex += &regex_lite::escape(&chars.next().unwrap_or(char).to_string()),
            _ => regex += &regex_lite::escape(&char.to_string()),
        }
    }
    // A file's name may hold a line feed.
    format!("(?s)^{regex}$")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excludes(ignore: &Dockerignore, path: &Path) -> bool {
        let ancestors: Vec<_> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        let all =
            ancestors.into_iter().rev().fold(Matches::default(), |above, part| ignore.matches(part, &above));
        all.excluded
    }

    fn excluded(patterns: &str, paths: &[&str]) -> String {
        let ignore = Dockerignore::parse(patterns).unwrap();
        paths.iter().copied().filter(|path| excludes(&ignore, Path::new(path))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn patterns_are_anchored_at_the_root() {
        let paths = ["target", "target/x", "api/target", "api/target/x"];
        assert_eq!(excluded("target", &paths), "target target/x");
        assert_eq!(excluded("/target/", &paths), "target target/x");
        assert_eq!(excluded("./api/../target", &paths), "target target/x");
        assert_eq!(excluded("/../target", &paths), "target target/x");
        assert_eq!(excluded("../target", &paths), "");
        assert_eq!(excluded("**/target", &paths), "target target/x api/target api/target/x");
    }

    #[test]
    fn wildcards_stay_within_a_part_and_two_stars_do_not() {
        let paths = ["a.md", "x/a.md", "x/y/a.md"];
        assert_eq!(excluded("*.md", &paths), "a.md");
        assert_eq!(excluded("*/*.md", &paths), "x/a.md");
        assert_eq!(excluded("**/*.md", &paths), "a.md x/a.md x/y/a.md");
        assert_eq!(excluded("x/**", &paths), "x/a.md x/y/a.md");
        assert_eq!(excluded("?/[a-z].md", &paths), "x/a.md");
        assert_eq!(excluded("x**a.md", &paths), "x/a.md x/y/a.md");
        assert_eq!(excluded("**.md", &paths), "a.md x/a.md x/y/a.md");
        assert_eq!(excluded("x/**.md", &["x/.md", "x/a.md"]), "x/.md");
    }

    #[test]
    fn the_last_match_wins() {
        let paths = ["a.md", "README.md", "docs/x"];
        assert_eq!(excluded("*.md\n!README.md", &paths), "a.md");
        assert_eq!(excluded("*.md\n!README*.md\nREADME.md", &paths), "a.md README.md");
        assert_eq!(excluded("*\n! README.md\n!docs", &paths), "a.md");
        assert_eq!(excluded("docs/x\n!*", &paths), "docs/x");
    }

    #[test]
    fn special_characters_are_taken_as_they_are() {
        assert_eq!(excluded("a.b", &["a.b", "axb"]), "a.b");
        assert_eq!(excluded("{a,b}", &["a", "{a,b}"]), "{a,b}");
        assert_eq!(excluded("\\*", &["*", "a"]), "*");
        assert_eq!(excluded("# comment\n\n.\n/\n #a", &["# comment", "#a", "a"]), "#a");
        assert_eq!(excluded("\u{feff}a", &["a"]), "a");
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_line() {
        let error = |text| format!("{:#}", Dockerignore::parse(text).unwrap_err());
        assert_eq!(error("a\n!"), "line 2: `!`: nothing follows the `!`");
        assert!(error("[a").starts_with("line 1: `[a`: "), "{}", error("[a"));
    }

    #[test]
    fn what_is_made_to_take_long_is_refused_or_takes_no_longer() {
        let stars = "*".repeat(4000);
        let slashes = "**/".repeat(1300);
        let choices = format!("{}b", "a*".repeat(2000));
        let name = "a".repeat(255);
        for pattern in [&stars, &slashes, &choices] {
            assert_eq!(excluded(pattern, &[&name]) == name, pattern != &choices, "{pattern}");
        }
        let error = |text: String| format!("{:#}", Dockerignore::parse(&text).unwrap_err());
        assert!(error("*".repeat(5000)).ends_with("a pattern has at most 4096 bytes"));
        assert_eq!(error("a\n".repeat(500_000)), "there are more than 1000 patterns");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([!#*?/\\\\.\\[\\]^a-c \n-]|\\PC){0,60}", path in "[a-c./]{1,12}") {
            if let Ok(ignore) = Dockerignore::parse(&text) {
                excludes(&ignore, Path::new(&path));
                ignore.may_keep_below(Path::new(&path));
            }
        }

        #[test]
        fn what_is_passed_over_holds_nothing_that_is_kept(
            lines in proptest::collection::vec("!?(\\*\\*/|/)?[ab*?]{1,2}(/[ab*]{1,2}){0,2}", 1..6),
            path in "[ab]{1,2}(/[ab]{1,2}){1,3}",
        ) {
            let ignore = Dockerignore::parse(&lines.join("\n")).unwrap();
            let path = Path::new(&path);
            let passed_over = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty())
                .any(|above| excludes(&ignore, above) && !ignore.may_keep_below(above));
            prop_assert!(!passed_over || excludes(&ignore, path));
        }
    }
}
