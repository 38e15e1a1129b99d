//! A folder with a store in memory over it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use edge::{Clock, Error, Invoke, Places, World};
use embedded::{Buckets, Embedded};
use store::Table;

use crate::{TestClock, Transport};

static WORKERS: AtomicU64 = AtomicU64::new(1);
static PARTITIONS: AtomicU64 = AtomicU64::new(1);

/// Invokes nothing: tests work on what is due themselves.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Invoke for Nobody {
    async fn invoke(&self, function: &str, _: &[String]) -> Result<(), Error> {
        Err(Error::bug(format!("nobody invokes {function} here")))
    }
}

/// A temporary folder and a clock.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
    /// What worlds made by [`Place::world`] take for the time.
    pub clock: Arc<TestClock>,
}

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}

impl Place {
    /// An empty folder, and a clock that stands still.
    pub fn new() -> Place {
        let clock = Arc::new(TestClock::at("2026-02-10T06:00:00Z"));
        Place { folder: tempfile::tempdir().unwrap(), clock }
    }

    /// An empty folder, and a clock that runs with the test's runtime.
    pub fn running(from: &str) -> Place {
        Place { clock: Arc::new(TestClock::running(from)), ..Place::new() }
    }

    /// As [`Place::running`], in memory where the machine has files there.
    pub fn in_memory(from: &str) -> Place {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Place { folder, clock: Arc::new(TestClock::running(from)) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A store that lives in memory, over the folders of this place.
    pub fn store(&self) -> Embedded {
        let buckets = Buckets::new()
            .bucket("config", self.path().join("config"))
            .bucket("inbox", self.path().join("inbox"))
            .bucket("archive", self.path().join("archive"))
            .bucket("verdicts", self.path().join("state"));
        Embedded::in_memory(buckets).unwrap()
    }

    /// A world over a store: another worker, the clock of this place, the same files.
    pub async fn world(&self, store: &Embedded, worker: &str) -> World {
        let made = self.world_over(store.http_client(), worker, false);
        Table::of(&made).create_if_missing().await.unwrap();
        made
    }

    /// A world over a line that loses calls. With `retries` the store's clients try again as they do in production,
    /// but at once.
    pub fn flaky_world(&self, line: &Transport, worker: &str, retries: bool) -> World {
        self.world_over(SharedHttpClient::new(line.clone()), worker, retries)
    }

    fn world_over(&self, http: SharedHttpClient, worker: &str, retries: bool) -> World {
        let retry = if retries {
            RetryConfig::standard().with_initial_backoff(Duration::from_micros(10))
        } else {
            RetryConfig::disabled()
        };
        // As in production, no two workers have the same name.
        let worker = format!("{worker}-{}", WORKERS.fetch_add(1, Ordering::Relaxed));
        self.world_named(http, &worker, Arc::<TestClock>::clone(&self.clock), retry)
    }

    /// A world of a worker whose name is its own, by its own clock.
    pub fn world_named(
        &self,
        http: SharedHttpClient,
        worker: &str,
        clock: Arc<dyn Clock>,
        retry: RetryConfig,
    ) -> World {
        let credentials = aws_credential_types::Credentials::new("local", "local", None, None, "tests");
        let endpoint = Some("http://local".to_owned());
        let (dynamodb, s3) = edge::clients(http, "local", credentials, (endpoint.clone(), endpoint));
        // Clients of one partition share how often they may try again, all over the process.
        let partition =
            RetryPartition::new(format!("{worker} {}", PARTITIONS.fetch_add(1, Ordering::Relaxed)));
        let dynamodb =
            dynamodb.config().to_builder().retry_config(retry.clone()).retry_partition(partition.clone());
        // Nothing stalls in one process, and watching every body costs time.
        let dynamodb = dynamodb.stalled_stream_protection(StalledStreamProtectionConfig::disabled()).build();
        let s3 = s3.config().to_builder().retry_config(retry).retry_partition(partition);
        let s3 = s3.stalled_stream_protection(StalledStreamProtectionConfig::disabled()).build();
        let scratch = self.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        World::new(
            clock,
            (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_s3::Client::from_conf(s3)),
            Places::of_one_machine(),
            Arc::new(Nobody),
            worker.to_owned(),
            (Some(self.path().join("out")), scratch),
        )
    }
}
