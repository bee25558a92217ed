//! What GitHub shows of plans and runs, read as GitHub reads Markdown.

use std::collections::BTreeSet;

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use insta::assert_snapshot;
use pipeline::event::{Event, RunResult};
use pipeline::report::{
    Board, Markdown, annotations, is_grave, plan_comment, plan_title, step_text, summary,
};
use proptest::prelude::*;

use super::scenarios::Timed;
use super::{at, plans, scenarios};

const LIMIT: usize = 65_536;

const PAGE: &str = "https://github.com/example/events/actions/runs/1";

fn board(events: &[Timed]) -> (Board, RunResult, u64) {
    let mut board = Board::default();
    let mut end = (RunResult::Interrupted, 0);
    for (millis, event) in events {
        board.apply(at(*millis), event);
        if let Event::Finished { result, millis, .. } = event {
            end = (*result, *millis);
        }
    }
    (board, end.0, end.1)
}

fn comment(events: &[Timed], limit: usize) -> String {
    let (board, result, _) = board(events);
    plan_comment(&board, result, limit, Some(PAGE))
}

fn summarised(events: &[Timed]) -> String {
    let (board, result, millis) = board(events);
    summary(&board, result, millis, 1_000_000)
}

/// GitHub's dialect.
fn github() -> Options<'static> {
    let mut options = Options::default();
    options.extension.alerts = true;
    options.extension.autolink = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    options
}

/// What is wrong with a page: something in it that is none of this program's own making.
fn mistakes(page: &str) -> Vec<String> {
    let arena = Arena::new();
    let root = parse_document(&arena, page, &github());
    let mut mistakes: Vec<String> = root.descendants().filter_map(mistake).collect();
    let count = |tag: &str| {
        root.descendants().filter(|node| html(node).is_some_and(|html| html.contains(tag))).count()
    };
    if count("<details") != count("</details>") {
        mistakes.push("details that are not closed".to_owned());
    }
    mistakes
}

fn html(node: &AstNode<'_>) -> Option<String> {
    match &node.data.borrow().value {
        NodeValue::HtmlBlock(block) => Some(block.literal.clone()),
        NodeValue::HtmlInline(html) => Some(html.clone()),
        _ => None,
    }
}

fn mistake<'a>(node: &'a AstNode<'a>) -> Option<String> {
    let ours = [PAGE, "https://events.example.com"];
    match &node.data.borrow().value {
        NodeValue::Text(_) if node.parent().is_some_and(is_link) => None,
        NodeValue::Text(text) => live(text),
        NodeValue::Link(link) if ours.contains(&link.url.as_str()) => None,
        NodeValue::HtmlBlock(block) => foreign(&block.literal).or_else(|| live(&block.literal)),
        NodeValue::TableRow(_) => {
            let (cells, columns) =
                (node.children().count(), node.parent().and_then(AstNode::first_child)?.children().count());
            (cells != columns).then(|| format!("{cells} cells in a row of {columns}"))
        }
        other @ (NodeValue::Link(_)
        | NodeValue::Image(_)
        | NodeValue::HtmlInline(_)
        | NodeValue::Math(_)
        | NodeValue::Emph
        | NodeValue::Strikethrough
        | NodeValue::TaskItem(_)
        | NodeValue::FootnoteReference(_)
        | NodeValue::ThematicBreak) => Some(format!("{other:?}")),
        _ => None,
    }
}

fn is_link<'a>(node: &'a AstNode<'a>) -> bool {
    matches!(node.data.borrow().value, NodeValue::Link(_))
}

/// Anything that GitHub would make a mention or a link of.
fn live(text: &str) -> Option<String> {
    let next =
        |sign: char| text.split(sign).skip(1).any(|rest| rest.starts_with(|c: char| c.is_alphanumeric()));
    (next('@') || next('#') || text.contains("://")).then(|| format!("live: {text}"))
}

/// HTML that is none of this program's own.
fn foreign(html: &str) -> Option<String> {
    let tags: BTreeSet<&str> =
        html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)).collect();
    let own = ["details", "details open", "summary", "/summary", "b", "/b", "/details"];
    tags.iter().any(|tag| !own.contains(tag)).then(|| format!("foreign: {html}"))
}

macro_rules! comments {
    ($($name:ident: $events:expr,)*) => {
        $(#[test]
        fn $name() {
            let page = comment(&$events, LIMIT);
            assert_eq!(mistakes(&page), Vec::<String>::new(), "{page}");
            assert_snapshot!(concat!("comment_", stringify!($name)), page);
        })*
    };
}

comments! {
    first_deployment: plans::first_deployment(),
    nothing_to_do: plans::nothing_to_do(),
    one_line_of_the_api: plans::one_line_of_the_api(),
    one_property_of_ecs: plans::one_property_of_ecs(),
    replacement_and_removal: scenarios::plan_with_replacement(),
    canary_of_a_function: plans::canary_of_a_function(),
    failed_plan: scenarios::failed_plan(),
    values_not_known_yet: plans::values_not_known_yet(),
    hostile_texts: plans::hostile("@ada #1 <img src=x> [a](https://b) ![c](d) | `x` ```\n\n## ~~~ </details> \u{202e}\u{1b}[31m - [ ] $m$"),
}

#[test]
fn a_very_large_plan_keeps_what_is_grave() {
    let events = plans::very_large();
    let whole = comment(&events, usize::MAX);
    assert!(whole.len() > 1_000_000, "{}", whole.len());
    let page = comment(&events, LIMIT);
    assert_eq!(mistakes(&page), Vec::<String>::new());
    let size = page.chars().count();
    assert!((LIMIT - 2_000..=LIMIT).contains(&size), "{size}");
    assert_eq!(page.matches("**is replaced**").count(), 180);
    assert!(page.contains("--plan-digest 0123456789abcdef0123456789abcdef-"));
    assert_snapshot!("comment_very_large", page.lines().take(60).collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_summary_of_a_plan_holds_what_the_comment_has_to_leave_out() {
    let page = summarised(&plans::very_large());
    assert!((900_000..=1_000_000).contains(&page.len()), "{}", page.len());
    assert_eq!(mistakes(&page), Vec::<String>::new());
}

#[test]
fn summaries_of_runs() {
    for (name, events) in [
        ("success", scenarios::first_deployment()),
        ("nothing_to_do", scenarios::nothing_to_do()),
        ("failed_stack", scenarios::failed_stack()),
        ("failed_build", scenarios::failed_build()),
        ("interrupted", scenarios::interrupted()),
        ("interrupted_canary", scenarios::interrupted_canary()),
    ] {
        let page = summarised(&events);
        assert_eq!(mistakes(&page), Vec::<String>::new(), "{page}");
        assert_snapshot!(format!("summary_{name}"), page);
    }
}

#[test]
fn plans_have_titles() {
    let titles = [
        plans::nothing_to_do(),
        plans::one_property_of_ecs(),
        scenarios::plan_with_replacement(),
        scenarios::failed_plan(),
    ]
    .map(|events| {
        let (board, result, _) = board(&events);
        format!("{} {}", plan_title(&board, result), is_grave(&board))
    });
    assert_snapshot!(titles.join("\n"));
}

#[test]
fn the_output_is_the_page_alone() {
    for (events, page) in [
        (plans::one_property_of_ecs(), comment(&plans::one_property_of_ecs(), LIMIT)),
        (scenarios::failed_stack(), summarised(&scenarios::failed_stack())),
    ] {
        let mut out = Vec::new();
        let mut markdown = Markdown::new(&mut out);
        for (millis, event) in &events {
            markdown.handle(at(*millis), event);
        }
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), page.trim_end());
    }
}

#[test]
fn a_step_tells_all_of_itself() {
    let (board, ..) = board(&scenarios::failed_stack());
    let step = board.steps.iter().find(|step| step.id.to_string() == "stack/ecs").unwrap();
    let (title, text) = step_text(step, LIMIT);
    assert_eq!(mistakes(&text), Vec::<String>::new());
    assert_snapshot!(format!("{title}\n\n{text}"));
}

#[test]
fn lines_of_templates_are_annotated_the_gravest_first() {
    let (board, ..) = board(&plans::hostile("Topic"));
    let said: Vec<String> = annotations(&board.steps[0])
        .into_iter()
        .map(|it| format!("{} {:?} {}\n{}", it.location, it.level, it.title, it.message))
        .collect();
    assert_snapshot!(said.join("\n\n"));
}

/// Words that Markdown, HTML and GitHub take for more than words, and others.
fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "@ada",
        "@",
        "#1",
        "GH-7",
        "o/r#3",
        "https://a.example",
        "www.a.example",
        "a@b.example",
        "<b>",
        "<!--",
        "</details>",
        "</summary>",
        "`",
        "```",
        "~~~",
        "|",
        "\\",
        "\\|",
        "*",
        "_",
        "__",
        "~~",
        "[x](y)",
        "![x](y)",
        "[^1]",
        "[ ]",
        "$",
        "$$",
        "\n",
        "\n\n",
        "\r",
        "\n# ",
        "\n- ",
        "\n> ",
        "1. ",
        "- ",
        "+ ",
        "===",
        "---",
        "    ",
        "\t",
        "&lt;",
        "&#64;ada",
        "\u{202e}",
        "\u{1b}[31m",
        "é",
        "中",
        "x",
        " ",
        "word",
        ":",
        "/",
        "http:",
        "//a",
        "mailto:",
        "w",
        "ww.",
        "!",
        "<",
        ">",
    ]);
    prop_oneof![prop::collection::vec(words, 0..12).prop_map(|words| words.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_breaks_out(text in text()) {
        let events = plans::hostile(&text);
        let (board, ..) = board(&events);
        for page in [comment(&events, LIMIT), summarised(&events), step_text(&board.steps[0], LIMIT).1] {
            prop_assert_eq!(mistakes(&page), Vec::<String>::new(), "{}", page);
        }
    }

    #[test]
    fn a_page_fits_whatever_the_limit(limit in 4_000_usize..40_000, text in text(), times in 1_usize..200) {
        let events = plans::hostile(&text.repeat(times));
        let (board, result, millis) = board(&events);
        prop_assert!(summary(&board, result, millis, limit).len() <= limit);
        prop_assert!(step_text(&board.steps[0], limit).1.chars().count() <= limit);
        for page in [comment(&events, limit), comment(&plans::first_deployment(), limit)] {
            prop_assert!(page.chars().count() <= limit, "{}", page);
            prop_assert_eq!(mistakes(&page), Vec::<String>::new(), "{}", page);
        }
    }
}
