//! The World: every dependency that is not data.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use chrono::{DateTime, Utc};

use crate::Error;
use crate::http::{Hosts, Transport, Unreachable};
use crate::secret::{NoSecrets, Secrets};
use crate::vault::{NoVault, Vault};

/// What time it is. Days in vouchers never come from here; leases and due times do.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Starts other functions: asynchronously on Lambda, in turn on one machine.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Asks that `function` works on `keys`. May be lost: whatever is due stays due.
    ///
    /// # Errors
    ///
    /// If the request could not be handed over.
    async fn invoke(&self, function: &str, keys: &[String]) -> Result<(), Error>;
}

/// The names of the table and the buckets.
#[derive(Clone, Debug)]
pub struct Places {
    /// The one table.
    pub table: String,
    /// Mapping files, `<company>.toml`.
    pub config: String,
    /// Verdicts on mapping files, `verdicts/<company>.json`.
    pub verdicts: String,
    /// Dropped files, `<company>/<connection>/<file>`.
    pub inbox: String,
    /// Everything that was fetched, dropped or made.
    pub archive: String,
}

impl Places {
    /// The names on one machine, where nothing else is beside them.
    pub fn of_one_machine() -> Places {
        Places {
            table: "bilag".to_owned(),
            config: "config".to_owned(),
            verdicts: "verdicts".to_owned(),
            inbox: "inbox".to_owned(),
            archive: "archive".to_owned(),
        }
    }
}

/// Everything that is not data, handed to each handler.
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The table's client.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The buckets' client.
    pub s3: aws_sdk_s3::Client,
    /// The table's and buckets' names.
    pub places: Places,
    /// Starts other functions.
    pub invoker: Arc<dyn Invoke>,
    /// This worker's name, unique in time and space; leases are held under it.
    pub worker: String,
    /// The folder that accounting systems which write files use; `None` where there is none (Lambda).
    pub out: Option<PathBuf>,
    /// A folder for files that live as long as one call.
    pub scratch: PathBuf,
    /// The way to providers and accounting systems.
    pub http: Arc<dyn Transport>,
    /// Hosts that a `base_url` may name.
    pub hosts: Hosts,
    /// The companies' secret bundles.
    pub secrets: Arc<dyn Secrets>,
    /// Seals tokens in the table.
    pub vault: Arc<dyn Vault>,
    /// Calls that this process may make without asking the table again.
    pub purse: Purse,
    attempts: AtomicU64,
}

/// Calls taken from a shared bucket and not yet made, by bucket. They live as long as the process, whatever number of
/// clients it makes.
#[derive(Debug, Default)]
pub struct Purse(Mutex<HashMap<String, i64>>);

impl Purse {
    /// Takes one; `false` if there is none.
    pub fn spend(&self, bucket: &str) -> bool {
        let Ok(mut held) = self.0.lock() else { return false };
        match held.get_mut(bucket) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Puts some in.
    pub fn put(&self, bucket: &str, count: i64) {
        if let Ok(mut held) = self.0.lock() {
            *held.entry(bucket.to_owned()).or_default() += count;
        }
    }

    /// Throws away what is left of a bucket.
    pub fn empty(&self, bucket: &str) {
        if let Ok(mut held) = self.0.lock() {
            held.remove(bucket);
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("worker", &self.worker)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl World {
    /// A world of its parts that reaches no network and holds no secrets.
    pub fn new(
        clock: Arc<dyn Clock>,
        (dynamodb, s3): Clients,
        places: Places,
        invoker: Arc<dyn Invoke>,
        worker: String,
        (out, scratch): (Option<PathBuf>, PathBuf),
    ) -> World {
        World {
            clock,
            dynamodb,
            s3,
            places,
            invoker,
            worker,
            out,
            scratch,
            http: Arc::new(Unreachable),
            hosts: Hosts::Loopback,
            secrets: Arc::new(NoSecrets),
            vault: Arc::new(NoVault),
            purse: Purse::default(),
            attempts: AtomicU64::new(0),
        }
    }

    /// The same world with a way out.
    pub fn reaching(self, http: Arc<dyn Transport>, hosts: Hosts) -> World {
        World { http, hosts, ..self }
    }

    /// The same world with secrets, and a vault for tokens.
    pub fn trusting(self, secrets: Arc<dyn Secrets>, vault: Arc<dyn Vault>) -> World {
        World { secrets, vault, ..self }
    }

    /// A new attempt id: written with a conditional write, so that a write whose answer was lost is recognised as
    /// one's own.
    pub fn attempt(&self) -> String {
        format!("{}-{}", self.worker, self.attempts.fetch_add(1, Ordering::Relaxed))
    }
}

/// The clients of the table and of the buckets.
pub type Clients = (aws_sdk_dynamodb::Client, aws_sdk_s3::Client);

/// The AWS clients over one transport.
pub fn clients(
    http: SharedHttpClient,
    region: &str,
    credentials: aws_credential_types::Credentials,
    endpoints: (Option<String>, Option<String>),
) -> Clients {
    use aws_sdk_dynamodb::config as dynamodb;
    use aws_sdk_s3::config as s3;
    let mut table = dynamodb::Config::builder()
        .behavior_version(dynamodb::BehaviorVersion::latest())
        .region(dynamodb::Region::new(region.to_owned()))
        .credentials_provider(credentials.clone())
        .http_client(http.clone());
    let mut buckets = s3::Config::builder()
        .behavior_version(s3::BehaviorVersion::latest())
        .region(s3::Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .http_client(http)
        .request_checksum_calculation(s3::RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(s3::ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = endpoints.0 {
        table = table.endpoint_url(endpoint);
    }
    if let Some(endpoint) = endpoints.1 {
        buckets = buckets.endpoint_url(endpoint).force_path_style(true);
    }
    (aws_sdk_dynamodb::Client::from_conf(table.build()), aws_sdk_s3::Client::from_conf(buckets.build()))
}
