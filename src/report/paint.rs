//! Colours, and text that has to fit.

use std::fmt::Display;

use console::{Style, measure_text_width, truncate_str};

/// What a colour stands for. Everything is told by words and symbols too, so that nothing is lost without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well, or something is added.
    Good,
    /// Something is changed, or under way.
    Busy,
    /// It needs attention.
    Caution,
    /// It failed, or something is lost.
    Bad,
    /// It stands out.
    Strong,
    /// It is beside the point.
    Faint,
}

/// Puts colours on text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Whether to colour at all.
    pub color: bool,
}

impl Paint {
    /// The text in the tone's colour.
    pub fn show(self, tone: Tone, text: impl Display) -> String {
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Busy => Style::new().cyan(),
            Tone::Caution => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dim(),
        };
        style.force_styling(self.color).apply_to(text).to_string()
    }

    /// A resource's or stack's status in the colour of what it means.
    pub fn status(self, status: &str) -> String {
        match status {
            _ if status.contains("FAILED") || status.contains("ROLLBACK") => self.show(Tone::Bad, status),
            _ if status.ends_with("_COMPLETE") => self.show(Tone::Good, status),
            _ => self.show(Tone::Faint, status),
        }
    }
}

/// The text cut at its end to `width` columns; escape sequences take no room.
pub fn cut(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// The text cut in its middle to `width` columns, because both ends of an ARN or a digest tell something.
pub fn cut_middle(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let kept = width.saturating_sub(1).min(chars.len());
    let head = kept.div_ceil(2);
    let tail = &chars[chars.len() - (kept - head)..];
    chars[..head].iter().chain(['…'].iter()).chain(tail).collect()
}

/// Two values cut to `width` columns each so that what differs stays in sight.
pub fn cut_pair(before: &str, after: &str, width: usize) -> (String, String) {
    let short = (cut_middle(before, width), cut_middle(after, width));
    if short.0 != short.1 || before == after {
        return short;
    }
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(width / 3);
    let window = |text: &str| cut(&format!("…{}", text.chars().skip(from).collect::<String>()), width);
    (window(before), window(after))
}

/// Items joined by commas and broken into lines of at most `width` columns where that is possible.
pub fn wrap(items: impl IntoIterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 2 + measure_text_width(&item) < width => {
                line.push_str(", ");
                line.push_str(&item);
            }
            Some(line) => {
                line.push(',');
                lines.push(item);
            }
            None => lines.push(item),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cut_values_fit_and_still_differ(before in "x{0,60}[ab]{0,3}x{0,60}", after in "x{0,60}[ab]{0,3}x{0,60}", width in 12_usize..60) {
            let (a, b) = cut_pair(&before, &after, width);
            prop_assert!(measure_text_width(&a) <= width && measure_text_width(&b) <= width);
            prop_assert_eq!(a == b, before == after);
        }
    }

    #[test]
    fn a_difference_in_the_middle_of_a_long_value_is_shown() {
        let value = |action: &str| format!("{}{action}{}", "x".repeat(80), "y".repeat(80));
        let (before, after) = cut_pair(&value("Allow"), &value("Deny"), 30);
        assert!(before.contains("Allow") && after.contains("Deny"), "{before} {after}");
    }

    #[test]
    fn no_color_leaves_no_trace() {
        assert_eq!(Paint { color: false }.show(Tone::Bad, "x"), "x");
        assert_eq!(Paint { color: true }.show(Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
