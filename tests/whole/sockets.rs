//! The way out over real sockets: certificates, addresses, answers that trickle or do not end. Short limits stand for
//! the usual ones.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edge::http::{Broken, Limits, Sockets, Transport as _};
use http::{Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sandbox::{Options, Sandbox};
use serde_json::json;

const KEY: &str = include_str!("certificates/key.pem");
const GOOD: &str = include_str!("certificates/good.pem");
const OTHER_NAME: &str = include_str!("certificates/other.pem");
const EXPIRED: &str = include_str!("certificates/expired.pem");

const SHORT: Limits = Limits { deadline: Duration::from_secs(1), body_max: 1 << 20, fresh: false };

/// A server that shows a certificate and answers every request with `ok`; returns its port.
fn tls_server(certificate: &str) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut request = [0; 4096];
            // A client that refuses the certificate goes away.
            if stream.read(&mut request).is_ok() {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

/// A server that answers every request with what `answer` writes; returns its port.
fn server(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                // The client goes away before the end: that is the test.
                let _ = answer(&mut stream);
            }
        }
    });
    port
}

async fn get(sockets: &Sockets, url: &str, limits: Limits) -> Result<Response<Vec<u8>>, Broken> {
    let request =
        Request::builder().uri(url).header("authorization", "Bearer secret").body(Vec::new()).unwrap();
    sockets.exchange(request, limits).await
}

#[tokio::test]
async fn fault_021_a_certificate_that_is_unknown_expired_or_of_another_name_is_refused() {
    for fresh in [false, true] {
        let limits = Limits { deadline: Duration::from_secs(10), fresh, ..SHORT };
        for (certificate, trusted, is_good) in
            [(GOOD, true, true), (GOOD, false, false), (OTHER_NAME, true, false), (EXPIRED, true, false)]
        {
            let sockets = Sockets::new(trusted.then_some(certificate.as_bytes())).unwrap();
            let url = format!("https://localhost:{}/", tls_server(certificate));
            match get(&sockets, &url, limits).await {
                Ok(answer) => assert!(is_good && answer.body() == b"ok", "{answer:?}"),
                Err(Broken::NotSent(why)) => {
                    assert!(!is_good && why.contains("certificate") && !why.contains("secret"), "{why}");
                }
                Err(broken) => panic!("{broken:?}"),
            }
        }
    }
}

#[tokio::test]
async fn fault_022_an_address_that_is_unknown_or_answers_nothing_takes_no_longer_than_allowed() {
    let sockets = Sockets::new(None).unwrap();
    // Nobody listens here any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let limits = Limits { deadline: Duration::from_secs(3), ..SHORT };
    for url in [format!("http://127.0.0.1:{closed}/"), "https://nobody.invalid/".to_owned()] {
        let begun = Instant::now();
        let broken = get(&sockets, &url, limits).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{url}");
        // A resolver that is not reachable itself may take all the time there is.
        assert!(matches!(broken, Broken::NotSent(_) | Broken::Lost(_)), "{url}: {broken:?}");
    }
    // Accepts and says nothing.
    let silent = server(|_| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let begun = Instant::now();
    let broken = get(&sockets, &format!("http://127.0.0.1:{silent}/"), SHORT).await.unwrap_err();
    assert!(matches!(broken, Broken::Lost(_)), "{broken:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// The sandbox on a socket, with one kind of fault at every call.
async fn serve(kind: &str) -> String {
    let mut sandbox = Sandbox::new(Options::default());
    let faults = json!({ "percent": 100, "kinds": [kind] }).to_string().into_bytes();
    let request = Request::builder().method("PUT").uri("/sandbox/faults").body(faults).unwrap();
    assert!(sandbox.handle(chrono::Utc::now(), &request).response.status().is_success());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(sandbox::serve(Arc::new(Mutex::new(sandbox)), listener));
    base
}

#[tokio::test]
async fn fault_023_an_answer_that_trickles_is_given_up_at_the_deadline() {
    let sockets = Sockets::new(None).unwrap();
    for kind in ["slow-body", "hang"] {
        let base = serve(kind).await;
        let begun = Instant::now();
        let broken = get(&sockets, &format!("{base}/stripe/v1/payouts"), SHORT).await.unwrap_err();
        // It may have been done: for a send this is doubt.
        assert!(matches!(broken, Broken::Lost(_)), "{kind}: {broken:?}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{kind}: {took:?}");
    }
    // Headers that trickle count as well.
    let slow = server(|stream| {
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n" {
            stream.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    });
    let begun = Instant::now();
    let broken = get(&sockets, &format!("http://127.0.0.1:{slow}/"), SHORT).await.unwrap_err();
    assert!(matches!(broken, Broken::Lost(_)), "{broken:?}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn fault_024_an_answer_without_end_is_cut_off_at_the_cap() {
    let sockets = Sockets::new(None).unwrap();
    let endless = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 65_536])?;
        }
    });
    let limits = Limits { deadline: Duration::from_secs(20), ..SHORT };
    let broken = get(&sockets, &format!("http://127.0.0.1:{endless}/"), limits).await.unwrap_err();
    assert!(matches!(&broken, Broken::Unusable(why) if why.contains("1048576")), "{broken:?}");
}

#[tokio::test]
async fn fault_026_a_packed_answer_that_inflates_without_end_is_refused_over_the_wire() {
    let sockets = Sockets::new(None).unwrap();
    let base = serve("bomb").await;
    let limits = Limits { deadline: Duration::from_secs(20), body_max: 4 << 20, ..SHORT };
    let broken = get(&sockets, &format!("{base}/stripe/v1/payouts"), limits).await.unwrap_err();
    assert!(matches!(broken, Broken::Unusable(_)), "{broken:?}");
}

#[tokio::test]
async fn fault_004_an_answer_that_is_cut_or_never_comes_is_lost() {
    let sockets = Sockets::new(None).unwrap();
    for kind in ["cut-body", "drop-before", "drop-after"] {
        let base = serve(kind).await;
        for fresh in [false, true] {
            let limits = Limits { fresh, deadline: Duration::from_secs(10), ..SHORT };
            let broken = get(&sockets, &format!("{base}/stripe/v1/payouts"), limits).await.unwrap_err();
            assert!(matches!(broken, Broken::Lost(_)), "{kind}: {broken:?}");
        }
    }
}
