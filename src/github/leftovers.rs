//! What a run could not post is kept in the account, beside the environment's lease, for the next run to post.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;

use super::post::Post;
use crate::aws::failure;
use crate::failure::Failure;
use crate::lease::TABLE;

/// An item of the table holds 400 KB at most.
const LARGEST: usize = 300_000;

/// Where one environment's posts are kept.
#[derive(Debug, Clone)]
pub struct Leftovers {
    client: Client,
    /// `project/environment github`, which no environment's lease is called.
    key: String,
}

/// What was read, to be removed only if it still is that.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The posts.
    pub posts: Vec<Post>,
    text: Option<String>,
}

impl Leftovers {
    /// Those of an environment.
    #[must_use]
    pub fn of(client: Client, project: &str, environment: &str) -> Self {
        Self { client, key: format!("{project}/{environment} github") }
    }

    /// Reads what earlier runs have left. Without a table that is nothing.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn read(&self) -> Result<Kept, Failure> {
        let call =
            self.client.get_item().table_name(TABLE).key("environment", self.key()).consistent_read(true);
        let item = match call.send().await {
            Ok(answer) => answer.item,
            Err(error) if error.code() == Some("ResourceNotFoundException") => None,
            Err(error) => return Err(failure(format!("GetItem of {}", self.key), error)),
        };
        let text = item.and_then(|mut item| item.remove("posts")?.as_s().ok().cloned());
        // What another version has written in another form is as good as lost.
        let posts = text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Ok(Kept { posts, text })
    }

    /// Keeps these posts. Returns whether there is a table to keep them in.
    ///
    /// # Errors
    /// If they can't be written.
    pub async fn keep(&self, posts: &[Post]) -> Result<bool, Failure> {
        let put = self.client.put_item().table_name(TABLE).item("environment", self.key());
        match put.item("posts", AttributeValue::S(text_of(posts))).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(failure(format!("PutItem of {}", self.key), error)),
        }
    }

    /// Removes what was read, unless another run has put something else there.
    ///
    /// # Errors
    /// If it can't be removed.
    pub async fn remove(&self, kept: Kept) -> Result<(), Failure> {
        let Some(text) = kept.text else { return Ok(()) };
        let call = self.client.delete_item().table_name(TABLE).key("environment", self.key());
        let call = call.condition_expression("posts = :read");
        match call.expression_attribute_values(":read", AttributeValue::S(text)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(failure(format!("DeleteItem of {}", self.key), error)),
        }
    }

    fn key(&self) -> AttributeValue {
        AttributeValue::S(self.key.clone())
    }
}

/// The posts as they are kept: without their longest texts if they would not fit.
fn text_of(posts: &[Post]) -> String {
    let text = |posts: &[Post]| serde_json::to_string(posts).unwrap_or_default();
    let whole = text(posts);
    if whole.len() <= LARGEST {
        return whole;
    }
    let mut short = posts.to_vec();
    for post in &mut short {
        if let Post::Check(check) = post {
            check.summary.clone_from(&check.title);
            check.annotations.clear();
        }
    }
    text(&short)
}
