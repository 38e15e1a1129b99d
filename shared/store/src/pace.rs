//! How many calls a credential may make: a token bucket in the table, shared by all workers.
//!
//! Tokens are taken a few at a time, so that most calls cost nothing. When the other side says "too many" the bucket
//! is closed for everyone until the time that it named.

use chrono::{DateTime, Duration, Utc};
use edge::{Error, World};
use serde::{Deserialize, Serialize};

use crate::item::Key;
use crate::table::{Stored, Table, Written};

/// How fast calls may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls per second over time.
    pub per_second: u32,
    /// Calls that may be made at once.
    pub burst: u32,
}

/// The longest that a worker waits for a token itself; beyond, the work is given back.
const WAIT_MAX: Duration = Duration::seconds(5);

/// Lost races after which the work is given back.
const RACES_MAX: u32 = 20;

/// What the table keeps of a bucket, in thousandths of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    thousandths: i64,
    at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_until: Option<DateTime<Utc>>,
}

/// What came of reaching for tokens.
enum Turn {
    Taken,
    /// Nothing to take before this time has passed.
    Wait(Duration),
    /// Another worker was faster.
    Raced,
}

/// One credential's bucket as one worker uses it.
pub struct Pace<'w> {
    world: &'w World,
    key: Key,
    rate: Rate,
}

impl<'w> Pace<'w> {
    /// The bucket of a credential (by its fingerprint) at a host.
    pub fn new(world: &'w World, host: &str, credential: &str, rate: Rate) -> Pace<'w> {
        Pace { world, key: Key::pace(host, credential), rate }
    }

    /// Waits until one more call may be made.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Retry`] with the time to wait if that is long.
    pub async fn take(&self) -> Result<(), Error> {
        if self.world.purse.spend(&self.key.company) {
            return Ok(());
        }
        for _ in 0..RACES_MAX {
            match self.try_take().await? {
                Turn::Taken => {
                    self.world.purse.put(&self.key.company, self.batch() - 1);
                    return Ok(());
                }
                Turn::Wait(wait) if wait > WAIT_MAX => {
                    let wait = wait.to_std().unwrap_or_default();
                    return Err(
                        Error::retry(format!("{}: too many calls for now", self.key.company)).after(wait)
                    );
                }
                Turn::Wait(wait) => tokio::time::sleep(wait.to_std().unwrap_or_default()).await,
                Turn::Raced => {}
            }
        }
        Err(Error::retry(format!("{}: too many workers call at once", self.key.company)))
    }

    /// Tokens taken at a time.
    fn batch(&self) -> i64 {
        i64::from(self.rate.burst / 4).clamp(1, 10)
    }

    async fn try_take(&self) -> Result<Turn, Error> {
        let table = Table::of(self.world);
        let now = self.world.clock.now();
        let full = i64::from(self.rate.burst.max(1)) * 1000;
        let want = self.batch() * 1000;
        let read = table.get::<Bucket>(&self.key).await?;
        let mut bucket = match &read {
            Some(read) => read.body.clone(),
            None => Bucket { thousandths: full, at: now, closed_until: None },
        };
        if let Some(until) = bucket.closed_until.filter(|until| *until > now) {
            return Ok(Turn::Wait(until - now));
        }
        // A clock that went back adds nothing and takes nothing.
        let since = (now - bucket.at).num_milliseconds().clamp(0, 3_600_000);
        bucket.thousandths = (bucket.thousandths + since * i64::from(self.rate.per_second)).min(full);
        bucket.at = now;
        bucket.closed_until = None;
        if bucket.thousandths < want {
            let missing = want - bucket.thousandths;
            let wait = Duration::milliseconds(missing / i64::from(self.rate.per_second.max(1)) + 1);
            return Ok(Turn::Wait(wait));
        }
        bucket.thousandths -= want;
        let written = match read {
            None => table.create(&self.key, &bucket, None, None).await?,
            Some(read) => table.replace(&Stored { body: bucket, ..read }, None, None).await?,
        };
        Ok(if written == Written::Yes { Turn::Taken } else { Turn::Raced })
    }

    /// Closes the bucket for everyone: the other side said that there were too many calls.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn close(&self, wait: std::time::Duration) -> Result<(), Error> {
        self.world.purse.empty(&self.key.company);
        let table = Table::of(self.world);
        let now = self.world.clock.now();
        let until = now + Duration::from_std(wait).unwrap_or(Duration::hours(1));
        let closed = Bucket { thousandths: 0, at: until, closed_until: Some(until) };
        // A lost race means that another worker was told the same.
        match table.get::<Bucket>(&self.key).await? {
            None => table.create(&self.key, &closed, None, None).await?,
            Some(read) => table.replace(&Stored { body: closed, ..read }, None, None).await?,
        };
        Ok(())
    }
}
