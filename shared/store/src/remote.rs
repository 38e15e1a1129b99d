//! A third party's API under one credential: reads are paced and repeated, sends are made once.

use std::time::Duration;

use backon::BackoffBuilder as _;
use chrono::{DateTime, Utc};
use edge::http::{Broken, Limits, retry_after};
use edge::{Error, World};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::pace::{Pace, Rate};

/// How often a read is made before its answer is taken as it is.
const READS_MAX: usize = 4;

/// The longest that a worker waits before the next read; beyond, the work is given back.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What is waited after "too many calls" when the answer names no time.
const PAUSE: Duration = Duration::from_secs(2);

/// One API. Its addresses all begin with one base, so that nothing else can be reached.
pub struct Remote<'w> {
    world: &'w World,
    system: &'static str,
    base: String,
    pace: Pace<'w>,
    again: fn(&Response<Vec<u8>>) -> bool,
    spent: fn(&HeaderMap) -> Option<Duration>,
    /// What one read may take.
    pub read_limits: Limits,
}

impl<'w> Remote<'w> {
    /// The API of `system` at its `own` base, or at `base_url` where that is allowed; `credential` is the secret's
    /// fingerprint.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Config`] if `base_url` is not allowed here.
    pub fn new(
        world: &'w World,
        system: &'static str,
        (own, base_url): (&str, Option<&str>),
        credential: &str,
        rate: Rate,
    ) -> Result<Remote<'w>, Error> {
        let base = world.hosts.base(own, base_url)?;
        let host = base.split("://").nth(1).unwrap_or(&base).split('/').next().unwrap_or_default();
        let pace = Pace::new(world, host, credential, rate);
        Ok(Remote {
            world,
            system,
            base,
            pace,
            again: usual_again,
            spent: |_| None,
            read_limits: Limits::READ,
        })
    }

    /// The same API with its own rule of which answers to a read are worth another try.
    pub fn repeating(self, again: fn(&Response<Vec<u8>>) -> bool) -> Remote<'w> {
        Remote { again, ..self }
    }

    /// The same API with its own way to say that all calls are spent: how long none may follow, told by the headers of
    /// any answer, also of good ones. `Retry-After` counts besides.
    pub fn metered(self, spent: fn(&HeaderMap) -> Option<Duration>) -> Remote<'w> {
        Remote { spent, ..self }
    }

    /// The world that it is asked from.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// A request to a path below the base. The path begins with a slash and is encoded already.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(http::header::USER_AGENT, concat!("bilag/", env!("CARGO_PKG_VERSION")))
    }

    /// Reads: waits for its turn, and tries again where the answer says that this may help. The last answer is
    /// returned whatever its status, but never a redirect.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Retry`] if there is no answer, or its turn is far off, or it is a redirect: a proxy or a
    /// maintenance window, which pass.
    pub async fn read(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Error> {
        let mut waits = backon::ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(400))
            .with_max_delay(WAIT_MAX)
            .with_jitter()
            .with_jitter_seed(self.seed())
            .with_max_times(READS_MAX - 1)
            .build();
        loop {
            self.pace.take().await?;
            let answer = self.world.http.exchange(request.clone(), self.read_limits).await;
            let asked = match &answer {
                Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                    Some(self.heed(answer).await)
                }
                Ok(answer) if (self.again)(answer) => retry_after(answer.headers(), self.world.clock.now()),
                Ok(good) => {
                    if (self.spent)(good.headers()).is_some() {
                        self.heed(good).await;
                    }
                    return self.taken(answer);
                }
                Err(Broken::Unusable(_)) => return self.taken(answer),
                Err(_) => None,
            };
            match waits.next() {
                Some(wait) if asked.is_none_or(|asked| asked <= WAIT_MAX) => {
                    tokio::time::sleep(wait.max(asked.unwrap_or_default())).await;
                }
                _ => return self.taken(answer),
            }
        }
    }

    fn taken(&self, answer: Result<Response<Vec<u8>>, Broken>) -> Result<Response<Vec<u8>>, Error> {
        let answer = answer.map_err(|broken| Error::retry(self.system).because(broken))?;
        if answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED {
            return Err(Error::retry(format!(
                "{}: the answer sends us to another address, which is refused; if it stays so, look at proxies and \
                 base_url",
                self.system
            )));
        }
        Ok(answer)
    }

    /// Sends once, on a fresh connection, whatever the answer.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there is no whole answer. Before the request is made, waiting for its turn may fail too, as
    /// [`Broken::NotSent`].
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        self.send_by(request, DateTime::<Utc>::MAX_UTC).await
    }

    /// As [`Remote::send`], but not begun after this instant, whatever was waited for: [`Broken::NotSent`] then.
    ///
    /// # Errors
    ///
    /// As [`Remote::send`].
    pub async fn send_by(
        &self,
        request: Request<Vec<u8>>,
        latest: DateTime<Utc>,
    ) -> Result<Response<Vec<u8>>, Broken> {
        self.pace.take().await.map_err(|error| Broken::NotSent(error.to_string()))?;
        if self.world.clock.now() > latest {
            return Err(Broken::NotSent("there is not time enough left for a sending".to_owned()));
        }
        let answer = self.world.http.exchange(request, Limits::SEND).await?;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS || (self.spent)(answer.headers()).is_some() {
            self.heed(&answer).await;
        }
        Ok(answer)
    }

    /// How long an answer asks to wait, in whichever way it does.
    pub fn asked(&self, answer: &Response<Vec<u8>>) -> Option<Duration> {
        let plain = retry_after(answer.headers(), self.world.clock.now());
        plain.into_iter().chain((self.spent)(answer.headers())).max()
    }

    /// Slows everyone with this credential down by what an answer says, and tells by how much. The answer counts more
    /// than this: at worst another worker is told the same.
    async fn heed(&self, answer: &Response<Vec<u8>>) -> Duration {
        let wait = self.asked(answer).unwrap_or(PAUSE);
        if let Err(error) = self.pace.close(wait).await {
            tracing::warn!(system = self.system, %error, "the pace could not be slowed");
        }
        wait
    }

    /// Spreads the waits of workers, the same for the same worker and attempt.
    fn seed(&self) -> u64 {
        self.world.attempt().bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// Answers that another try may better: too many calls, and faults of the server.
pub fn usual_again(answer: &Response<Vec<u8>>) -> bool {
    matches!(answer.status().as_u16(), 429 | 500 | 502 | 503 | 504)
}
