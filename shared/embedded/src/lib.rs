//! The table and the buckets of one machine, inside the process.
//!
//! The ordinary DynamoDB and S3 clients of the AWS SDK are given [`Embedded::http_client`] and never notice
//! that no socket is involved: requests that carry a DynamoDB target are answered by an embedded database
//! in one file, all others by folders on disk.
//!
//! ```
//! # use embedded::{Buckets, Embedded};
//! # fn main() -> Result<(), embedded::Error> {
//! let embedded = Embedded::in_memory(Buckets::new().bucket("config", "/tmp/home/config"))?;
//! let config = aws_sdk_s3::Config::builder()
//!     .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
//!     .http_client(embedded.http_client())
//!     .endpoint_url("http://local")
//!     .region(aws_sdk_s3::config::Region::new("local"))
//!     .credentials_provider(aws_sdk_s3::config::Credentials::new("local", "local", None, None, "local"))
//!     .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
//!     .response_checksum_validation(aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired)
//!     .force_path_style(true)
//!     .build();
//! let client = aws_sdk_s3::Client::from_conf(config);
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! Signatures are not checked, whoever holds the process holds the data. All file and database work happens
//! inline on the calling task, so a single-threaded runtime sees one deterministic order of effects.

mod buckets;
mod folder;
mod listing;
mod object;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::errors::DynoxideError;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use s3s::service::{S3Service, S3ServiceBuilder};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::table::Table;

pub use crate::buckets::Buckets;

/// Why the embedded table or the buckets could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table's file could not be opened or created.
    #[error(
        "{}: the table file could not be opened; check that its folder exists and can be written to, \
         and that the file was not made by a newer version", path.display()
    )]
    OpenTable {
        /// The table's file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Box<DynoxideError>,
    },
    /// The table in memory could not be made.
    #[error("the table in memory could not be made")]
    OpenMemory(#[source] Box<DynoxideError>),
    /// The table's path cannot be handed to the database.
    #[error("{}: the path of the table file is not valid UTF-8; choose another folder", .0.display())]
    TablePath(PathBuf),
    /// A bucket's name breaks the rules that S3 has for names.
    #[error("bucket name {0:?} is not allowed; use 3 to 63 lower-case letters, digits, dots and hyphens")]
    BucketName(String),
}

/// One machine's table and buckets, seen by the AWS SDK as its network.
///
/// Clones share the same table and buckets.
#[derive(Clone)]
pub struct Embedded {
    table: Table,
    buckets: Arc<S3Service>,
}

impl Embedded {
    /// Opens, or makes, the table in the file at `table_path` and serves `buckets` beside it.
    ///
    /// Every acknowledged write survives a crash of the process and of the machine: the database runs with a
    /// write-ahead log that is synced at each commit. Two processes may open the same file.
    ///
    /// # Errors
    ///
    /// [`Error::OpenTable`] or [`Error::TablePath`] if the file cannot be used, [`Error::BucketName`] for a
    /// bucket name that the S3 protocol does not allow. Folders need not exist.
    pub fn open(table_path: &Path, buckets: Buckets) -> Result<Embedded, Error> {
        Embedded::new(Table::open(table_path)?, buckets)
    }

    /// Serves `buckets` beside an empty table that is gone when the last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::BucketName`] for a bucket name that the S3 protocol does not allow.
    pub fn in_memory(buckets: Buckets) -> Result<Embedded, Error> {
        Embedded::new(Table::in_memory()?, buckets)
    }

    /// The transport to give to the SDK's clients, the same for DynamoDB and S3.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    fn new(table: Table, buckets: Buckets) -> Result<Embedded, Error> {
        buckets.check_names()?;
        let buckets = Arc::new(S3ServiceBuilder::new(buckets).build());
        Ok(Embedded { table, buckets })
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let operation = table_operation(&request).map(str::to_owned);
        let response = match operation {
            Some(operation) => self.table.answer(&operation, request.into_body()).await?,
            None => self.answer_from_buckets(request).await?,
        };
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }

    async fn answer_from_buckets(
        &self,
        request: http::Request<SdkBody>,
    ) -> Result<http::Response<SdkBody>, ConnectorError> {
        let mut request = request.map(s3s::Body::http_body_unsync);
        // The service refuses signed requests when it has no keys to check them with.
        request.headers_mut().remove(AUTHORIZATION);
        let is_head = request.method() == Method::HEAD;
        // The service logs every missing key and failed condition as an error. They are ordinary answers
        // here, and whoever asked decides what to say about them.
        let response = self
            .buckets
            .call(request)
            .with_subscriber(NoSubscriber::new())
            .await
            .map_err(|error| ConnectorError::other(error.into(), None))?;
        let bodiless = is_head || response.status() == StatusCode::NOT_MODIFIED;
        // Without a wire nothing else drops the body of an answer that must not have one, and the SDK tells a
        // missing object from its empty body.
        Ok(response.map(|body| if bodiless { SdkBody::empty() } else { SdkBody::from_body_1_x(body) }))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let embedded = self.clone();
        HttpConnectorFuture::new(async move { embedded.answer(request).await })
    }
}

impl HttpClient for Embedded {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The operation of a request to the table, `None` for requests to buckets.
fn table_operation(request: &http::Request<SdkBody>) -> Option<&str> {
    let target = request.headers().get("x-amz-target")?.to_str().ok()?;
    target.strip_prefix("DynamoDB_")?.split_once('.').map(|(_, operation)| operation)
}
