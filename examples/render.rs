//! Renders Markdown from standard input as GitHub shows a comment: an HTML page on standard output. `local/render` makes
//! an image of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write, stdin, stdout};

use comrak::adapters::SyntaxHighlighterAdapter;
use comrak::options::Plugins;
use comrak::{Options, markdown_to_html_with_plugins};

/// Colours the lines of a `diff` by how they begin, with the classes that GitHub gives them.
struct Diff;

impl SyntaxHighlighterAdapter for Diff {
    fn write_highlighted(&self, out: &mut dyn fmt::Write, language: Option<&str>, code: &str) -> fmt::Result {
        for line in code.lines() {
            let text = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            match (language, line.chars().next()) {
                (Some("diff"), Some('-')) => writeln!(out, "<span class=\"pl-md\">{text}</span>")?,
                (Some("diff"), Some('+')) => writeln!(out, "<span class=\"pl-mi1\">{text}</span>")?,
                (Some("diff"), Some('!')) => writeln!(out, "<span class=\"pl-mc\">{text}</span>")?,
                _ => writeln!(out, "{text}")?,
            }
        }
        Ok(())
    }

    fn write_pre_tag(&self, out: &mut dyn fmt::Write, _: HashMap<&'static str, Cow<'_, str>>) -> fmt::Result {
        out.write_str("<pre>")
    }

    fn write_code_tag(
        &self,
        out: &mut dyn fmt::Write,
        _: HashMap<&'static str, Cow<'_, str>>,
    ) -> fmt::Result {
        out.write_str("<code>")
    }
}

fn main() -> std::io::Result<()> {
    let mut markdown = String::new();
    stdin().read_to_string(&mut markdown)?;
    let mut options = Options::default();
    options.extension.alerts = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.table = true;
    // What is rendered is this program's own, `<details>` for one.
    options.render.r#unsafe = true;
    let mut plugins = Plugins::default();
    plugins.render.codefence_syntax_highlighter = Some(&Diff);
    let html = markdown_to_html_with_plugins(&markdown, &options, &plugins);
    writeln!(stdout(), "<article class=\"markdown-body\">\n{html}</article>")
}
