//! The sandbox on a socket: HTTP/1.1 that really drops, cuts, delays and trickles.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::stream::{self, StreamExt};
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::Sandbox;
use crate::wire::{self, Ending, Reply};

/// The most bytes of a request's body.
pub const BODY_MAX: usize = 10 << 20;

/// How long a cut answer waits before it closes the connection, so that what is before the cut arrives.
const CUT_AFTER: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves the sandbox until the future is dropped. Connections are answered side by side, requests one by
/// one.
pub async fn serve(sandbox: Arc<Mutex<Sandbox>>, listener: TcpListener) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // A client that is gone already, or too many open files: the next one may do better.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let sandbox = Arc::clone(&sandbox);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&sandbox), request));
            let mut builder = http1::Builder::new();
            // An error here is a connection that was dropped, by the client or on purpose.
            let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    sandbox: Arc<Mutex<Sandbox>>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => {
            let request = http::Request::from_parts(parts, body.to_bytes().to_vec());
            sandbox.lock().unwrap_or_else(PoisonError::into_inner).handle(Utc::now(), &request)
        }
        Err(_) => Reply::whole(wire::page(413, "Content Too Large")),
    };
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    let (mut parts, body) = reply.response.into_parts();
    // Cut and slow bodies promise their whole length too.
    if !matches!(parts.status.as_u16(), 204 | 304) {
        parts.headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(body.len()));
    }
    let bytes = Bytes::from(body);
    let body = match reply.ending {
        Ending::Drop => return Err(io::Error::other("dropped on purpose")),
        Ending::Whole => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        Ending::Cut(length) => cut(bytes.slice(..length.min(bytes.len()))),
        Ending::Slow => slow(bytes),
    };
    Ok(Response::from_parts(parts, body))
}

/// The bytes, and then the end of the connection.
fn cut(bytes: Bytes) -> Body {
    let first = stream::once(async move { Ok(Frame::data(bytes)) });
    let end = stream::once(async {
        tokio::time::sleep(CUT_AFTER).await;
        Err(io::Error::other("cut on purpose"))
    });
    StreamBody::new(first.chain(end)).boxed_unsync()
}

/// One byte per second.
fn slow(bytes: Bytes) -> Body {
    let frames = stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let byte = rest.split_to(1);
        Some((Ok(Frame::data(byte)), rest))
    });
    StreamBody::new(frames).boxed_unsync()
}
