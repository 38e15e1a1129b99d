//! The World on AWS Lambda: one HTTP client under the SDK, settings from the environment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::{Clock, Error, Invoke, Places, SystemClock, World, clients};

/// Longest time for one call of the store or the buckets.
const CALL: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// The one HTTP client: no redirects, ring and the built-in roots.
///
/// # Errors
///
/// If the TLS set-up is refused.
pub fn http_client() -> Result<reqwest::Client, Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("TLS cannot be set up").because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(CALL)
        .build()
        .map_err(|error| Error::bug("the HTTP client cannot be built").because(error))
}

/// The SDK's transport over reqwest.
#[derive(Clone, Debug)]
pub struct Transport(pub reqwest::Client);

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let user = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
            let request = request.try_into_http1x().map_err(|error| user(error.into()))?;
            let request = request.map(|body| match body.bytes() {
                Some(bytes) => reqwest::Body::from(bytes.to_vec()),
                None => reqwest::Body::wrap(body),
            });
            let request = reqwest::Request::try_from(request).map_err(|error| user(error.into()))?;
            let response = client.execute(request).await.map_err(|error| {
                if error.is_timeout() {
                    ConnectorError::timeout(error.into())
                } else {
                    ConnectorError::io(error.into())
                }
            })?;
            let response = http::Response::<reqwest::Body>::from(response);
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x)).map_err(|error| user(error.into()))
        })
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Invokes Lambda functions asynchronously, by a signed request.
struct LambdaInvoker {
    client: reqwest::Client,
    region: String,
    credentials: Credentials,
    endpoint: String,
    prefix: String,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Invoke for LambdaInvoker {
    async fn invoke(&self, function: &str, keys: &[String]) -> Result<(), Error> {
        use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::retry(format!("{function} could not be invoked")).because(error)
        };
        let url = format!("{}/2015-03-31/functions/{}{function}/invocations", self.endpoint, self.prefix);
        let body =
            serde_json::to_vec(&serde_json::json!({ "keys": keys })).map_err(|error| failed(error.into()))?;
        let identity = self.credentials.clone().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("lambda")
            .time(SystemTime::from(self.clock.now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.into()))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            &url,
            [("x-amz-invocation-type", "Event")].into_iter(),
            SignableBody::Bytes(&body),
        )
        .map_err(|error| failed(error.into()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(error.into()))?.into_parts();
        let mut request = http::Request::post(&url)
            .header("x-amz-invocation-type", "Event")
            .body(body)
            .map_err(|error| failed(error.into()))?;
        instructions.apply_to_request_http1x(&mut request);
        let request = reqwest::Request::try_from(request).map_err(|error| failed(error.into()))?;
        let response = self.client.execute(request).await.map_err(|error| failed(error.into()))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Error::retry(format!("{function} could not be invoked: Lambda answered {}", response.status())))
    }
}

/// The World of a Lambda function, from its environment: `AWS_REGION` and the credentials that Lambda sets,
/// `BILAG_TABLE`, `BILAG_CONFIG_BUCKET`, `BILAG_INBOX_BUCKET`, `BILAG_ARCHIVE_BUCKET`, `BILAG_FUNCTION_PREFIX`, and
/// `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>` to replace an endpoint.
///
/// # Errors
///
/// [`crate::Kind::Config`] naming the variable that is missing.
pub fn world_from_env() -> Result<World, Error> {
    let optional = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let needed = |name: &str| {
        optional(name).ok_or_else(|| Error::config(format!("the environment variable {name} is not set")))
    };
    let endpoint = |service: &str| {
        optional(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| optional("AWS_ENDPOINT_URL"))
    };
    let region = needed("AWS_REGION")?;
    let credentials = Credentials::new(
        needed("AWS_ACCESS_KEY_ID")?,
        needed("AWS_SECRET_ACCESS_KEY")?,
        optional("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let client = http_client()?;
    let http = SharedHttpClient::new(Transport(client.clone()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let invoker = LambdaInvoker {
        client,
        endpoint: endpoint("LAMBDA").unwrap_or_else(|| format!("https://lambda.{region}.amazonaws.com")),
        region: region.clone(),
        credentials: credentials.clone(),
        prefix: optional("BILAG_FUNCTION_PREFIX").unwrap_or_default(),
        clock: Arc::clone(&clock),
    };
    let config = needed("BILAG_CONFIG_BUCKET")?;
    let places = Places {
        table: needed("BILAG_TABLE")?,
        verdicts: config.clone(),
        config,
        inbox: needed("BILAG_INBOX_BUCKET")?,
        archive: needed("BILAG_ARCHIVE_BUCKET")?,
    };
    let worker = format!(
        "{}-{}",
        optional("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_else(|| "worker".to_owned()),
        clock.now().timestamp_micros()
    );
    let clients = clients(http, &region, credentials, (endpoint("DYNAMODB"), endpoint("S3")));
    Ok(World::new(clock, clients, places, Arc::new(invoker), worker, (None, std::env::temp_dir())))
}
