use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata as _};
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Holder, Record, Seen};
use crate::aws::failure;
use crate::failure::Failure;

/// The table's name: one for all projects of an account and region.
pub const TABLE: &str = "pipeline-leases";

/// Where one environment's lease is kept.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    /// `project/environment`.
    environment: String,
}

/// Why a lease was not written.
#[derive(Debug)]
pub enum Unwritten {
    /// Somebody wrote it since it was read.
    Changed,
    /// It could not be written, or nobody knows.
    Failed(Failure),
}

impl Table {
    /// The lease of an environment.
    #[must_use]
    pub fn of(client: Client, project: &str, environment: &str) -> Self {
        Self { client, environment: format!("{project}/{environment}") }
    }

    /// Reads the lease; `None` if there is no table.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn read(&self) -> Result<Option<Seen>, Failure> {
        let clock = Clock::default();
        let call = self
            .client
            .get_item()
            .table_name(TABLE)
            .key("environment", AttributeValue::S(self.environment.clone()))
            .consistent_read(true)
            .customize()
            .interceptor(clock.clone());
        match call.send().await {
            Ok(answer) => Ok(Some(Seen { record: answer.item().and_then(record), now: clock.now() })),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(failure(format!("GetItem of the lease of {}", self.environment), error)),
        }
    }

    /// Writes the lease if it still is what was read. Returns the table's time.
    ///
    /// # Errors
    /// If somebody else wrote it, or if it can't be written.
    pub async fn write(&self, record: &Record) -> Result<i64, Unwritten> {
        let clock = Clock::default();
        let before = AttributeValue::N((record.version - 1).to_string());
        let call = self
            .client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item(&self.environment, record)))
            .condition_expression("attribute_not_exists(version) OR version = :before")
            .expression_attribute_values(":before", before)
            .customize()
            .interceptor(clock.clone());
        match call.send().await {
            Ok(_) => Ok(clock.now()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Err(Unwritten::Changed),
            Err(error) => Err(Unwritten::Failed(failure(
                format!("PutItem of the lease of {}", self.environment),
                error,
            ))),
        }
    }
}

fn item(environment: &str, record: &Record) -> HashMap<String, AttributeValue> {
    let Record { version, holder, expires, wanted_for } = record;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = HashMap::from([
        ("environment".to_owned(), text(environment)),
        ("version".to_owned(), AttributeValue::N(version.to_string())),
        ("run".to_owned(), text(&holder.run)),
        ("holder".to_owned(), text(&holder.name)),
        ("commit".to_owned(), text(&holder.commit)),
        ("started".to_owned(), text(&holder.started)),
        ("expires".to_owned(), AttributeValue::N(expires.to_string())),
    ]);
    item.extend(wanted_for.iter().map(|commit| ("wanted_for".to_owned(), text(commit))));
    item
}

/// An item that this version can't read counts as none; its version stands in the way of writing over it.
fn record(item: &HashMap<String, AttributeValue>) -> Option<Record> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let number = |name: &str| item.get(name)?.as_n().ok();
    Some(Record {
        version: number("version")?.parse().ok()?,
        holder: Holder {
            run: text("run")?,
            name: text("holder")?,
            commit: text("commit")?,
            started: text("started")?,
        },
        expires: number("expires")?.parse().ok()?,
        wanted_for: text("wanted_for"),
    })
}

/// Takes down what time it is where the answer comes from.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<Mutex<Option<i64>>>);

impl Clock {
    /// Seconds since 1970; by this machine's clock if the answer did not tell.
    fn now(&self) -> i64 {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.unwrap_or_else(|| jiff::Timestamp::now().as_second())
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let time = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time.map(|time| time.secs());
        Ok(())
    }
}
