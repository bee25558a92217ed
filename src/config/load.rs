use std::collections::{BTreeMap, BTreeSet};

use super::rollout::rollout;
use super::values::{no_tags, parameter, path, scalar, text};
use super::{
    Approval, Build, Capability, Config, Environment, GitHub, RoleArn, Stack, Text, Workload, syntax,
};
use crate::diagnostic::{Mistake, Mistakes, Source};
use crate::yaml::{self, Node, Reader};

/// How large `pipeline.yaml` and the files of values may be, in bytes.
const MAX_SIZE: usize = 1024 * 1024;

/// How many environments there may be: each of them has a graph of all steps.
const MAX_ENVIRONMENTS: usize = 100;

const TEXT: &str = "a text, which may contain references";

pub(super) mod keys {
    //! The keys that are read; a test holds them against the JSON Schema.
    pub(in super::super) const CONFIG: &[&str] =
        &["project", "github", "environments", "stacks", "workloads"];
    pub(in super::super) const GITHUB: &[&str] = &["repository", "api_url"];
    pub(in super::super) const ENVIRONMENT: &[&str] =
        &["region", "account", "role", "plan_role", "branch", "approval", "endpoint", "registry", "url"];
    pub(in super::super) const STACK: &[&str] = &["template", "parameters", "capabilities", "tags"];
    pub(in super::super) const WORKLOAD: &[&str] = &["inputs", "build", "repository", "rollout"];
    pub(in super::super) const BUILD: &[&str] =
        &["command", "context", "dockerfile", "args", "target", "secrets", "platform"];
    pub(in super::super) const ROLLOUT: &[&str] = &["ecs", "lambda"];
    pub(in super::super) const ECS: &[&str] = &["cluster", "service", "task_definition", "alarms", "watch"];
    pub(in super::super) const LAMBDA: &[&str] = &["function", "alias", "strategy"];
    pub(in super::super) const STRATEGY: &[&str] = &["canary"];
    pub(in super::super) const CANARY: &[&str] = &["steps", "alarms", "minimum_invocations"];
    pub(in super::super) const CANARY_STEP: &[&str] = &["weight", "for"];
}

/// Reads the text of a `pipeline.yaml`; `file` is its path, for the messages.
///
/// # Errors
/// Everything that is wrong with it, or the one place at which it is no YAML.
pub fn load(file: &str, text: &str) -> Result<Config, Mistakes> {
    load_located(&Source { file, text }).map(|(config, _)| config)
}

/// As [`load`], with the tree that tells where everything stands.
pub(crate) fn load_located(source: &Source<'_>) -> Result<(Config, Node), Mistakes> {
    let root = parse(source)?;
    let mut reader = Reader::new(*source);
    no_tags(&mut reader, &root);
    let config = config(&mut reader, &root);
    reader.finish(config).map(|config| (config, root))
}

/// Values of parameters, by stack and parameter.
pub type Values = BTreeMap<String, BTreeMap<String, Text>>;

/// Reads an environment's values: stack → parameter → value.
pub(crate) fn load_values(source: &Source<'_>) -> Result<(Values, Node), Mistakes> {
    let root = parse(source)?;
    let mut reader = Reader::new(*source);
    no_tags(&mut reader, &root);
    let values = reader.named(&root, &syntax::NAME, |reader, _, node| parameters(reader, node));
    reader.finish(values).map(|values| (values, root))
}

fn parse(source: &Source<'_>) -> Result<Node, Mistakes> {
    if source.text.len() > MAX_SIZE {
        let message =
            format!("the file has {} bytes, of which at most {MAX_SIZE} are read", source.text.len());
        return Err(Mistake::about_file(source.file, message).into());
    }
    yaml::read(source)
}

fn config(reader: &mut Reader<'_>, node: &Node) -> Option<Config> {
    let fields = reader.fields(node, keys::CONFIG)?;
    let project = fields
        .required(reader, "project", "the project's name")
        .and_then(|node| reader.formed(node, &syntax::NAME));
    let github = fields.get("github").and_then(|node| github(reader, node));
    let environments = fields
        .required(reader, "environments", "at least one environment")
        .and_then(|node| environments(reader, node));
    let stacks = fields.get("stacks").and_then(|node| reader.named(node, &syntax::NAME, stack));
    let workloads = fields
        .get("workloads")
        .and_then(|node| reader.named(node, &syntax::NAME, |reader, _, node| workload(reader, node)));
    Some(Config {
        project: project?,
        github,
        environments: environments?,
        stacks: stacks.unwrap_or_default(),
        workloads: workloads.unwrap_or_default(),
    })
}

fn github(reader: &mut Reader<'_>, node: &Node) -> Option<GitHub> {
    let fields = reader.fields(node, keys::GITHUB)?;
    Some(GitHub {
        repository: fields.get("repository").and_then(|node| reader.formed(node, &syntax::REPOSITORY)),
        api_url: fields.get("api_url").and_then(|node| url(reader, node)),
    })
}

fn url(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.formed(node, &syntax::URL)
}

fn environments(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, Environment>> {
    let count = node.entries().len();
    if count > MAX_ENVIRONMENTS {
        let message = format!("these are {count} environments, of which at most {MAX_ENVIRONMENTS} are read");
        reader.wrong(node.place, message, |mistake| mistake);
        return None;
    }
    let environments = reader.named(node, &syntax::NAME, |reader, _, node| environment(reader, node))?;
    if count == 0 {
        reader.wrong(node.place, "there is no environment", |mistake| {
            mistake.hint("add one: `production: { region: eu-west-1 }`")
        });
    }
    Some(environments)
}

fn environment(reader: &mut Reader<'_>, node: &Node) -> Option<Environment> {
    let fields = reader.fields(node, keys::ENVIRONMENT)?;
    let region = fields
        .required(reader, "region", syntax::REGION.expected)
        .and_then(|node| reader.formed(node, &syntax::REGION));
    let account = fields.get("account").and_then(|node| reader.formed(node, &syntax::ACCOUNT));
    let deploying = fields.get("role").and_then(|node| role(reader, node, account.as_deref()));
    let plan_role = fields.get("plan_role").and_then(|node| role(reader, node, account.as_deref()));
    let branch = fields.get("branch").and_then(|node| reader.formed(node, &syntax::BRANCH));
    let approval = fields.get("approval").and_then(|node| approval(reader, node));
    let endpoint = fields.get("endpoint").and_then(|node| url(reader, node));
    let registry = fields.get("registry").and_then(|node| reader.formed(node, &syntax::REGISTRY));
    let url = fields.get("url").and_then(|node| text(reader, node, TEXT));
    Some(Environment {
        region: region?,
        account,
        role: deploying,
        plan_role,
        branch,
        approval,
        endpoint,
        registry,
        url,
    })
}

/// A role of another account could be taken on, and then be refused with each run.
fn role(reader: &mut Reader<'_>, node: &Node, account: Option<&str>) -> Option<RoleArn> {
    let role: RoleArn = reader.parsed(node, &syntax::ROLE)?;
    if let Some(account) = account.filter(|account| *account != role.account()) {
        let message = format!("the role is in account {}, the environment in {account}", role.account());
        reader.wrong(node.place, message, |mistake| mistake.hint("name a role of the environment's account"));
    }
    Some(role)
}

fn stack(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<Stack> {
    let fields = reader.fields(node, keys::STACK)?;
    let template = match fields.get("template") {
        Some(node) => path(reader, node),
        None => Some(format!("stacks/{name}/template.yaml")),
    };
    let parameters = fields.get("parameters").and_then(|node| parameters(reader, node));
    let capabilities = fields
        .get("capabilities")
        .and_then(|node| reader.list(node, "a list of capabilities", capability))
        .unwrap_or_default();
    let tags = fields.get("tags").and_then(|node| tags(reader, node));
    Some(Stack {
        template: template?,
        parameters: parameters.unwrap_or_default(),
        capabilities: BTreeSet::from_iter(capabilities),
        tags: tags.unwrap_or_default(),
    })
}

fn parameters(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, Text>> {
    reader.named(node, &syntax::PARAMETER, |reader, _, node| parameter(reader, node))
}

fn approval(reader: &mut Reader<'_>, node: &Node) -> Option<Approval> {
    const REQUIRED: &str = "required";
    let text = reader.string(node, "`required`, or leave it out")?;
    if text == REQUIRED {
        return Some(Approval::Required);
    }
    reader.wrong(node.place, format!("`{text}` is no kind of approval"), |mistake| {
        mistake.instead_of(&text, [REQUIRED])
    });
    None
}

fn capability(reader: &mut Reader<'_>, node: &Node) -> Option<Capability> {
    let names = || Capability::ALL.into_iter().map(Capability::as_str);
    let text = reader.string(node, "the name of a capability")?;
    let known = Capability::ALL.into_iter().find(|known| known.as_str() == text);
    if known.is_none() {
        reader.wrong(node.place, format!("`{text}` is no capability"), |mistake| {
            mistake.instead_of(&text, names())
        });
    }
    known
}

fn tags(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    reader.named(node, &syntax::TAG, |reader, _, node| {
        const EXPECTED: &str = "a text of at most 256 characters";
        let value = scalar(reader, node, EXPECTED)?;
        if value.references().next().is_some() {
            reader.wrong(node.place, "a tag can't contain references", |mistake| {
                mistake.expected(EXPECTED).hint("to write `${` itself, write `$${`")
            });
        }
        let value = value.resolve(|_| None).ok()?;
        if value.chars().count() > 256 {
            reader.wrong(node.place, "this is too long for a tag", |mistake| mistake.expected(EXPECTED));
        }
        Some(value)
    })
}

fn workload(reader: &mut Reader<'_>, node: &Node) -> Option<Workload> {
    const REPOSITORY: &str = "the repository to push to, such as \"${stacks.ecr.RepositoryUri}\"";
    const INPUTS: &str = "a list of files and directories that the image is made from";
    let fields = reader.fields(node, keys::WORKLOAD)?;
    let inputs = fields.required(reader, "inputs", INPUTS).and_then(|node| inputs(reader, node, INPUTS));
    let build = build(reader, fields.get("build"));
    let repository =
        fields.required(reader, "repository", REPOSITORY).and_then(|node| text(reader, node, REPOSITORY));
    let rollout = fields.get("rollout").and_then(|node| rollout(reader, node));
    Some(Workload { inputs: inputs?, build: build?, repository: repository?, rollout })
}

fn inputs(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<Vec<String>> {
    let inputs = reader.list(node, expected, path)?;
    if node.items().is_empty() {
        reader.wrong(node.place, "there are no inputs", |mistake| mistake.expected(expected));
    }
    Some(inputs)
}

fn build(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Build> {
    let Some(node) = node else { return Some(Build::default()) };
    let fields = reader.fields(node, keys::BUILD)?;
    let command = fields.get("command").and_then(|node| reader.string(node, "a shell command"));
    let context = fields.get("context").and_then(|node| path(reader, node));
    let dockerfile = fields.get("dockerfile").and_then(|node| path(reader, node));
    let args = fields.get("args").and_then(|node| {
        reader.named(node, &syntax::ARGUMENT, |reader, _, node| {
            scalar(reader, node, "a text, a number or a boolean")
        })
    });
    let target = fields.get("target").and_then(|node| reader.string(node, "the name of a stage"));
    let secrets = fields.get("secrets").and_then(|node| {
        reader.list(node, "a list of environment variables", |reader, node| {
            reader.formed(node, &syntax::VARIABLE)
        })
    });
    let platform = fields.get("platform").and_then(|node| reader.formed(node, &syntax::PLATFORM));
    let defaults = Build::in_context(context.unwrap_or_else(|| ".".to_owned()));
    Some(Build {
        command,
        dockerfile: dockerfile.unwrap_or(defaults.dockerfile),
        args: args.unwrap_or_default(),
        target,
        secrets: secrets.unwrap_or_default(),
        platform: platform.unwrap_or(defaults.platform),
        context: defaults.context,
    })
}
