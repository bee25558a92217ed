use super::apply::{Applied, Step};
use super::{Drift, Live, Spec, Violation, change_set, detect};
use crate::failure::Failure;
use crate::plan::{Action, Change, Decision, PropertyChange, Replacement};

/// What a release or autoscaling moves, by the resource's type. Putting it back would take a release back.
const MOVED: [(&str, &[&str]); 2] = [
    ("AWS::ECS::Service", &["TaskDefinition", "DesiredCount"]),
    ("AWS::Lambda::Alias", &["FunctionVersion", "RoutingConfig"]),
];

impl Step<'_> {
    /// Brings the stack's resources back to what the stack says; its template and parameters stay as they are.
    ///
    /// # Errors
    /// If CloudFormation can't put it back, if that would lose data or take a release back, or if the operation fails.
    pub async fn revert(&self, spec: &Spec, live: Option<Live>) -> Result<Applied, Failure> {
        let Some(live) = live else {
            return Err(Failure::new(format!("{} does not exist: nothing can be put back", spec.stack_name))
                .hint("`pipeline run` creates it"));
        };
        self.events.activity("comparing what is live with the stack");
        let drift = detect(self.client, self.lookout.pace(), &live).await?;
        if drift.resources.is_empty() {
            self.events.decided(Decision::new(Action::Nothing, "what is live is what the stack says"));
            return Ok(Applied { outputs: live.outputs, changed: 0 });
        }
        self.events.activity("making the change set");
        let name = &spec.stack_name;
        let prepared = change_set::prepare_revert(self.client, spec, &live).await.map_err(by_hand)?;
        let Some(mut change_set) = prepared else { return Err(by_hand(not_seen(name, &drift))) };
        change_set.changes = with_values(change_set.changes, &drift);
        self.events.decided(
            Decision::new(Action::Update, "changed by hand").with_changes(change_set.changes.clone()),
        );
        let violations = self.violations(&change_set);
        let moved = releases(&change_set.changes);
        if violations.is_empty() && moved.is_empty() {
            return self.execute(spec, &change_set).await;
        }
        change_set::discard(self.client, &change_set).await?;
        Err(if moved.is_empty() { Violation::refuse(&violations) } else { release_taken_back(name, moved) })
    }
}

/// Old and new values, where the change set names none.
fn with_values(mut changes: Vec<Change>, drift: &Drift) -> Vec<Change> {
    for change in &mut changes {
        let found = drift.resources.iter().find(|resource| resource.logical_id == change.logical_id);
        let silent = change.properties.iter().all(|known| known.before.is_none() && known.after.is_none());
        if let Some(found) = found.filter(|found| silent && !found.deleted) {
            let told = std::mem::take(&mut change.properties);
            change.properties = found.properties.iter().map(|drift| property(drift, &told)).collect();
        }
    }
    changes
}

fn property(drift: &super::PropertyDrift, told: &[PropertyChange]) -> PropertyChange {
    let same = |known: &&PropertyChange| root(&known.path) == root(&drift.path);
    PropertyChange {
        path: drift.path.clone(),
        before: drift.actual.clone(),
        after: drift.expected.clone(),
        replacement: told.iter().find(same).map_or(Replacement::Never, |known| known.replacement),
    }
}

/// The property that a path lies in.
fn root(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// Changes that would take back what a release or autoscaling has moved.
fn releases(changes: &[Change]) -> Vec<String> {
    let moves = |change: &Change, path: &str| {
        MOVED.iter().any(|(kind, paths)| *kind == change.resource_type && paths.contains(&root(path)))
    };
    let of = |change: &Change| -> Vec<String> {
        let properties = change.properties.iter().filter(|property| moves(change, &property.path));
        properties.map(|property| shown(change, property)).collect()
    };
    changes.iter().flat_map(of).collect()
}

fn shown(change: &Change, property: &PropertyChange) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not told".to_owned());
    let (before, after) = (value(&property.before), value(&property.after));
    format!("{} ({}) {}: {before} → {after}", change.logical_id, change.resource_type, property.path)
}

fn release_taken_back(stack_name: &str, moved: Vec<String>) -> Failure {
    let failure = Failure::new(format!(
        "refused: putting {stack_name} back would also take back what a release or autoscaling has moved; nothing \
         was changed"
    ));
    moved.into_iter().fold(failure, Failure::detail).hint(
        "CloudFormation puts a stack back as a whole: change what `pipeline drift` shows by hand, as it was changed",
    )
}

fn not_seen(stack_name: &str, drift: &Drift) -> Failure {
    let failure = Failure::new(format!(
        "{stack_name} can't be put back: its change set holds no changes, although CloudFormation reports drift; \
         nothing was changed"
    ));
    drift.resources.iter().fold(failure, |failure, resource| {
        failure.detail(format!("{} ({})", resource.logical_id, resource.resource_type))
    })
}

fn by_hand(failure: Failure) -> Failure {
    failure.hint(
        "this endpoint or Region may not know drift-aware change sets: change what `pipeline drift` shows by hand, \
         as it was changed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ChangeKind;

    fn change(resource_type: &str, path: &str) -> Change {
        Change {
            kind: ChangeKind::Modify,
            logical_id: "Thing".to_owned(),
            resource_type: resource_type.to_owned(),
            physical_id: None,
            replacement: Replacement::Never,
            properties: vec![PropertyChange {
                path: path.to_owned(),
                before: Some("7".to_owned()),
                after: Some("$LATEST".to_owned()),
                replacement: Replacement::Never,
            }],
            location: None,
        }
    }

    #[test]
    fn a_release_is_not_taken_back() {
        let found = |resource_type, path| releases(&[change(resource_type, path)]);
        assert_eq!(
            found("AWS::Lambda::Alias", "FunctionVersion"),
            ["Thing (AWS::Lambda::Alias) FunctionVersion: 7 → $LATEST"]
        );
        assert_eq!(found("AWS::Lambda::Alias", "RoutingConfig.AdditionalVersionWeights.0").len(), 1);
        assert_eq!(found("AWS::ECS::Service", "TaskDefinition").len(), 1);
        assert!(found("AWS::ECS::Service", "DeploymentConfiguration.MaximumPercent").is_empty());
        assert!(found("AWS::SQS::Queue", "TaskDefinition").is_empty());
    }
}
