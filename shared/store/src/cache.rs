//! Answers that are asked for often and change rarely, such as a chart of accounts. Losing them costs a call.

use chrono::{DateTime, Duration, Utc};
use edge::{Error, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::item::Key;
use crate::table::{Stored, Table};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cached<T> {
    at: DateTime<Utc>,
    /// The credential that asked.
    of: String,
    value: T,
}

/// What was kept under a name for a credential, unless it is older than `max_age`.
///
/// # Errors
///
/// If the store does not answer.
pub async fn get<T: DeserializeOwned>(
    world: &World,
    company: &str,
    what: &str,
    credential: &str,
    max_age: Duration,
) -> Result<Option<T>, Error> {
    // One that this version cannot read is one that is not there.
    let Ok(read) = Table::of(world).get::<Cached<T>>(&Key::cached(company, what)).await else {
        return Ok(None);
    };
    let now = world.clock.now();
    let fresh = read.filter(|read| read.body.of == credential && now - read.body.at < max_age);
    Ok(fresh.map(|read| read.body.value))
}

/// Keeps an answer under a name. Of two workers that do so at once, one is kept.
///
/// # Errors
///
/// If the store does not answer.
pub async fn put<T: Serialize>(
    world: &World,
    company: &str,
    what: &str,
    credential: &str,
    value: &T,
) -> Result<(), Error> {
    let table = Table::of(world);
    let key = Key::cached(company, what);
    let cached = Cached { at: world.clock.now(), of: credential.to_owned(), value };
    match table.get::<serde_json::Value>(&key).await? {
        None => table.create(&key, &cached, None, None).await?,
        Some(read) => {
            let Stored { key, version, due, lease, tries, .. } = read;
            table.replace(&Stored { key, version, body: cached, due, lease, tries }, None, None).await?
        }
    };
    Ok(())
}
