//! The ways of one worker to the store and to the systems, through the hub.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use edge::http::{Broken, Limits, Transport};
use embedded::Embedded;
use http::{Request, Response};
use sandbox::{Ending, Reply, Sandbox};

use super::defects::Switched;
use super::history::StoreFault;
use super::hub::{Fate, Hub};

/// One worker's way to the store.
#[derive(Clone)]
pub struct StoreLine {
    /// The store.
    pub store: Embedded,
    /// Where all calls pass.
    pub hub: Arc<Hub>,
    /// Which worker.
    pub worker: usize,
    /// A defect that is switched on.
    pub defect: Option<Arc<Switched>>,
}

impl fmt::Debug for StoreLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreLine").finish_non_exhaustive()
    }
}

impl HttpClient for StoreLine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for StoreLine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let line = self.clone();
        HttpConnectorFuture::new(async move { line.answer(request).await })
    }
}

/// What a call to the store is, from its request.
struct Called {
    /// `PutItem`, …; the HTTP method for a bucket.
    operation: String,
    /// The operation with the item's key or the object's path.
    name: String,
    /// The index that is asked.
    index: bool,
}

impl Called {
    fn of(request: &HttpRequest) -> Called {
        let target = request.headers().get("x-amz-target").and_then(|target| target.split_once('.'));
        let Some((_, operation)) = target else {
            let uri = request.uri();
            let path =
                uri.split_once("://").map_or(uri, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
            let operation = request.method().to_owned();
            return Called { name: format!("{operation} {path}"), operation, index: false };
        };
        let body: serde_json::Value =
            request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let keys = ["/Key/sk/S", "/Item/sk/S", "/TransactItems/0/Put/Item/sk/S"];
        let key = keys.iter().find_map(|at| body.pointer(at)?.as_str());
        let values = body.get("ExpressionAttributeValues");
        let asked = [":sk", ":due"].iter().find_map(|name| values?.get(name)?.get("S")?.as_str());
        let key = key.or(asked).unwrap_or_default();
        Called {
            operation: operation.to_owned(),
            name: format!("{operation} {key}"),
            index: body.get("IndexName").is_some(),
        }
    }
}

impl StoreLine {
    async fn answer(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let called = Called::of(&request);
        let fate = self.hub.before(self.worker, &called.name, false).await;
        let fault = self.hub.store_fault(&called.operation, called.index);
        let lost = || ConnectorError::io("the line broke".into());
        match fault {
            Some(StoreFault::LostBefore) => return Err(lost()),
            Some(StoreFault::Throttled) => return Ok(throttled(&called.operation)),
            Some(StoreFault::Conflict) => return Ok(conflict()),
            Some(StoreFault::Slow) => {
                tokio::time::sleep(Duration::from_secs(1 + self.hub.below(20))).await;
            }
            _ => {}
        }
        if let Some(defect) = &self.defect
            && let Some(answer) = defect.store_request(&called.operation, &mut request)
        {
            return Ok(answer);
        }
        let query = if called.index { format!("{} {}", self.worker, called.name) } else { String::new() };
        let mut answer = self.store.call(request).await?;
        if !matches!(called.operation.as_str(), "GetItem" | "Query" | "GET" | "HEAD" | "PUT") {
            self.hub.wrote();
        }
        if let Some(defect) = &self.defect {
            defect.store_answer(&called.name, &mut answer);
        }
        if called.index
            && let Some(text) = answer.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
        {
            let before = self.hub.stale(&query, text);
            if fault == Some(StoreFault::StaleIndex) {
                let nothing = r#"{"Items":[],"Count":0,"ScannedCount":0}"#.to_owned();
                *answer.body_mut() = SdkBody::from(before.unwrap_or(nothing));
            }
        }
        self.hub.after(self.worker, &called.name, fate).await;
        match fault {
            _ if matches!(fate, Some(Fate::Lose)) => Err(lost()),
            Some(StoreFault::LostAfter) => Err(lost()),
            Some(StoreFault::ErrorAfter) => Ok(failed(&called.operation)),
            _ => Ok(answer),
        }
    }
}

fn is_table(operation: &str) -> bool {
    // Bucket calls are named by their HTTP methods, in capitals.
    operation.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn answer(status: u16, body: String) -> HttpResponse {
    let response = Response::builder().status(status).body(SdkBody::from(body)).unwrap();
    HttpResponse::try_from(response).unwrap()
}

fn xml(status: u16, code: &str) -> HttpResponse {
    answer(
        status,
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"),
    )
}

fn json(status: u16, code: &str, rest: &str) -> HttpResponse {
    answer(
        status,
        format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"injected\"{rest}}}"),
    )
}

fn throttled(operation: &str) -> HttpResponse {
    match is_table(operation) {
        true => json(400, "ProvisionedThroughputExceededException", ""),
        false => xml(503, "SlowDown"),
    }
}

fn failed(operation: &str) -> HttpResponse {
    match is_table(operation) {
        true => json(500, "InternalServerError", ""),
        false => xml(500, "InternalError"),
    }
}

fn conflict() -> HttpResponse {
    let reasons =
        r#","CancellationReasons":[{"Code":"TransactionConflict","Message":"injected"},{"Code":"None"}]"#;
    json(400, "TransactionCanceledException", reasons)
}

/// The systems of one company, at one port.
pub struct Place {
    /// Where they seem to be.
    pub port: u16,
    /// The systems.
    pub sandbox: Mutex<Sandbox>,
}

/// One worker's way to the systems.
#[derive(Clone)]
pub struct SystemLine {
    /// The companies' systems.
    pub places: Arc<Vec<Place>>,
    /// Where all calls pass.
    pub hub: Arc<Hub>,
    /// Which worker.
    pub worker: usize,
    /// A defect that is switched on.
    pub defect: Option<Arc<Switched>>,
}

/// Whether a request saves a voucher.
pub fn saves(request: &Request<Vec<u8>>) -> bool {
    request.method() == "POST" && request.uri().path().ends_with("/ledger/voucher")
}

#[async_trait]
impl Transport for SystemLine {
    async fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Result<Response<Vec<u8>>, Broken> {
        let mut answer = self.once(&request, limits).await;
        if let Some(defect) = &self.defect {
            while defect.sends_again(&request, &answer) {
                answer = self.once(&request, limits).await;
            }
            defect.system_answer(&request, &mut answer);
        }
        answer
    }
}

impl SystemLine {
    async fn once(&self, request: &Request<Vec<u8>>, limits: Limits) -> Result<Response<Vec<u8>>, Broken> {
        let port = request.uri().port_u16();
        let Some(place) = self.places.iter().find(|place| Some(place.port) == port) else {
            return Err(Broken::NotSent("no such place".to_owned()));
        };
        let call = format!("{} {}", request.method(), request.uri().path());
        let begun = tokio::time::Instant::now();
        let lost = || Err(Broken::Lost("the connection broke".to_owned()));
        let fate = self.hub.before(self.worker, &call, saves(request)).await;
        tokio::time::sleep(Duration::from_millis(10 + self.hub.below(200))).await;
        let Reply { response, delay, ending } = place.sandbox.lock().unwrap().handle(self.hub.now(), request);
        self.hub.after(self.worker, &call, fate).await;
        let trickles = match ending {
            Ending::Slow => Duration::from_secs(response.body().len() as u64),
            _ => Duration::ZERO,
        };
        // What a stall took is not the connection's time.
        let left = limits.deadline.saturating_sub(match fate {
            None => begun.elapsed(),
            Some(_) => Duration::ZERO,
        });
        if delay + trickles > left {
            tokio::time::sleep(left).await;
            return Err(Broken::Lost("not complete in time".to_owned()));
        }
        tokio::time::sleep(delay + trickles).await;
        match ending {
            Ending::Drop | Ending::Cut(_) => lost(),
            _ if matches!(fate, Some(Fate::Lose)) => lost(),
            Ending::Whole | Ending::Slow if response.body().len() > limits.body_max => {
                Err(Broken::Unusable("too large".to_owned()))
            }
            Ending::Whole | Ending::Slow => Ok(response),
        }
    }
}
