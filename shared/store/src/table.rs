//! The one table: conditional writes, claims with fencing, the due index, the trail.
//!
//! Every item has a version that grows by one with each write, and the attempt id of its last write. A write whose
//! condition fails although the stored attempt is its own has succeeded before: its answer was lost. Whatever has
//! work left carries `due` and `due_at` and stands in the sparse index `due`, which may be stale: workers re-read and
//! claim by conditional write before they act.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, Put, ScalarAttributeType, TransactWriteItem,
};
use chrono::{DateTime, Duration, Utc};
use edge::{Error, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::item::Key;

/// The version of what is written; code refuses items of a newer one.
pub const SCHEMA: u64 = 1;

/// The functions whose items carry due times. An item names the one that has to work on it next: `discover-payouts`
/// for a connection, `fetch-settlement` for a settlement that is announced, `post-voucher` for one that is fetched and
/// for a voucher, `fetch-bank` for a bank connection, `reconcile` for a company.
pub const FUNCTIONS: &[&str] =
    &["discover-payouts", "fetch-settlement", "post-voucher", "fetch-bank", "reconcile"];

/// How many shards the due index of a function has.
pub const SHARDS: u32 = 16;

/// Attempts without progress after which an item is held as poison.
pub const TRIES_MAX: u64 = 8;

/// When an item is due, and for which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The function's name, one of [`FUNCTIONS`].
    pub function: &'static str,
    /// From when on.
    pub at: DateTime<Utc>,
}

/// A claim: who may write an item until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Grows with each claim; writes of an older holder are refused.
    pub fence: u64,
    /// The end of the claim.
    pub until: DateTime<Utc>,
    /// The worker.
    pub holder: String,
}

/// An item as read.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// Its key.
    pub key: Key,
    /// Grows by one with each write.
    pub version: u64,
    /// The content.
    pub body: T,
    /// When work is due, and for which function.
    pub due: Option<Due>,
    /// Whoever claimed it last; a lapsed claim stays visible.
    pub lease: Option<Lease>,
    /// Claims since the last progress.
    pub tries: u64,
}

/// One entry of an item's append-only history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// When, by the clock of the worker.
    pub at: DateTime<Utc>,
    /// The worker or person.
    pub who: String,
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Why.
    pub cause: String,
    /// The configuration version (hash), if one decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// The version of the code.
    pub code: String,
}

impl Trail {
    /// An entry of now by this worker.
    pub fn new(world: &World, from: impl ToString, to: impl ToString, cause: impl Into<String>) -> Trail {
        Trail {
            at: world.clock.now(),
            who: world.worker.clone(),
            from: from.to_string(),
            to: to.to_string(),
            cause: cause.into(),
            config: String::new(),
            code: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The entry with the configuration version that decided.
    pub fn under(mut self, config: &str) -> Trail {
        self.config = config.to_owned();
        self
    }
}

/// What a claim found.
#[derive(Debug)]
pub enum Claim<T> {
    /// Ours until the lease ends.
    Taken(Box<Stored<T>>),
    /// Somebody else holds it.
    Busy,
    /// There is no such item.
    Gone,
}

/// What a conditional write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done (perhaps by an earlier try of the same write).
    Yes,
    /// Somebody else wrote in between, or took the claim over.
    Lost,
}

/// The table.
pub struct Table<'w> {
    world: &'w World,
}

type Attributes = HashMap<String, AttributeValue>;

impl<'w> Table<'w> {
    /// The table of a world.
    pub fn of(world: &'w World) -> Table<'w> {
        Table { world }
    }

    /// Makes the table on one machine; in the cloud the deployment has made it.
    ///
    /// # Errors
    ///
    /// If the store refuses.
    pub async fn create_if_missing(&self) -> Result<(), Error> {
        let client = &self.world.dynamodb;
        let name = &self.world.places.table;
        if client.describe_table().table_name(name).send().await.is_ok() {
            return Ok(());
        }
        let built =
            |error: aws_sdk_dynamodb::error::BuildError| Error::bug("table definition").because(error);
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let schema =
            |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let mut request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for name in ["pk", "sk", "due", "due_at"] {
            request = request.attribute_definitions(attribute(name).map_err(built)?);
        }
        let index = GlobalSecondaryIndex::builder()
            .index_name("due")
            .key_schema(schema("due", KeyType::Hash).map_err(built)?)
            .key_schema(schema("due_at", KeyType::Range).map_err(built)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()
            .map_err(built)?;
        request
            .key_schema(schema("pk", KeyType::Hash).map_err(built)?)
            .key_schema(schema("sk", KeyType::Range).map_err(built)?)
            .global_secondary_indexes(index)
            .send()
            .await?;
        Ok(())
    }

    /// Reads an item, strongly consistent.
    ///
    /// # Errors
    ///
    /// If the store does not answer or the item is of a newer version of bilag.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, Error> {
        let answer = self
            .world
            .dynamodb
            .get_item()
            .table_name(&self.world.places.table)
            .key("pk", AttributeValue::S(key.company.clone()))
            .key("sk", AttributeValue::S(key.item.clone()))
            .consistent_read(true)
            .send()
            .await?;
        answer.item.map(|item| stored(&item)).transpose()
    }

    /// Writes a new item; [`Written::Lost`] if it exists.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn create<T: Serialize>(
        &self,
        key: &Key,
        body: &T,
        due: Option<Due>,
        trail: Option<Trail>,
    ) -> Result<Written, Error> {
        let item = self.attributes(key, 1, body, due)?;
        self.write(key, item, "attribute_not_exists(pk)", Vec::new(), trail, 1).await
    }

    /// Replaces an item that nobody claims, if it is still at the version that was read.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn replace<T: Serialize>(
        &self,
        read: &Stored<T>,
        due: Option<Due>,
        trail: Option<Trail>,
    ) -> Result<Written, Error> {
        let version = read.version + 1;
        let mut item = self.attributes(&read.key, version, &read.body, due)?;
        if let Some(lease) = &read.lease {
            item.insert("fence".to_owned(), AttributeValue::N(lease.fence.to_string()));
        }
        let now = AttributeValue::N(millis(self.world.clock.now()));
        let values = vec![(":version", AttributeValue::N(read.version.to_string())), (":now", now)];
        let condition = "version = :version AND (attribute_not_exists(lease_until) OR lease_until <= :now)";
        self.write(&read.key, item, condition, values, trail, version).await
    }

    /// Claims an item for `lease`: reads it strongly and takes it by conditional write. Counts a try.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn claim<T: DeserializeOwned + Serialize>(
        &self,
        key: &Key,
        lease: Duration,
    ) -> Result<Claim<T>, Error> {
        let Some(mut read) = self.get::<T>(key).await? else {
            return Ok(Claim::Gone);
        };
        let now = self.world.clock.now();
        if read.lease.as_ref().is_some_and(|lease| lease.until > now) {
            return Ok(Claim::Busy);
        }
        let fence = read.lease.as_ref().map_or(0, |lease| lease.fence) + 1;
        let until = now + lease;
        let before = read.version;
        read.version += 1;
        read.tries += 1;
        read.lease = Some(Lease { fence, until, holder: self.world.worker.clone() });
        // A dead worker's item comes up again when its lease ends.
        read.due = read.due.map(|due| Due { at: until, ..due });
        let mut item = self.attributes(key, read.version, &read.body, read.due)?;
        self.put_lease(&mut item, &read);
        let values = vec![(":version", AttributeValue::N(before.to_string()))];
        match self.write(key, item, "version = :version", values, None, read.version).await? {
            Written::Yes => Ok(Claim::Taken(Box::new(read))),
            Written::Lost => Ok(Claim::Busy),
        }
    }

    /// Writes a claimed item and keeps the claim: progress. [`Written::Lost`] if another worker took it over.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn save<T: Serialize>(
        &self,
        held: &mut Stored<T>,
        trail: Option<Trail>,
    ) -> Result<Written, Error> {
        held.tries = 0;
        let mut item = self.attributes(&held.key, held.version + 1, &held.body, held.due)?;
        self.put_lease(&mut item, held);
        self.fenced(held, item, trail).await
    }

    /// Writes a claimed item and ends the claim. `progress` resets the count of tries.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn release<T: Serialize>(
        &self,
        held: &mut Stored<T>,
        due: Option<Due>,
        progress: bool,
        trail: Option<Trail>,
    ) -> Result<Written, Error> {
        if progress {
            held.tries = 0;
        }
        held.due = due;
        let mut item = self.attributes(&held.key, held.version + 1, &held.body, due)?;
        let fence = held.lease.as_ref().map_or(0, |lease| lease.fence);
        item.insert("fence".to_owned(), AttributeValue::N(fence.to_string()));
        item.insert("tries".to_owned(), AttributeValue::N(held.tries.to_string()));
        self.fenced(held, item, trail).await
    }

    async fn fenced<T>(
        &self,
        held: &mut Stored<T>,
        item: Attributes,
        trail: Option<Trail>,
    ) -> Result<Written, Error> {
        let fence = held.lease.as_ref().map_or(0, |lease| lease.fence);
        let values = vec![
            (":version", AttributeValue::N(held.version.to_string())),
            (":fence", AttributeValue::N(fence.to_string())),
        ];
        let written = self
            .write(&held.key, item, "version = :version AND fence = :fence", values, trail, held.version + 1)
            .await?;
        if written == Written::Yes {
            held.version += 1;
        }
        Ok(written)
    }

    /// All items of a company whose key begins with `prefix`, in key order, page by page.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn list<T: DeserializeOwned>(
        &self,
        company: &str,
        prefix: &str,
    ) -> Result<Vec<Stored<T>>, Error> {
        let mut found = Vec::new();
        let mut start: Option<Attributes> = None;
        loop {
            let page = self
                .world
                .dynamodb
                .query()
                .table_name(&self.world.places.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":pk", AttributeValue::S(company.to_owned()))
                .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned()))
                .set_exclusive_start_key(start.take())
                .send()
                .await?;
            for item in page.items() {
                found.push(stored(item)?);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(found),
            }
        }
    }

    /// The history of an item, oldest first.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn trail(&self, key: &Key) -> Result<Vec<Trail>, Error> {
        let entries = self.list::<Trail>(&key.company, &format!("t#{}#", key.item)).await?;
        Ok(entries.into_iter().map(|entry| entry.body).collect())
    }

    /// Appends to an item's history without touching the item: what a fenced-off worker learned.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn note(&self, key: &Key, trail: &Trail) -> Result<(), Error> {
        let attempt = self.world.attempt();
        let note = Key {
            company: key.company.clone(),
            item: format!("t#{}#{:012}#{attempt}", key.item, 999_999_999_999u64),
        };
        self.create(&note, trail, None, None).await?;
        Ok(())
    }

    /// What is due for a function in one shard, oldest first; at most 500 keys. The index may be stale.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn due(&self, function: &str, shard: u32) -> Result<Vec<(String, Key)>, Error> {
        let now = stamp(self.world.clock.now());
        let page = self
            .world
            .dynamodb
            .query()
            .table_name(&self.world.places.table)
            .index_name("due")
            .key_condition_expression("due = :due AND due_at <= :now")
            .expression_attribute_values(":due", AttributeValue::S(format!("due#{function}#{shard:02}")))
            .expression_attribute_values(":now", AttributeValue::S(now))
            .limit(500)
            .send()
            .await?;
        page.items().iter().map(|item| Ok((text(item, "due_at")?, key_of(item)?))).collect()
    }

    /// When the next item of a function is due, past or future; `None` if nothing is. The index may be stale.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn next_due(&self, function: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let mut next: Option<DateTime<Utc>> = None;
        for shard in 0..SHARDS {
            let page = self
                .world
                .dynamodb
                .query()
                .table_name(&self.world.places.table)
                .index_name("due")
                .key_condition_expression("due = :due")
                .expression_attribute_values(":due", AttributeValue::S(format!("due#{function}#{shard:02}")))
                .limit(1)
                .send()
                .await?;
            for item in page.items() {
                let at =
                    DateTime::parse_from_rfc3339(&text(item, "due_at")?).map(|at| at.with_timezone(&Utc));
                let at = at.map_err(|_| Error::bug("a due time is none"))?;
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(next)
    }

    /// Ends the claims of a worker that is known to be dead, at once and without counting a try. Returns how many.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn lapse(&self, company: &str, prefixes: &[&str], dead: &str) -> Result<usize, Error> {
        let mut lapsed = 0;
        for prefix in prefixes {
            for mut item in self.list::<serde_json::Value>(company, prefix).await? {
                let ours = item
                    .lease
                    .as_ref()
                    .filter(|lease| lease.holder == dead && lease.until > self.world.clock.now());
                if ours.is_none() {
                    continue;
                }
                let due = item.due.map(|due| Due { at: self.world.clock.now(), ..due });
                item.tries = item.tries.saturating_sub(1);
                self.release(&mut item, due, false, None).await?;
                lapsed += 1;
            }
        }
        Ok(lapsed)
    }

    fn attributes<T: Serialize>(
        &self,
        key: &Key,
        version: u64,
        body: &T,
        due: Option<Due>,
    ) -> Result<Attributes, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::bug("item body").because(error))?;
        let mut item = HashMap::from([
            ("pk".to_owned(), AttributeValue::S(key.company.clone())),
            ("sk".to_owned(), AttributeValue::S(key.item.clone())),
            ("schema".to_owned(), AttributeValue::N(SCHEMA.to_string())),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("body".to_owned(), AttributeValue::S(body)),
        ]);
        if let Some(due) = due {
            item.insert("due".to_owned(), AttributeValue::S(shard(key, due.function)));
            item.insert("due_at".to_owned(), AttributeValue::S(stamp(due.at)));
        }
        Ok(item)
    }

    fn put_lease<T>(&self, item: &mut Attributes, held: &Stored<T>) {
        if let Some(lease) = &held.lease {
            item.insert("fence".to_owned(), AttributeValue::N(lease.fence.to_string()));
            item.insert("lease_until".to_owned(), AttributeValue::N(millis(lease.until)));
            item.insert("holder".to_owned(), AttributeValue::S(lease.holder.clone()));
        }
        item.insert("tries".to_owned(), AttributeValue::N(held.tries.to_string()));
    }

    /// Puts an item under a condition, together with its trail entry. When the condition fails, the stored attempt
    /// id tells whether an earlier try of this very write got through.
    async fn write(
        &self,
        key: &Key,
        mut item: Attributes,
        condition: &str,
        values: Vec<(&str, AttributeValue)>,
        trail: Option<Trail>,
        version: u64,
    ) -> Result<Written, Error> {
        let attempt = self.world.attempt();
        item.insert("attempt".to_owned(), AttributeValue::S(attempt.clone()));
        let table = &self.world.places.table;
        let built =
            |error: aws_sdk_dynamodb::error::BuildError| Error::bug("conditional write").because(error);
        let refused = match trail {
            None => {
                let mut request = self
                    .world
                    .dynamodb
                    .put_item()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression(condition);
                for (name, value) in values {
                    request = request.expression_attribute_values(name, value);
                }
                match request.send().await {
                    Ok(_) => return Ok(Written::Yes),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|e| e.is_conditional_check_failed_exception()) => {}
                    Err(error) => return Err(Error::from(error)),
                }
                true
            }
            Some(trail) => {
                let mut put =
                    Put::builder().table_name(table).set_item(Some(item)).condition_expression(condition);
                for (name, value) in values {
                    put = put.expression_attribute_values(name, value);
                }
                let entry =
                    Key { company: key.company.clone(), item: format!("t#{}#{version:012}", key.item) };
                let entry = self.attributes(&entry, 1, &trail, None)?;
                let entry = Put::builder().table_name(table).set_item(Some(entry)).build().map_err(built)?;
                let request = self
                    .world
                    .dynamodb
                    .transact_write_items()
                    .transact_items(TransactWriteItem::builder().put(put.build().map_err(built)?).build())
                    .transact_items(TransactWriteItem::builder().put(entry).build());
                match request.send().await {
                    Ok(_) => return Ok(Written::Yes),
                    Err(error) => {
                        let failed = error.as_service_error().is_some_and(|service| {
                            matches!(service, aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled)
                                if cancelled.cancellation_reasons().iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")))
                        });
                        if !failed {
                            return Err(Error::from(error));
                        }
                        true
                    }
                }
            }
        };
        debug_assert!(refused);
        let answer = self
            .world
            .dynamodb
            .get_item()
            .table_name(table)
            .key("pk", AttributeValue::S(key.company.clone()))
            .key("sk", AttributeValue::S(key.item.clone()))
            .consistent_read(true)
            .send()
            .await?;
        let own =
            answer.item.is_some_and(|item| text(&item, "attempt").is_ok_and(|stored| stored == attempt));
        Ok(if own { Written::Yes } else { Written::Lost })
    }
}

/// The shard of the due index, by a fixed hash of the key.
fn shard(key: &Key, function: &str) -> String {
    // FNV-1a: the same in every process and version.
    let mut hash: u32 = 0x811c_9dc5;
    for byte in key.company.bytes().chain(key.item.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("due#{function}#{:02}", hash % SHARDS)
}

/// When an item is due and for whom, as the index has it.
fn due_of(item: &Attributes) -> Result<Option<Due>, Error> {
    let (Ok(partition), Ok(at)) = (text(item, "due"), text(item, "due_at")) else {
        return Ok(None);
    };
    let function = FUNCTIONS.iter().find(|function| partition.split('#').nth(1) == Some(function));
    let at = DateTime::parse_from_rfc3339(&at);
    let (Some(function), Ok(at)) = (function, at) else {
        return Err(Error::config(format!(
            "{} is due for {partition}, which this version of bilag does not know; update bilag before it goes on",
            key_of(item)?
        )));
    };
    Ok(Some(Due { function, at: at.with_timezone(&Utc) }))
}

/// A time that sorts as text.
fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn millis(at: DateTime<Utc>) -> String {
    at.timestamp_millis().to_string()
}

fn text(item: &Attributes, name: &str) -> Result<String, Error> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .cloned()
        .ok_or_else(|| Error::bug(format!("an item has no attribute {name}")))
}

fn key_of(item: &Attributes) -> Result<Key, Error> {
    Ok(Key { company: text(item, "pk")?, item: text(item, "sk")? })
}

fn stored<T: DeserializeOwned>(item: &Attributes) -> Result<Stored<T>, Error> {
    let key = key_of(item)?;
    let number = |name: &str| -> Option<u64> { item.get(name)?.as_n().ok()?.parse().ok() };
    if number("schema").unwrap_or(SCHEMA) > SCHEMA {
        return Err(Error::config(format!(
            "{key} was written by a newer version of bilag; update this one before it goes on"
        )));
    }
    let body = serde_json::from_str(&text(item, "body")?)
        .map_err(|error| Error::bug(format!("{key} cannot be read")).because(error))?;
    let lease = number("fence").map(|fence| Lease {
        fence,
        until: number("lease_until")
            .and_then(|until| i64::try_from(until).ok())
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default(),
        holder: text(item, "holder").unwrap_or_default(),
    });
    let due = due_of(item)?;
    Ok(Stored {
        key,
        version: number("version").unwrap_or(0),
        body,
        due,
        lease,
        tries: number("tries").unwrap_or(0),
    })
}
