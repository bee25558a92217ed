//! Whatever is written, reading it ends in a value or in mistakes, and what was read is written the same.
//!
//! `cargo fuzz` would need a nightly compiler; these are its targets, run with what proptest makes up.

use pipeline::config::{self, Part, Reference, Text};
use pipeline::event::Event;
use pipeline::project::{Files, Project};
use pipeline::template::Template;
use proptest::prelude::*;

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        Just(Reference::Project),
        Just(Reference::Environment),
        ("[a-z][a-z0-9-]{0,9}", "[A-Za-z0-9]{1,9}")
            .prop_map(|(stack, output)| Reference::StackOutput { stack, output }),
        "[a-z][a-z0-9-]{0,9}".prop_map(|workload| Reference::WorkloadImage { workload }),
    ]
}

/// Texts that are likely to have references, escapes, and what almost is one.
fn written() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        reference().prop_map(|reference| reference.to_string()),
        prop::sample::select(vec!["$", "{", "}", "$$", "${", "$${", "stacks.", ".image", "é", "\n"])
            .prop_map(str::to_owned),
        ".{0,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Texts that are likely to be YAML, and almost a configuration.
fn yaml() -> impl Strategy<Value = String> {
    let words = vec![
        "project",
        "environments",
        "stacks",
        "workloads",
        "parameters",
        "inputs",
        "build",
        "rollout",
        "Resources",
        "Outputs",
        "Type",
        ": ",
        ":\n  ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "|\n",
        "&a ",
        "*a",
        "!Ref ",
        "!Sub ",
        "!GetAtt ",
        "# ",
        "~",
        "1",
        "1e999",
        "true",
        "${stacks.a.B}",
        "${",
        "\t",
        "é",
        "<<: ",
        "? ",
        "%",
        "---\n",
        ".inf",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|words| words.concat())
}

/// Texts that are likely to be a Dockerfile.
fn dockerfile() -> impl Strategy<Value = String> {
    let words = vec![
        "FROM ",
        "scratch",
        " AS ",
        "build",
        "COPY ",
        "ADD ",
        "--from=build ",
        "RUN ",
        "<<EOF",
        "EOF",
        "<<-'E'",
        "ARG ",
        "[",
        "\"",
        "]",
        ", ",
        "\\",
        "\n",
        "\r\n",
        " ",
        "\t",
        "/",
        ".",
        "..",
        "*",
        "$",
        "x",
        "é",
        "\u{1b}",
        "# ",
        "https://",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|words| words.concat())
}

/// One workload, whose Dockerfile is the text.
struct Workload(String);

impl Files for Workload {
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        const CONFIG: &str = "project: p\nenvironments: { e: { region: eu-west-1 } }\n\
            workloads: { w: { inputs: [w], build: { context: w, target: build }, repository: r } }\n";
        Ok(match path {
            "pipeline.yaml" => Some(CONFIG.into()),
            "w/Dockerfile" => Some(self.0.clone().into()),
            _ => None,
        })
    }

    fn exists(&self, path: &str) -> anyhow::Result<bool> {
        Ok(matches!(path, "." | "w" | "w/Dockerfile"))
    }

    fn paths(&self) -> anyhow::Result<Vec<String>> {
        Ok(vec!["pipeline.yaml".to_owned(), "w/Dockerfile".to_owned()])
    }
}

/// Texts that are likely to be an event, or almost one.
fn event() -> impl Strategy<Value = String> {
    let words = vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"event\"",
        "\"step_started\"",
        "\"progress\"",
        "\"started\"",
        "\"finished\"",
        "\"step\"",
        "\"stack/vpc\"",
        "\"image\"",
        "\"done\"",
        "\"total\"",
        "null",
        "1",
        "-1",
        "1e400",
        "18446744073709551616",
        "\"outcome\"",
        "{\"kind\":\"unchanged\"}",
        "\"millis\"",
        "\"\\ud800\"",
        "\"steps\"",
    ];
    prop::collection::vec(prop::sample::select(words), 0..20).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_event_is_read_or_refused(text in event(), other in "(?s).{0,100}", deep in 0_usize..100_000) {
        for text in [text, other, "[".repeat(deep), "{\"event\":".repeat(deep)] {
            if let Ok(event) = serde_json::from_str::<Event>(&text) {
                let written = serde_json::to_string(&event).unwrap();
                prop_assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event);
            }
        }
    }

    #[test]
    fn any_dockerfile_is_read_or_refused(text in dockerfile(), other in "(?s).{0,100}") {
        for text in [text, other] {
            let _ = Project::load("pipeline.yaml", &Workload(text)).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn what_is_read_is_written_the_same(text in written()) {
        if let Ok(read) = Text::parse(&text) {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn a_literal_stands_for_itself(text in written()) {
        let literal = Text::literal(text.as_str());
        prop_assert_eq!(literal.references().count(), 0);
        prop_assert_eq!(Text::parse(&literal.to_string()), Ok(literal.clone()));
        prop_assert_eq!(literal.resolve(|_| None), Ok(text));
    }

    #[test]
    fn references_are_found_and_resolved(references in prop::collection::vec(reference(), 0..5)) {
        let written = references.iter().map(|reference| format!("-{reference}")).collect::<Vec<_>>().concat();
        let text = Text::parse(&written).unwrap();
        prop_assert_eq!(text.references().cloned().collect::<Vec<_>>(), references.clone());
        prop_assert_eq!(text.parts().iter().filter(|part| matches!(part, Part::Literal(_))).count(), references.len());
        prop_assert_eq!(text.resolve(|_| Some("x".to_owned())), Ok("-x".repeat(references.len())));
        if !references.is_empty() {
            prop_assert_eq!(text.resolve(|_| None), Err(references));
        }
    }

    #[test]
    fn a_reference_reads_back(reference in reference()) {
        let written = reference.to_string();
        prop_assert_eq!(written[2..written.len() - 1].parse(), Ok(reference));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|(?s).{0,200}") {
        let _ = Text::parse(&text);
        let _ = config::load("pipeline.yaml", &text).map_err(|mistakes| mistakes.to_string());
        let _ = Template::parse("template.yaml", &text).map_err(|mistakes| mistakes.to_string());
    }

    #[test]
    fn any_yaml_is_read_or_refused(text in yaml()) {
        let _ = config::load("pipeline.yaml", &text).map_err(|mistakes| mistakes.render(true));
        let _ = Template::parse("template.yaml", &text).map_err(|mistakes| mistakes.render(true));
    }
}
