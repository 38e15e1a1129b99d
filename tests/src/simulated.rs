//! A home whose providers and accounting system are the sandbox, in this process, with every exchange kept.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bilag::home::Dispatched;
use chrono::NaiveDate;
use edge::config::Config;
use edge::http::{Broken, Hosts, Limits, Transport};
use edge::secret::SecretsFile;
use edge::vault::KeyFile;
use edge::{Clock, Error, World};
use embedded::Embedded;
use http::{Request, Response};
use sandbox::{COMPANY, Ending, Home, Options, Sandbox};
use serde_json::{Value, json};

use trial::TestClock;

use crate::home::TestHome;

/// Where the sandbox stands.
pub const BASE: &str = "http://127.0.0.1:4010";

/// The day that connections of simulated homes start on; the clock stands some weeks later.
pub const START_ON: &str = "2026-01-05";

/// One request and its answer, whole.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// As it was sent.
    pub request: Request<Vec<u8>>,
    /// As it came.
    pub answer: Response<Vec<u8>>,
}

impl Exchange {
    /// One JSON object on one line. Headers that must not be logged are named without their value.
    pub fn line(&self) -> String {
        let headers = |headers: &http::HeaderMap| -> Value {
            let pairs = headers.iter().map(|(name, value)| {
                let text = if value.is_sensitive() { "(secret)" } else { value.to_str().unwrap_or_default() };
                (name.as_str().to_owned(), Value::from(text))
            });
            Value::Object(pairs.collect())
        };
        let uri = self.request.uri();
        json!({
            "method": self.request.method().as_str(),
            "path": uri.path(),
            "query": uri.query().unwrap_or_default(),
            "headers": headers(self.request.headers()),
            "body": STANDARD.encode(self.request.body()),
            "status": self.answer.status().as_u16(),
            "answer_headers": headers(self.answer.headers()),
            "answer_body": STANDARD.encode(self.answer.body()),
        })
        .to_string()
    }
}

/// The way to a sandbox, on which every exchange that comes to an answer is kept.
pub struct Line {
    sandbox: Mutex<Sandbox>,
    clock: Arc<TestClock>,
    kept: Mutex<Vec<Exchange>>,
    lost: Mutex<Vec<String>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Line {
    async fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, Broken> {
        // Calls take time, in which others are allowed.
        self.clock.forward(chrono::Duration::milliseconds(300));
        let reply = self.sandbox.lock().unwrap().handle(self.clock.now(), &request);
        let call = format!("{} {}", request.method(), request.uri().path());
        let mut lost = self.lost.lock().unwrap();
        let hit = lost.iter().position(|end| call.ends_with(end.as_str())).map(|at| lost.remove(at));
        if hit.is_some() || reply.ending != Ending::Whole {
            return Err(Broken::Lost("the line broke".to_owned()));
        }
        let answer = reply.response;
        self.kept.lock().unwrap().push(Exchange { request, answer: answer.clone() });
        Ok(answer)
    }
}

/// A home with a world over the sandbox.
pub struct Simulated {
    /// The folder and the clock.
    pub home: TestHome,
    /// The world of its only worker.
    pub world: World,
    line: Arc<Line>,
    dispatched: Arc<Dispatched>,
    _store: Embedded,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Simulated {
    /// A home that stands as the sandbox itself writes it, except for what `change` makes of its two files.
    pub async fn new(options: Options, change: impl FnOnce(&mut Home)) -> Simulated {
        let home = TestHome::new();
        let start_on: NaiveDate = START_ON.parse().unwrap();
        let mut files = sandbox::home_from(BASE, start_on);
        change(&mut files);
        home.config(COMPANY, &files.config_toml);
        let secrets = home.path().join("secrets.toml");
        std::fs::write(&secrets, &files.secrets_toml).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let options = Options { base_on: Some(start_on), ..options };
        let line = Arc::new(Line {
            sandbox: Mutex::new(Sandbox::new(options)),
            clock: Arc::clone(&home.clock),
            kept: Mutex::default(),
            lost: Mutex::default(),
        });
        let store = home.store();
        let (world, dispatched) = home.world(&store, "simulated").await;
        let transport: Arc<dyn Transport> = Arc::<Line>::clone(&line);
        let world = world
            .reaching(transport, Hosts::Loopback)
            .trusting(Arc::new(SecretsFile(secrets)), Arc::new(KeyFile::of(&[7; 32]).unwrap()));
        let verdict = check_config::handle(&world, &format!("{COMPANY}.toml")).await.unwrap();
        assert!(verdict.valid, "{:?}", verdict.errors);
        Simulated { home, world, line, dispatched, _store: store }
    }

    /// The configuration that is in force.
    pub async fn config(&self) -> Config {
        check_config::in_force(&self.world, COMPANY).await.unwrap().unwrap().1
    }

    /// Asks the sandbox's control.
    ///
    /// # Panics
    ///
    /// If it is not done.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let request =
            Request::builder().method(method).uri(format!("{BASE}/sandbox/{path}")).body(body.to_string());
        let request = request.unwrap().map(String::into_bytes);
        let reply = self.line.sandbox.lock().unwrap().handle(self.home.clock.now(), &request);
        assert_eq!(reply.response.status(), 200, "{path} {body}");
        serde_json::from_slice(reply.response.body()).unwrap()
    }

    /// Loses the answer to the next call whose method and path end so, such as `/ledger/voucher`.
    pub fn lose(&self, end: &str) {
        self.line.lost.lock().unwrap().push(end.to_owned());
    }

    /// Takes what was exchanged since the last time.
    pub fn exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.line.kept.lock().unwrap())
    }

    /// Makes every connection due and works until nothing is due now. What failed is given back; it stays due.
    pub async fn look(&self) -> Vec<Error> {
        for name in self.config().await.connections.keys() {
            discover_payouts::make_due(&self.world, COMPANY, name, None).await.unwrap();
        }
        self.work().await
    }

    /// Works until nothing is due now, each item up to twenty times. What failed is given back; it stays due.
    pub async fn work(&self) -> Vec<Error> {
        const BUDGET: Duration = Duration::from_secs(600);
        let (mut failed, mut ended) = (Vec::new(), BTreeSet::new());
        for _ in 0..1000 {
            dispatch_due::handle(&self.world).await.unwrap();
            let mut due = self.dispatched.take();
            due.retain(|work| !ended.contains(work));
            if due.is_empty() {
                break;
            }
            for (function, key) in due {
                let again = match function.as_str() {
                    "discover-payouts" => discover_payouts::handle(&self.world, &key, BUDGET)
                        .await
                        .map(|looked| looked.unfinished && looked.announced > 0),
                    "fetch-settlement" => fetch_settlement::handle(&self.world, &key, BUDGET, &mut |_| {})
                        .await
                        .map(|fetched| fetched.unfinished && fetched.rows > 0),
                    "post-voucher" => post_voucher::handle(&self.world, &key).await.map(|_| false),
                    other => panic!("{other}: {key}"),
                };
                match again {
                    Ok(true) => {}
                    Ok(false) => {
                        ended.insert((function, key));
                    }
                    Err(error) => {
                        failed.push(error);
                        ended.insert((function, key));
                    }
                }
            }
        }
        failed
    }
}

/// Writes exchanges as JSON lines, for other witnesses.
///
/// # Panics
///
/// If the file cannot be written.
pub fn write(path: &Path, exchanges: &[Exchange]) {
    let lines: Vec<String> = exchanges.iter().map(Exchange::line).collect();
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}
