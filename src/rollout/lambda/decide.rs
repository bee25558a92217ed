use std::collections::BTreeSet;

use super::{Function, Setting, Snapshot};
use crate::plan::{Action, Decision};

/// So many changed properties are named; of more, the number.
const NAMED: usize = 3;

/// Whether the alias has to be moved to a version of what the stack defines.
#[must_use]
pub fn decide(function: &Function) -> Decision {
    let alias = &function.alias;
    if alias.version == "$LATEST" {
        return Decision::new(
            Action::Roll,
            format!("alias {} points at $LATEST, not at a version", alias.name),
        );
    }
    let changes = changes(&function.live, &function.latest);
    let shares = alias.weights.iter().map(|(version, weight)| {
        format!("alias {} sends {weight} of the calls to version {version}", alias.name)
    });
    let reasons: Vec<String> = changes.into_iter().chain(shares).collect();
    match reasons.as_slice() {
        [_, ..] => Decision::new(Action::Roll, reasons.join("; ")),
        [] => Decision::new(Action::Nothing, format!("alias {} runs version {}", alias.name, alias.version)),
    }
}

/// Whether both run the same code in the same way.
pub(super) fn same(one: &Snapshot, other: &Snapshot) -> bool {
    one.code == other.code && one.settings == other.settings
}

fn changes(live: &Snapshot, latest: &Snapshot) -> Vec<String> {
    let mut changes = Vec::new();
    if live.code != latest.code {
        changes.push(format!("code changed: {} → {}", live.code, latest.code));
    }
    let properties = changed_properties(live, latest);
    if !properties.is_empty() {
        let mut named: Vec<&str> = properties.iter().take(NAMED).map(String::as_str).collect();
        let more = format!("{} more", properties.len().saturating_sub(NAMED));
        if properties.len() > NAMED {
            named.push(&more);
        }
        changes.push(format!("configuration changed: {}", named.join(", ")));
    }
    changes
}

fn changed_properties(live: &Snapshot, latest: &Snapshot) -> Vec<String> {
    let names: BTreeSet<&String> = live.settings.keys().chain(latest.settings.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (live.settings.get(name), latest.settings.get(name));
            (before != after).then(|| format!("{name}{}", change(before, after)))
        })
        .collect()
}

/// What happened to a property: ` 128 → 256`, ` added`.
fn change(before: Option<&Setting>, after: Option<&Setting>) -> String {
    match (before, after) {
        (Some(Setting::Shown(before)), Some(Setting::Shown(after))) => format!(" {before} → {after}"),
        (None, Some(Setting::Shown(after))) => format!(" → {after}"),
        (None, Some(Setting::Hidden(_))) => " added".to_owned(),
        (Some(_), None) => " removed".to_owned(),
        _ => " changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Weight;
    use crate::rollout::lambda::{Alias, Code, Status};
    use proptest::prelude::*;

    fn snapshot(version: &str, code: &str, settings: &[(&str, Setting)]) -> Snapshot {
        Snapshot {
            version: version.to_owned(),
            code: Code::Digest(format!("sha256:{}", code.repeat(64))),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            code_sha256: None,
            revision_id: None,
            status: Status::default(),
            description: None,
        }
    }

    fn function(live: Snapshot, latest: Snapshot) -> Function {
        let alias = Alias {
            name: "live".to_owned(),
            version: live.version.clone(),
            weights: BTreeMap::new(),
            revision_id: None,
        };
        Function { latest, live, alias }
    }

    fn decided(function: &Function) -> String {
        let decision = decide(function);
        format!("{:?}: {}", decision.action, decision.reason)
    }

    fn shown(value: &str) -> Setting {
        Setting::Shown(value.to_owned())
    }

    #[test]
    fn reasons_read_well() {
        let live =
            || snapshot("7", "a", &[("MemorySize", shown("128")), ("Environment.A", Setting::hidden("1"))]);
        let latest =
            |code, settings: &[(&str, Setting)]| function(live(), snapshot("$LATEST", code, settings));
        let many: Vec<_> = ["B", "C", "D"].map(|name| (name, shown("1"))).into();
        let mut weighted = function(live(), live());
        weighted.alias.weights.insert("8".to_owned(), Weight::of(0.1));
        insta::assert_snapshot!([
            decided(&function(live(), live())),
            decided(&latest("b", &[("MemorySize", shown("128")), ("Environment.A", Setting::hidden("1"))])),
            decided(&latest("a", &[("MemorySize", shown("256")), ("Environment.A", Setting::hidden("1"))])),
            decided(&latest("b", &[("MemorySize", shown("128")), ("Environment.A", Setting::hidden("2"))])),
            decided(&latest("a", &many)),
            decided(&function(snapshot("$LATEST", "a", &[]), snapshot("$LATEST", "a", &[]))),
            decided(&weighted),
        ].join("\n"), @"
        Nothing: alias live runs version 7
        Roll: code changed: sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb
        Roll: configuration changed: MemorySize 128 → 256
        Roll: code changed: sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb; configuration changed: Environment.A changed
        Roll: configuration changed: B → 1, C → 1, D → 1, 2 more
        Roll: alias live points at $LATEST, not at a version
        Roll: alias live sends 10 % of the calls to version 8
        ");
    }

    fn any_snapshot(version: &'static str) -> impl Strategy<Value = Snapshot> {
        let setting =
            prop_oneof!["[ab]?".prop_map(Setting::Shown), "[ab]".prop_map(|value| Setting::hidden(&value)),];
        ("[ab]", prop::collection::btree_map("[AB]", setting, 0..3))
            .prop_map(move |(code, settings)| Snapshot { settings, ..snapshot(version, &code, &[]) })
    }

    proptest! {
        #[test]
        fn nothing_to_do_means_the_same_code_and_configuration(
            live in any_snapshot("7"), latest in any_snapshot("$LATEST"),
        ) {
            let same = same(&live, &latest);
            let decision = decide(&function(live, latest));
            prop_assert_eq!(decision.action == Action::Nothing, same);
            prop_assert!(!decision.reason.is_empty());
        }
    }
}
