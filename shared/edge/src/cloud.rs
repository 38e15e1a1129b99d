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

use crate::http::{Hosts, Sockets};
use crate::secret::{Entry, Secrets};
use crate::vault::Vault;
use crate::{Clock, Error, Invoke, Places, SystemClock, World, clients};

/// Longest time for one call of the store or the buckets.
const CALL: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// How every HTTP client is built: no redirects, ring, the built-in roots of trust and those of `extra_roots` (PEM).
///
/// # Errors
///
/// If the TLS set-up is refused or a certificate cannot be read.
pub(crate) fn client_builder(extra_roots: Option<&[u8]>) -> Result<reqwest::ClientBuilder, Error> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(extra_roots.unwrap_or_default()) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| Error::config(format!("an extra root certificate cannot be read: {error}")))?;
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("TLS cannot be set up").because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(CALL))
}

/// The client under the SDK.
fn http_client() -> Result<reqwest::Client, Error> {
    let builder = client_builder(None)?;
    builder.build().map_err(|error| Error::bug("the HTTP client cannot be built").because(error))
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

/// AWS services that are asked by signed requests rather than by an SDK of their own.
struct Signed {
    client: reqwest::Client,
    region: String,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
}

impl Signed {
    /// One signed `POST`; the body of an answer of status 2xx. Neither request nor answer is ever shown.
    async fn post(
        &self,
        service: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::retry(format!("{service} did not answer")).because(error)
        };
        let identity = self.credentials.clone().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::from(self.clock.now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.into()))?
            .into();
        let signable = SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(&body))
            .map_err(|error| failed(error.into()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(error.into()))?.into_parts();
        let mut request = http::Request::post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).map_err(|error| failed(error.into()))?;
        instructions.apply_to_request_http1x(&mut request);
        let request = reqwest::Request::try_from(request).map_err(|error| failed(error.into()))?;
        let response = self.client.execute(request).await.map_err(|error| failed(error.into()))?;
        let status = response.status();
        if !status.is_success() {
            let message = format!("{service} answered {status}");
            return Err(match status.as_u16() {
                400 | 403 => Error::auth(message),
                _ => Error::retry(message),
            });
        }
        Ok(response.bytes().await.map_err(|error| failed(error.into()))?.to_vec())
    }

    /// A call of a JSON service: the target names the operation.
    async fn json(
        &self,
        service: &str,
        endpoint: &str,
        target: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, Error> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let answer = self.post(service, endpoint, &headers, body.to_string().into_bytes()).await?;
        // The parser's message might quote a secret.
        serde_json::from_slice(&answer).map_err(|_| Error::retry(format!("{service} did not answer in JSON")))
    }
}

/// Invokes Lambda functions asynchronously.
struct LambdaInvoker {
    aws: Arc<Signed>,
    endpoint: String,
    prefix: String,
}

#[async_trait]
impl Invoke for LambdaInvoker {
    async fn invoke(&self, function: &str, keys: &[String]) -> Result<(), Error> {
        let url = format!("{}/2015-03-31/functions/{}{function}/invocations", self.endpoint, self.prefix);
        let body = serde_json::json!({ "keys": keys }).to_string().into_bytes();
        self.aws.post("lambda", &url, &[("x-amz-invocation-type", "Event")], body).await.map(drop)
    }
}

/// Bundles `bilag/<company>` in Secrets Manager.
struct SecretsManager {
    aws: Arc<Signed>,
    endpoint: String,
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn entry(&self, company: &str, entry: &str) -> Result<Entry, Error> {
        let body = serde_json::json!({ "SecretId": format!("bilag/{company}") });
        let answer = self
            .aws
            .json("secretsmanager", &self.endpoint, "secretsmanager.GetSecretValue", &body)
            .await
            .map_err(|error| {
                error.within(format!("the secret bundle bilag/{company} cannot be read (does it exist, and may this function read it?)"))
            })?;
        let bundle = answer["SecretString"].as_str().unwrap_or_default();
        crate::secret::entry_of_bundle(company, entry, bundle)
    }
}

/// Seals under a KMS key; the purpose is its encryption context.
struct Kms {
    aws: Arc<Signed>,
    endpoint: String,
    key: String,
}

impl Kms {
    async fn call(&self, operation: &str, field: &str, body: serde_json::Value) -> Result<Vec<u8>, Error> {
        use base64::Engine as _;
        let answer =
            self.aws.json("kms", &self.endpoint, &format!("TrentService.{operation}"), &body).await?;
        base64::engine::general_purpose::STANDARD
            .decode(answer[field].as_str().unwrap_or_default())
            .map_err(|_| Error::retry("kms answered something else than bytes"))
    }
}

#[async_trait]
impl Vault for Kms {
    async fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        use base64::Engine as _;
        let plain = base64::engine::general_purpose::STANDARD.encode(plain);
        let context = serde_json::json!({ "purpose": purpose });
        let body = serde_json::json!({ "KeyId": self.key, "Plaintext": plain, "EncryptionContext": context });
        self.call("Encrypt", "CiphertextBlob", body).await
    }

    async fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        use base64::Engine as _;
        let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
        let context = serde_json::json!({ "purpose": purpose });
        let body =
            serde_json::json!({ "KeyId": self.key, "CiphertextBlob": sealed, "EncryptionContext": context });
        self.call("Decrypt", "Plaintext", body).await
    }
}

/// The World of a Lambda function, from its environment: `AWS_REGION` and the credentials that Lambda sets,
/// `BILAG_TABLE`, `BILAG_CONFIG_BUCKET`, `BILAG_INBOX_BUCKET`, `BILAG_ARCHIVE_BUCKET`, `BILAG_FUNCTION_PREFIX`,
/// `BILAG_KMS_KEY` (for tokens), `BILAG_ALLOWED_HOSTS` (comma-separated hosts that a `base_url` may name), and
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
    let aws = Arc::new(Signed {
        client,
        region: region.clone(),
        credentials: credentials.clone(),
        clock: Arc::clone(&clock),
    });
    let of = |service: &str, name: &str| {
        endpoint(service).unwrap_or_else(|| format!("https://{name}.{region}.amazonaws.com"))
    };
    let invoker = LambdaInvoker {
        aws: Arc::clone(&aws),
        endpoint: of("LAMBDA", "lambda"),
        prefix: optional("BILAG_FUNCTION_PREFIX").unwrap_or_default(),
    };
    let secrets = SecretsManager {
        aws: Arc::clone(&aws),
        endpoint: format!("{}/", of("SECRETS_MANAGER", "secretsmanager")),
    };
    let vault = Kms {
        aws,
        endpoint: format!("{}/", of("KMS", "kms")),
        key: optional("BILAG_KMS_KEY").unwrap_or_default(),
    };
    let hosts = optional("BILAG_ALLOWED_HOSTS").unwrap_or_default();
    let hosts = Hosts::Listed(hosts.split(',').map(|host| host.trim().to_owned()).collect());
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
    let world = World::new(clock, clients, places, Arc::new(invoker), worker, (None, std::env::temp_dir()));
    Ok(world.reaching(Arc::new(Sockets::new(None)?), hosts).trusting(Arc::new(secrets), Arc::new(vault)))
}
