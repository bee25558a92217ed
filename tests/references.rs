//! Whatever is written, reading it ends in a value or in mistakes, and what was read is written the same.

use pipeline::config::{self, Part, Reference, Text};
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

proptest! {
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
