use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudcontrol::error::ProvideErrorMetadata as _;
use futures::future::join_all;
use serde::Deserialize;

use super::subject::Stack;
use super::{Finding, dns};
use crate::aws::{Session, failure};
use crate::failure::Failure;
use crate::template::Found;

const CHECK: &str = "zones";

/// Whether the hosted zones that names and certificates are put into exist, hold these names, and are asked by the
/// world. A certificate in a zone that nobody asks is never issued, and its stack waits for hours.
pub async fn check(stacks: &[Stack<'_>], session: &Session) -> Vec<Finding> {
    let mut zones: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for (zone, used) in stacks.iter().flat_map(uses) {
        zones.entry(zone).or_default().push(used);
    }
    let zones = zones.iter().map(|(id, uses)| async move {
        match look(session, id, uses).await {
            Ok(finding) => finding,
            Err(failure) => Finding::failed(CHECK, failure),
        }
    });
    join_all(zones).await
}

/// A name that is put into a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    place: String,
    /// If it is known.
    domain: Option<String>,
}

/// The names that a stack puts into zones that are known.
fn uses(stack: &Stack<'_>) -> Vec<(String, Use)> {
    let scope = stack.scope();
    let zone = |found| scope.text(found).map(|id| id.trim_start_matches("/hostedzone/").to_owned());
    let mut uses = Vec::new();
    for (name, _) in stack.resources("AWS::Route53::RecordSet") {
        let domain = scope.text(scope.property(name, &["Name"]));
        if let Some(id) = zone(scope.property(name, &["HostedZoneId"])) {
            uses.push((id, Use { place: stack.place(name, &["HostedZoneId"]), domain }));
        }
    }
    for (name, _) in stack.resources("AWS::CertificateManager::Certificate") {
        let place = stack.place(name, &["DomainValidationOptions"]);
        let options = scope.items(scope.property(name, &["DomainValidationOptions"])).unwrap_or_default();
        uses.extend(options.into_iter().filter_map(|option: Found<'_>| {
            let domain = scope.text(scope.below(option, &["DomainName"]));
            Some((zone(scope.below(option, &["HostedZoneId"]))?, Use { place: place.clone(), domain }))
        }));
    }
    uses
}

/// A hosted zone, as Cloud Control describes it.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-route53-hostedzone.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Zone {
    #[serde(default)]
    name: String,
    #[serde(default)]
    name_servers: Vec<String>,
    /// Those of a private zone, which is asked from within these networks only.
    #[serde(default, rename = "VPCs")]
    vpcs: Vec<serde_json::Value>,
}

async fn look(session: &Session, id: &str, uses: &[Use]) -> Result<Finding, Failure> {
    let places: Vec<&str> = uses.iter().map(|used| used.place.as_str()).collect();
    let call = session.cloudcontrol.get_resource().type_name("AWS::Route53::HostedZone").identifier(id);
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            return Err(Failure::new(format!(
                "there is no hosted zone {id}, which {} names",
                places.join(", ")
            ))
            .hint("check the parameter against `aws route53 list-hosted-zones`"));
        }
        Err(error) => {
            return Ok(Finding::warning(
                CHECK,
                failure(format_args!("GetResource of the hosted zone {id}"), error),
            ));
        }
    };
    let properties = answer.resource_description().and_then(|it| it.properties()).unwrap_or_default();
    let zone: Zone = serde_json::from_str(properties)
        .map_err(|error| Failure::new(format!("GetResource of the hosted zone {id}: {error}")))?;
    outside(&zone, uses)?;
    let domain = plain(&zone.name);
    if !zone.vpcs.is_empty() {
        return Ok(Finding::good(CHECK, format!("{domain} ({id}) is a private zone")));
    }
    match dns::name_servers(&domain).await {
        Ok(found) => delegated(&domain, id, &zone, &found),
        Err(reason) => {
            let failure = Failure::new(format!(
                "whether {domain} is delegated to the zone {id} can't be told: {reason}"
            ))
            .hint(format!("compare `dig NS {domain}` with the zone's name servers"));
            Ok(Finding::warning(CHECK, failure))
        }
    }
}

fn outside(zone: &Zone, uses: &[Use]) -> Result<(), Failure> {
    let name = plain(&zone.name);
    let is_outside = |domain: &str| domain != name && !domain.ends_with(&format!(".{name}"));
    for Use { place, domain } in uses {
        if let Some(domain) = domain.as_deref().map(plain).filter(|domain| is_outside(domain)) {
            return Err(Failure::new(format!("{place}: {domain} is not within the zone {name}"))
                .hint("name the zone of that domain, or another domain"));
        }
    }
    Ok(())
}

/// One name server in common is enough: others can be on their way in or out.
fn delegated(domain: &str, id: &str, zone: &Zone, found: &BTreeSet<String>) -> Result<Finding, Failure> {
    let own: BTreeSet<String> = zone.name_servers.iter().map(|server| plain(server)).collect();
    if own.intersection(found).next().is_some() {
        return Ok(Finding::good(CHECK, format!("{domain} is delegated to the hosted zone {id}")));
    }
    let list = |servers: &BTreeSet<String>| servers.iter().cloned().collect::<Vec<_>>().join(", ");
    let asked = if found.is_empty() { "nobody".to_owned() } else { list(found) };
    Err(Failure::new(format!(
        "{domain} is not delegated to the hosted zone {id}: no certificate would be issued"
    ))
    .detail(format!("DNS asks {asked}"))
    .detail(format!("the zone is at {}", list(&own)))
    .hint("set these name servers at the registrar, or as NS records in the zone above"))
}

/// In lower case, without the dot at the end.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_lowercase()
}
