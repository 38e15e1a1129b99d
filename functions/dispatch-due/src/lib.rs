//! Triggered every minute. Reads the due index and invokes the functions that have work, in batches of keys.
//!
//! The index may be stale and an invocation may be lost: the workers claim before they act, and what is not done
//! stays due.

use edge::{Error, World};
use store::Table;
use store::table::{FUNCTIONS, SHARDS};

/// Keys per invocation.
pub const BATCH: usize = 10;

/// Dispatches what is due now and returns how many keys that were.
///
/// # Errors
///
/// If the store does not answer or nothing can be invoked.
pub async fn handle(world: &World) -> Result<usize, Error> {
    let table = Table::of(world);
    let mut count = 0;
    for function in FUNCTIONS {
        let mut due = Vec::new();
        for shard in 0..SHARDS {
            due.extend(table.due(function, shard).await?);
        }
        due.sort();
        let keys: Vec<String> = due.into_iter().map(|(_, key)| key.to_string()).collect();
        for batch in keys.chunks(BATCH) {
            world.invoker.invoke(function, batch).await?;
        }
        count += keys.len();
    }
    Ok(count)
}
