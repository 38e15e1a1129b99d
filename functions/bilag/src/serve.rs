//! `bilag serve`: webhooks, the schedule and the operator's page in one long-running process.
//!
//! Three doors. The port for notices answers `POST /hooks/<company>/<connection>` and nothing else, so that a proxy may
//! pass it on to the world. The page is for this machine only. Other bilag commands on this home come in through a
//! socket in its state folder that only its owner can open.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use edge::Error;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use receive_webhook::BODY_MAX;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};

use crate::out::{Exit, Failure};
use crate::run::{self, Work};
use crate::{Home, Out, door, page};

/// How often the inbox and the configuration are looked at.
const TICK: Duration = Duration::from_secs(5);

/// The longest that a request may take to come in.
const REQUEST: Duration = Duration::from_secs(10);

/// Requests that are answered at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 64;

/// Where the process listens.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Ports {
    /// For providers' notices, on this machine; a proxy passes them on.
    #[arg(long, default_value_t = 8620)]
    pub port: u16,
    /// For the operator's page, on this machine.
    #[arg(long, default_value_t = 8621)]
    pub page_port: u16,
}

/// A home that is served: one pass at a time works on it.
pub struct Served {
    /// The home.
    pub home: Home,
    turn: Mutex<()>,
    news: Notify,
}

impl Served {
    /// Waits for the turn to work on the home.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Something may be due now.
    pub fn wake(&self) {
        self.news.notify_one();
    }
}

/// Serves a home until the process is told to end. `execute` carries out a command that came in through the socket.
///
/// # Errors
///
/// If a port or the socket cannot be opened.
pub async fn serve(
    root: &Path,
    home: Home,
    out: Out,
    ports: Ports,
    execute: door::Execute,
) -> Result<Exit, Failure> {
    let hooks = listen(ports.port).await?;
    let pages = listen(ports.page_port).await?;
    let address = |listener: &TcpListener| listener.local_addr().map(|at| at.to_string()).unwrap_or_default();
    let (at_hooks, at_pages) = (address(&hooks), address(&pages));
    let served = Rc::new(Served { home, turn: Mutex::new(()), news: Notify::new() });
    let door = door::Door::open(root)?;
    out.text(&format!(
        "notices   http://{at_hooks}/hooks/<company>/<connection>\npage      http://{at_pages}/"
    ));
    out.object(&serde_json::json!({ "type": "serving", "hooks": at_hooks, "page": at_pages }));
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            tokio::select! {
                () = accept(hooks, Rc::clone(&served), notice) => {}
                () = accept(pages, Rc::clone(&served), page::answer) => {}
                () = door.answer(Rc::clone(&served), execute) => {}
                () = schedule(&served, out) => {}
                _ = told_to_end() => {}
            }
            // Whoever works has ended before the process does.
            drop(served.turn().await);
        })
        .await;
    Ok(Exit::Done)
}

async fn told_to_end() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(|error| {
        Failure::from(Error::retry(format!("port {port} cannot be opened; choose another")).because(error))
    })
}

/// Passes over the home for ever: when something is due, a notice came, or a tick has passed.
async fn schedule(served: &Served, out: Out) {
    let mut read = BTreeMap::new();
    loop {
        {
            let _turn = served.turn().await;
            if let Err(error) = pass(&served.home, out, &mut read).await {
                tracing::error!(%error, "the pass broke off; the next goes on");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = served.news.notified() => {}
        }
    }
}

async fn pass(home: &Home, out: Out, read: &mut BTreeMap<String, String>) -> Result<(), Error> {
    run::new_configurations(home, out, read).await?;
    run::inbox(home, out).await?;
    let mut work = Work::default();
    work.pass(home, &indicatif::ProgressBar::hidden()).await?;
    run::print_vouchers(&work.vouchers, out, false);
    work.failed.map_or(Ok(()), Err)
}

/// An answer with a status, a content type and a body.
pub type Answer = hyper::Response<Full<Bytes>>;

/// An answer of plain text.
pub fn plain(status: http::StatusCode, text: &str) -> Answer {
    let mut answer = hyper::Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Accepts connections for ever, each in a task of its own with a time limit.
async fn accept<F, A>(listener: TcpListener, served: Rc<Served>, answer: F)
where
    F: Fn(Rc<Served>, hyper::Request<Incoming>) -> A + Copy + 'static,
    A: Future<Output = Answer> + 'static,
{
    let free = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = std::sync::Arc::clone(&free).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let served = Rc::clone(&served);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let answered = answer(Rc::clone(&served), request);
                async move { Ok::<Answer, Infallible>(answered.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(REQUEST * 3, connection).await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(permit);
        });
    }
}

/// Takes a provider's notice.
async fn notice(served: Rc<Served>, request: hyper::Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    // What says that it is too large is not waited for.
    if hyper::body::Body::size_hint(&body).lower() > BODY_MAX as u64 {
        return plain(http::StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
    }
    let body = match tokio::time::timeout(REQUEST, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(_)) => return plain(http::StatusCode::PAYLOAD_TOO_LARGE, "too large\n"),
        Err(_) => return plain(http::StatusCode::REQUEST_TIMEOUT, "too slow\n"),
    };
    let incoming = receive_webhook::Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
    };
    let status = receive_webhook::handle(&served.home.world, &incoming).await;
    if status.is_success() {
        served.wake();
    }
    plain(status, status.canonical_reason().unwrap_or_default())
}
