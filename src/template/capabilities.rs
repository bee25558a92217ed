use std::collections::BTreeSet;

use super::{Template, Value};
use crate::config::Capability;

/// The resources for which `CAPABILITY_IAM` is asked, and the property that makes it `CAPABILITY_NAMED_IAM`.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>
const IAM: [(&str, Option<&str>); 8] = [
    ("AWS::IAM::AccessKey", None),
    ("AWS::IAM::Group", Some("GroupName")),
    ("AWS::IAM::InstanceProfile", Some("InstanceProfileName")),
    ("AWS::IAM::ManagedPolicy", Some("ManagedPolicyName")),
    ("AWS::IAM::Policy", None),
    ("AWS::IAM::Role", Some("RoleName")),
    ("AWS::IAM::User", Some("UserName")),
    ("AWS::IAM::UserToGroupAddition", None),
];

pub(super) fn required(template: &Template) -> BTreeSet<Capability> {
    let of_resources = template.resources.iter().filter_map(|(name, resource)| {
        let (_, name_property) = IAM.into_iter().find(|(kind, _)| *kind == resource.resource_type)?;
        let properties = template.body.get("Resources")?.get(name)?.get("Properties");
        let named = name_property.is_some_and(|name| properties.and_then(|it| it.get(name)).is_some());
        Some(if named { Capability::NamedIam } else { Capability::Iam })
    });
    let macros = template.has_macros || template.body.get("Resources").is_some_and(uses_macro);
    let mut required: BTreeSet<Capability> = of_resources.collect();
    if required.contains(&Capability::NamedIam) {
        // The wider one includes the other.
        required.remove(&Capability::Iam);
    }
    required.extend(macros.then_some(Capability::AutoExpand));
    required
}

fn uses_macro(resources: &Value) -> bool {
    resources.mentions("Fn::Transform")
}
