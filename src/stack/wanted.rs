use super::{Live, ParameterValue, Spec};
use crate::config::Reference;
use crate::plan::Wanted;

/// What the stack is to be, for a plan's digest.
///
/// Of a hidden parameter the stack's ARN is told, too: only those know it who may read the stack. One that does not
/// exist has none, so there the value does not count.
#[must_use]
pub fn wanted(spec: &Spec, live: Option<&Live>) -> Wanted {
    let template = serde_json::to_string(&spec.template.body).unwrap_or_default();
    let mut wanted = Wanted::default().text("name", &spec.stack_name).text("template", template);
    for (name, parameter) in &spec.template.parameters {
        let key = format!("parameter {name}");
        wanted = match (spec.effective(name), live) {
            (Some(ParameterValue::Pending(references)), _) => wanted.text(key, paths(&references)),
            (Some(ParameterValue::Known(value)), _) if !parameter.no_echo => wanted.text(key, value),
            (Some(ParameterValue::Known(value)), Some(live)) => wanted.secret(key, value, &live.id),
            (Some(ParameterValue::Known(_)) | None, _) => wanted,
        };
    }
    for (name, value) in &spec.tags {
        wanted = wanted.text(format!("tag {name}"), value);
    }
    for capability in &spec.capabilities {
        wanted = wanted.text(format!("capability {capability}"), "");
    }
    wanted
}

fn paths(references: &[Reference]) -> String {
    let paths: Vec<String> =
        references.iter().map(|reference| format!("${{{}}}", reference.path())).collect();
    paths.join(",")
}
