//! What is wrong with the files of a project, shown with the line it is about.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file's path in the repository.
    pub file: String,
    /// The line, counted from 1; 0 if it is about the whole file.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if it is about the whole file.
    pub column: usize,
    /// How many characters it is about; at least 1.
    pub length: usize,
    /// The line itself, control characters made visible; of a very long one what is around the column.
    pub source_line: String,
    /// How many characters of the line stand before what is kept of it.
    skipped: usize,
    /// What is wrong.
    pub message: String,
    /// What should be there instead.
    pub expected: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake about a file as a whole: it is missing, or too large.
    pub fn about_file(file: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self {
            file: visible(file.as_ref()),
            line: 0,
            column: 0,
            length: 1,
            source_line: String::new(),
            skipped: 0,
            message: visible(message.as_ref()),
            expected: None,
            hint: None,
        }
    }

    /// The same mistake, with what should be there.
    #[must_use]
    pub fn expected(mut self, expected: impl AsRef<str>) -> Self {
        self.expected = Some(visible(expected.as_ref()));
        self
    }

    /// The same mistake, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(visible(hint.as_ref()));
        self
    }

    /// The same mistake about a word that is none of the known ones: these are expected, and the nearest was probably
    /// meant.
    #[must_use]
    pub fn instead_of<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let mistake = if known.is_empty() { self } else { self.expected(one_of(&known)) };
        mistake.did_you_mean(word, known)
    }

    /// The same mistake, with the word among `known` that was probably meant, if there is one.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(word, known) {
            Some(known) => self.hint(format!("did you mean `{known}`?")),
            None => self,
        }
    }

    /// The mistake as a person reads it, with the line and a mark below what is wrong.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(&self.message);
        let mut report = if self.line == 0 {
            title.element(Origin::path(&self.file))
        } else {
            let mark = AnnotationKind::Primary.span(self.marked());
            title.element(
                Snippet::source(&self.source_line)
                    .path(&self.file)
                    .line_start(self.line)
                    .annotation(mark.label(self.expected.as_ref().map(|text| format!("expected {text}")))),
            )
        };
        if let (0, Some(expected)) = (self.line, &self.expected) {
            report = report.element(Level::NOTE.message(format!("expected {expected}")));
        }
        if let Some(hint) = &self.hint {
            report = report.element(Level::HELP.message(hint));
        }
        renderer.render(&[report])
    }

    /// The bytes of the line that are marked.
    fn marked(&self) -> Range<usize> {
        let byte = |character: usize| {
            self.source_line.char_indices().nth(character).map_or(self.source_line.len(), |(byte, _)| byte)
        };
        let start = self.column.saturating_sub(1 + self.skipped);
        byte(start)..byte(start + self.length)
    }
}

/// How many mistakes are kept. Nobody reads more, and a file that is made to have a million is not to cost memory for each.
const MAX_MISTAKES: usize = 100;

/// How many characters of a line are kept to be shown, around the place that is wrong.
const MAX_SHOWN: usize = 400;

/// What is wrong with a project's files, in the order of files and lines; never empty as an error. Of very many mistakes
/// only the first that were found are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Adds a mistake, unless there are very many already.
    pub fn push(&mut self, mistake: Mistake) {
        if self.is_full() {
            return;
        }
        let place = self.0.partition_point(|other| *other < mistake);
        if self.0.get(place) != Some(&mistake) {
            self.0.insert(place, mistake);
        }
    }

    /// The mistakes, by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }

    /// Whether there are so many that no further ones are kept, and it is vain to look for them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_MISTAKES
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `Ok(value)` if there are none.
    ///
    /// # Errors
    /// The mistakes, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// All of them as a person reads them, with an empty line between two.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let rest = self.is_full().then(|| format!("these are {MAX_MISTAKES} mistakes; there may be more"));
        self.0.iter().map(|mistake| mistake.render(colour)).chain(rest).collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Mistakes {}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl Extend<Mistake> for Mistakes {
    fn extend<T: IntoIterator<Item = Mistake>>(&mut self, mistakes: T) {
        let mut mistakes = mistakes.into_iter();
        // What is found only when it is asked for is not looked for in vain.
        while !self.is_full() {
            let Some(mistake) = mistakes.next() else { break };
            self.push(mistake);
        }
    }
}

impl IntoIterator for Mistakes {
    type Item = Mistake;
    type IntoIter = std::vec::IntoIter<Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Some characters of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters.
    pub length: usize,
}

/// A file's path and text, to show its lines.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file's path in the repository.
    pub file: &'a str,
    /// What is in it.
    pub text: &'a str,
}

impl Source<'_> {
    /// A mistake in this file.
    pub fn mistake(&self, place: Place, message: impl AsRef<str>) -> Mistake {
        let line = self.text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        let before = place.column.saturating_sub(1);
        let skipped = before.saturating_sub(MAX_SHOWN / 2);
        let source_line = visible(&line.chars().skip(skipped).take(MAX_SHOWN).collect::<String>());
        let behind = source_line.chars().count().saturating_sub(before - skipped);
        Mistake {
            line: place.line.max(1),
            column: place.column.max(1),
            length: place.length.clamp(1, behind.max(1)),
            skipped,
            source_line,
            ..Mistake::about_file(self.file, message)
        }
    }
}

/// The text with a visible character for each control character, so that it can't steer a terminal or forge a log.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

/// As [`visible`], for a text of several lines.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn visible_character(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{7f}' => '␡',
        // Unicode's "control pictures" stand in the order of the characters that they picture.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('�'),
        // What reorders or hides text: bidirectional controls and zero-width characters.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '�',
        _ if character.is_control() => '�',
        _ => character,
    }
}

/// The word among `known` that was probably meant by `word`, if one is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = word.chars().count();
    // Any two words of a letter or two are near each other.
    let tolerance = if length < 3 { 0 } else { (length / 3).max(1) };
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `a, b or c`, each in backquotes; long lists are cut.
fn one_of(words: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut quoted: Vec<String> = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    if words.len() > SHOWN {
        return format!("{}, … ({} in all)", quoted.join(", "), words.len());
    }
    match (quoted.pop(), quoted.is_empty()) {
        (None, _) => String::new(),
        (Some(only), true) => only,
        (Some(last), false) => format!("{} or {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_sorted_and_shown_with_their_line() {
        let source = Source { file: "pipeline.yaml", text: "project: events\n\tstakcs: \u{1b}[31m{}\n" };
        let mut mistakes = Mistakes::default();
        let place = Place { line: 2, column: 2, length: 6 };
        mistakes.push(source.mistake(place, "unknown key `stakcs`").did_you_mean("stakcs", ["stacks"]));
        let place = Place { line: 1, column: 10, length: 6 };
        mistakes.push(source.mistake(place, "the name is taken").expected("another name"));
        mistakes.push(Mistake::about_file("a.yaml", "the file is missing").expected("a template"));
        insta::assert_snapshot!(mistakes, @r"
        error: the file is missing
        --> a.yaml
         = note: expected a template

        error: the name is taken
         --> pipeline.yaml:1:10
          |
        1 | project: events
          |          ^^^^^^ expected another name

        error: unknown key `stakcs`
         --> pipeline.yaml:2:2
          |
        2 |  stakcs: ␛[31m{}
          |  ^^^^^^
          |
          = help: did you mean `stacks`?
        ");
    }

    #[test]
    fn of_very_many_mistakes_in_a_very_long_line_little_is_kept() {
        let text = format!("{}wrong{}", "é".repeat(10_000), "x".repeat(10_000));
        let source = Source { file: "pipeline.yaml", text: &text };
        let mut mistakes = Mistakes::default();
        let found = (0..100_000).map(|count| {
            assert!(count <= MAX_MISTAKES, "it is vain to look on");
            source.mistake(Place { line: 1, column: 10_001, length: 5 }, format!("mistake {count}"))
        });
        mistakes.extend(found);
        assert_eq!(mistakes.len(), MAX_MISTAKES);
        let first = mistakes.iter().next().expect("a mistake");
        assert_eq!(first.source_line.chars().count(), MAX_SHOWN);
        assert_eq!(&first.source_line[first.marked()], "wrong");
        assert!(mistakes.to_string().ends_with("these are 100 mistakes; there may be more"));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("a\u{1b}[0m\u{9b}\u{202e}\tb\r"), "a␛[0m�� b␍");
    }

    #[test]
    fn a_word_far_from_all_is_near_to_none() {
        assert_eq!(nearest("VpcID", ["VpcId", "SubnetIds"]), Some("VpcId"));
        assert_eq!(nearest("zebra", ["VpcId", "SubnetIds"]), None);
    }
}
