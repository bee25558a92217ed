use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Stack, TemplateStage};
use futures::future::try_join_all;

use crate::aws::failure;
use crate::failure::Failure;
use crate::template::{Template, Value};

/// A stack as it is.
#[derive(Debug, Clone)]
pub struct Live {
    /// The stack's ARN.
    pub id: String,
    /// What state it is in.
    pub status: Status,
    /// The ARN of the change set that was executed last.
    pub change_set: Option<String>,
    /// Every parameter; those marked `NoEcho` show as asterisks.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// What the template that it was last applied with says, unless that can't be read any more.
    pub template: Option<Value>,
}

/// A stack's status, `UPDATE_COMPLETE`, with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(pub String);

impl Status {
    /// An operation is under way.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.0.ends_with("_IN_PROGRESS") && !self.never_created()
    }

    /// A change set was made for a stack that does not exist, and not executed.
    #[must_use]
    pub fn never_created(&self) -> bool {
        self.0 == "REVIEW_IN_PROGRESS"
    }

    /// The last operation did what it should.
    #[must_use]
    pub fn good(&self) -> bool {
        matches!(self.0.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }

    /// The stack stands and can be updated: the last operation succeeded or was taken back whole.
    #[must_use]
    pub fn updatable(&self) -> bool {
        self.good() || matches!(self.0.as_str(), "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE")
    }

    /// A failed update was not taken back whole; that has to be finished before the next one.
    #[must_use]
    pub fn half_rolled_back(&self) -> bool {
        matches!(self.0.as_str(), "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED")
    }

    /// The creation failed; what is left can only be deleted.
    #[must_use]
    pub fn failed_creation(&self) -> bool {
        matches!(self.0.as_str(), "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED")
    }

    /// There is no stack any more.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.0 == "DELETE_COMPLETE"
    }
}

/// Every stack of the account and region whose name is asked for, with its template.
///
/// # Errors
/// If the stacks can't be read.
pub async fn observe_all(client: &Client, names: &[String]) -> Result<BTreeMap<String, Live>, Failure> {
    let stacks = describe_all(client, names).await?;
    let lives = try_join_all(stacks.into_iter().map(|stack| with_template(client, stack))).await?;
    Ok(lives.into_iter().filter(|(_, live)| !live.status.gone()).collect())
}

/// Like [`observe_all`], without the templates.
///
/// # Errors
/// If the stacks can't be read.
pub async fn describe(client: &Client, names: &[String]) -> Result<BTreeMap<String, Live>, Failure> {
    let stacks = describe_all(client, names).await?.into_iter();
    let lives = stacks.map(|stack| (stack.stack_name().unwrap_or_default().to_owned(), live(&stack, None)));
    Ok(lives.filter(|(_, live)| !live.status.gone()).collect())
}

/// One stack by its name or ARN, without its template; `None` if there is no such stack.
///
/// # Errors
/// If it can't be read.
pub async fn observe(client: &Client, name_or_id: &str) -> Result<Option<Live>, Failure> {
    match client.describe_stacks().stack_name(name_or_id).send().await {
        Ok(answer) => {
            Ok(answer.stacks.unwrap_or_default().into_iter().next().map(|stack| live(&stack, None)))
        }
        Err(error) if not_found(&error) => Ok(None),
        Err(error) => Err(failure(format!("DescribeStacks on {name_or_id}"), error)),
    }
}

/// Like [`observe`], with the template.
///
/// # Errors
/// If it can't be read.
pub async fn observe_whole(client: &Client, name: &str) -> Result<Option<Live>, Failure> {
    let Some(mut live) = observe(client, name).await? else { return Ok(None) };
    if live.status.gone() {
        return Ok(None);
    }
    live.template = original_template(client, name).await?;
    Ok(Some(live))
}

/// One call lists every stack there is; asking for each by its name would take a call per stack.
async fn describe_all(client: &Client, names: &[String]) -> Result<Vec<Stack>, Failure> {
    let mut stacks = Vec::new();
    let mut token = None;
    loop {
        let (found, next) = page_of_all(client, names, token).await?;
        stacks.extend(found);
        token = next;
        if token.is_none() {
            return Ok(stacks);
        }
    }
}

/// Those with these names on one page of the list of all stacks, without their templates, and where the next page begins.
///
/// # Errors
/// If it can't be read.
pub(super) async fn page(
    client: &Client,
    names: &[String],
    token: Option<String>,
) -> Result<(Vec<Live>, Option<String>), Failure> {
    let (stacks, next) = page_of_all(client, names, token).await?;
    Ok((stacks.iter().map(|stack| live(stack, None)).collect(), next))
}

async fn page_of_all(
    client: &Client,
    names: &[String],
    token: Option<String>,
) -> Result<(Vec<Stack>, Option<String>), Failure> {
    let answer = client.describe_stacks().set_next_token(token).send().await;
    let answer = answer.map_err(|error| failure("DescribeStacks", error))?;
    let wanted = |stack: &Stack| names.iter().any(|name| Some(name.as_str()) == stack.stack_name());
    let stacks = answer.stacks.unwrap_or_default().into_iter().filter(wanted);
    Ok((stacks.collect(), answer.next_token))
}

async fn with_template(client: &Client, stack: Stack) -> Result<(String, Live), Failure> {
    let name = stack.stack_name().unwrap_or_default().to_owned();
    let template = original_template(client, &name).await?;
    Ok((name, live(&stack, template)))
}

/// A live template that this version can't read compares as different, and the change set tells the truth.
async fn original_template(client: &Client, name: &str) -> Result<Option<Value>, Failure> {
    match client.get_template().stack_name(name).template_stage(TemplateStage::Original).send().await {
        Ok(answer) => Ok(answer.template_body().and_then(|text| Template::body_of(text).ok())),
        Err(error) if not_found(&error) => Ok(None),
        Err(error) => Err(failure(format!("GetTemplate on {name}"), error)),
    }
}

/// CloudFormation has no error code of its own for a stack that does not exist.
fn not_found<E, R>(error: &aws_sdk_cloudformation::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_cloudformation::error::ProvideErrorMetadata,
{
    error.as_service_error().is_some_and(|error| {
        error.code() == Some("ValidationError")
            && error.message().is_some_and(|text| text.contains("does not exist"))
    })
}

fn live(stack: &Stack, template: Option<Value>) -> Live {
    let parameters = stack.parameters().iter().filter_map(|parameter| {
        let value = parameter.parameter_value()?;
        Some((parameter.parameter_key()?.to_owned(), value.to_owned()))
    });
    let outputs = stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())));
    let tags = stack
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    Live {
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: Status(stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default()),
        change_set: stack.change_set_id().map(str::to_owned),
        parameters: parameters.collect(),
        tags: tags.collect(),
        outputs: outputs.collect(),
        template,
    }
}
