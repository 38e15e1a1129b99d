//! The way to the store, with faults on request.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use embedded::Embedded;

/// What happens to a call that is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It never arrives.
    Before,
    /// It has its effect, and the answer is lost.
    After,
}

/// Which call is hit.
type Picks = Box<dyn FnMut(&Call<'_>) -> Option<Loss> + Send>;

/// One call of the store.
#[derive(Debug)]
pub struct Call<'a> {
    /// How many went before it.
    pub number: usize,
    /// `PutItem`, `TransactWriteItems`, … for the table; the HTTP method for a bucket.
    pub operation: &'a str,
    /// The path with bucket and key; `/` for the table.
    pub path: &'a str,
}

impl Call<'_> {
    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        matches!(
            self.operation,
            "PutItem" | "TransactWriteItems" | "UpdateItem" | "DeleteItem" | "PUT" | "DELETE"
        )
    }
}

/// An embedded store behind a line on which calls can be lost. Clones are the same line.
#[derive(Clone)]
pub struct Transport {
    store: Embedded,
    state: Arc<Mutex<State>>,
}

struct State {
    count: usize,
    picks: Picks,
}

impl Transport {
    /// A line that loses what `picks` says.
    pub fn new(store: Embedded, picks: impl FnMut(&Call<'_>) -> Option<Loss> + Send + 'static) -> Transport {
        let state = State { count: 0, picks: Box::new(picks) };
        Transport { store, state: Arc::new(Mutex::new(state)) }
    }

    /// How many calls were made.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().count
    }

    fn hit(&self, request: &HttpRequest) -> Option<Loss> {
        let mut state = self.state.lock().unwrap();
        let target = request.headers().get("x-amz-target");
        let operation = target
            .and_then(|target| target.split_once('.'))
            .map_or(request.method(), |(_, operation)| operation);
        let uri = request.uri();
        let path =
            uri.split_once("://").map_or(uri, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        let call = Call { number: state.count, operation, path };
        let loss = (state.picks)(&call);
        state.count += 1;
        loss
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let lost = || ConnectorError::io("the line broke".into());
        match self.hit(&request) {
            None => self.store.call(request),
            Some(Loss::Before) => HttpConnectorFuture::ready(Err(lost())),
            Some(Loss::After) => {
                let answer = self.store.call(request);
                HttpConnectorFuture::new(async move {
                    answer.await?;
                    Err(lost())
                })
            }
        }
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
