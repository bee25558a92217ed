use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use futures::{StreamExt as _, TryStreamExt as _, future, stream};

use super::Name;
use crate::handler::Invocation;

/// How many items a call takes: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
const READS: usize = 100;
const WRITES: usize = 25;
/// How many calls are made side by side.
const CALLS: usize = 8;
/// How long a lock is held without being renewed: longer than any pause of an instance that is alive, and as long as others
/// wait for one that was killed.
const LEASE: Duration = Duration::from_secs(5);
/// How long it takes until a lock that was held is tried again.
const LOOK: Duration = Duration::from_millis(250);
/// How often a call is repeated for what DynamoDB left undone under load, and the first pause before that.
const REPEATS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(50);

/// Attributes of the items. DynamoDB deletes an item some time after it has expired.
const ID: &str = "id";
const EXPIRES_AT: &str = "expires_at";
/// Attributes of a lock, whose id is `lock` and the partition.
const OWNER: &str = "owner";
const UNTIL: &str = "until";

/// A DynamoDB table. An event costs one read and one write of an item, a partition's part of a batch two writes.
pub struct Table {
    client: Client,
    name: String,
    memory: Duration,
}

impl Table {
    /// The table of this name, in which events are remembered that long.
    #[must_use]
    pub fn new(client: Client, name: String, memory: Duration) -> Self {
        Self { client, name, memory }
    }

    pub(super) async fn with_lock<T>(
        &self,
        partitions: &[&str],
        invocation: &Invocation,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let locks = partitions.iter().map(|partition| self.lock(partition, invocation));
        let locked = future::try_join_all(locks).await;
        let done = if let Err(error) = locked {
            Err(error)
        } else {
            tokio::select! {
                done = work => done,
                never = self.renew(partitions, invocation) => match never {},
            }
        };
        self.unlock(partitions, invocation).await;
        done
    }

    async fn renew(&self, partitions: &[&str], invocation: &Invocation) -> Infallible {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            let locks = partitions.iter().map(|partition| self.try_lock(partition, invocation));
            if let Err(error) = future::try_join_all(locks).await {
                tracing::warn!(error = format!("{error:#}"), "a lock was not renewed");
            }
        }
    }

    async fn lock(&self, partition: &str, invocation: &Invocation) -> anyhow::Result<()> {
        loop {
            let Some(held_until) = self.try_lock(partition, invocation).await? else { return Ok(()) };
            ensure!(
                held_until < invocation.deadline,
                "another instance may still be at work on {partition}; it is to be tried again"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Until when another instance holds the lock; `None` once this one does.
    async fn try_lock(&self, partition: &str, invocation: &Invocation) -> anyhow::Result<Option<SystemTime>> {
        let now = SystemTime::now();
        let until = millis(now + LEASE);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .item(ID, lock(partition))
            .item(OWNER, AttributeValue::S(invocation.request_id.clone()))
            .item(UNTIL, number(until))
            .item(EXPIRES_AT, number(until / 1000 + 1))
            .condition_expression("attribute_not_exists(#id) OR #until <= :now OR #owner = :owner")
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":now", number(millis(now)))
            .expression_attribute_values(":owner", AttributeValue::S(invocation.request_id.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(None),
            Err(PutItemError::ConditionalCheckFailedException(held)) => {
                Ok(Some(held_until(held.item.as_ref()).unwrap_or(now)))
            }
            Err(error) => Err(error).with_context(|| self.could_not("take a lock in")),
        }
    }

    async fn unlock(&self, partitions: &[&str], invocation: &Invocation) {
        let delete = |partition: &&str| {
            self.client
                .delete_item()
                .table_name(&self.name)
                .key(ID, lock(partition))
                .condition_expression("#owner = :owner")
                .expression_attribute_names("#owner", OWNER)
                .expression_attribute_values(":owner", AttributeValue::S(invocation.request_id.clone()))
                .send()
        };
        // One that stays ends by itself.
        future::join_all(partitions.iter().map(delete)).await;
    }

    pub(super) async fn processed(&self, names: &HashSet<Name>) -> anyhow::Result<HashSet<Name>> {
        let names: Vec<&Name> = names.iter().collect();
        let chunks: Vec<Vec<Key>> =
            names.chunks(READS).map(|chunk| chunk.iter().map(|name| key(name)).collect()).collect();
        let found = stream::iter(chunks).map(|keys| self.read(keys)).buffer_unordered(CALLS);
        found.try_concat().await.map(|found| found.into_iter().collect())
    }

    async fn read(&self, keys: Vec<Key>) -> anyhow::Result<Vec<Name>> {
        let mut found = Vec::new();
        let mut left = Some(keys);
        for repeat in 0..REPEATS {
            let Some(keys) = left.take() else { return Ok(found) };
            pause_before(repeat).await;
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .projection_expression("#id")
                .expression_attribute_names("#id", ID)
                .build()?;
            let answer = self.client.batch_get_item().request_items(&self.name, wanted).send().await;
            let answer =
                answer.map_err(SdkError::into_service_error).with_context(|| self.could_not("read"))?;
            let items = answer.responses.unwrap_or_default().into_values().flatten();
            found.extend(items.filter_map(|mut item| match item.remove(ID)? {
                AttributeValue::S(id) => Some(Name(id)),
                _ => None,
            }));
            let unread = answer.unprocessed_keys.unwrap_or_default().into_values().map(|keys| keys.keys);
            left = unread.reduce(|all, more| [all, more].concat()).filter(|keys| !keys.is_empty());
        }
        ensure!(left.is_none(), "{}: it has no capacity left", self.could_not("read"));
        Ok(found)
    }

    pub(super) async fn record(&self, names: Vec<Name>) -> anyhow::Result<()> {
        let expires_at = number(millis(SystemTime::now() + self.memory) / 1000);
        let put = |name: &Name| -> anyhow::Result<WriteRequest> {
            let put = PutRequest::builder()
                .item(ID, AttributeValue::S(name.0.clone()))
                .item(EXPIRES_AT, expires_at.clone());
            Ok(WriteRequest::builder().put_request(put.build()?).build())
        };
        let chunks = names.chunks(WRITES).map(|chunk| chunk.iter().map(put).collect());
        let chunks: Vec<Vec<WriteRequest>> = chunks.collect::<anyhow::Result<_>>()?;
        stream::iter(chunks).map(Ok).try_for_each_concurrent(CALLS, |puts| self.write(puts)).await
    }

    async fn write(&self, puts: Vec<WriteRequest>) -> anyhow::Result<()> {
        let mut left = puts;
        for repeat in 0..REPEATS {
            if left.is_empty() {
                return Ok(());
            }
            pause_before(repeat).await;
            let answer = self.client.batch_write_item().request_items(&self.name, left).send().await;
            let answer =
                answer.map_err(SdkError::into_service_error).with_context(|| self.could_not("write to"))?;
            left = answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        }
        ensure!(left.is_empty(), "{}: it has no capacity left", self.could_not("write to"));
        Ok(())
    }

    fn could_not(&self, what: &str) -> String {
        format!("could not {what} the table {}", self.name)
    }
}

type Key = HashMap<String, AttributeValue>;

fn key(name: &Name) -> Key {
    HashMap::from([(ID.to_owned(), AttributeValue::S(name.0.clone()))])
}

fn lock(partition: &str) -> AttributeValue {
    AttributeValue::S(format!("lock {partition}"))
}

fn held_until(item: Option<&Key>) -> Option<SystemTime> {
    let AttributeValue::N(until) = item?.get(UNTIL)? else { return None };
    Some(UNIX_EPOCH + Duration::from_millis(until.parse().ok()?))
}

fn number(value: u128) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

async fn pause_before(repeat: u32) {
    if repeat > 0 {
        tokio::time::sleep(PAUSE * 2_u32.pow(repeat - 1)).await;
    }
}
