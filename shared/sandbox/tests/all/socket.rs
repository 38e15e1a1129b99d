//! The sandbox on a socket: what a client really meets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::basic;
use sandbox::{Options, Sandbox, serve, stripe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn start(faults: &str) -> String {
    let faults = (!faults.is_empty()).then(|| serde_json::from_str(faults).unwrap());
    let sandbox = Sandbox::new(Options { faults, ..Options::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(Arc::new(Mutex::new(sandbox)), listener));
    address
}

fn get(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nstripe-version: 2026-07-29.dahlia\r\n\
         connection: close\r\n\r\n",
        stripe::KEY
    )
}

/// Everything that comes until the connection ends, or until `wait` is over.
async fn exchange(address: &str, request: &[u8], wait: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let until = Instant::now() + wait;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(Ok(read)) =
        tokio::time::timeout(until.saturating_duration_since(Instant::now()), stream.read(&mut buffer)).await
    {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    answer
}

struct Parts {
    head: String,
    body: Vec<u8>,
}

impl Parts {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then(|| value.to_owned())
        })
    }

    fn length(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }
}

fn parts(answer: &[u8]) -> Parts {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    Parts { head: String::from_utf8(answer[..at].to_vec()).unwrap(), body: answer[at + 4..].to_vec() }
}

const LONG: Duration = Duration::from_secs(30);

async fn with_fault(kind: &str) -> Vec<u8> {
    let address = start(&format!(r#"{{"percent":100,"kinds":["{kind}"]}}"#)).await;
    exchange(&address, get("/stripe/v1/payouts?limit=3").as_bytes(), LONG).await
}

#[tokio::test]
async fn answers_arrive_and_connections_stay_open() {
    let address = start("").await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    for _ in 0..3 {
        let request = get("/stripe/v1/payouts/po_none").replace("connection: close\r\n", "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        let answer = parts(&buffer[..read]);
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.body.len(), answer.length());
    }
    let calls = parts(&exchange(&address, get("/sandbox/calls").as_bytes(), LONG).await);
    let calls: serde_json::Value = serde_json::from_slice(&calls.body).unwrap();
    assert_eq!(calls["total"], 3);
}

#[tokio::test]
async fn drops_close_the_connection_without_a_word() {
    assert_eq!(with_fault("drop-before").await, b"");
    assert_eq!(with_fault("drop-after").await, b"");
}

#[tokio::test]
async fn cut_bodies_promise_more_than_comes() {
    let answer = parts(&with_fault("cut-body").await);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.body.len(), answer.length() / 2);
}

#[tokio::test]
async fn slow_bodies_trickle() {
    let address = start(r#"{"percent":100,"kinds":["slow-body"]}"#).await;
    let answer = exchange(&address, get("/stripe/v1/payouts").as_bytes(), Duration::from_millis(2_500)).await;
    let answer = parts(&answer);
    assert!(answer.length() > 100);
    assert!((1..=3).contains(&answer.body.len()), "{}", answer.body.len());
}

#[tokio::test]
async fn answers_instead_of_the_real_one() {
    let status = |kind: &'static str| async move { parts(&with_fault(kind).await) };
    let answer = status("429").await;
    assert_eq!((answer.status(), answer.header("retry-after")), (429, None));
    assert_eq!(answer.header("stripe-rate-limited-reason").as_deref(), Some("global-rate"));
    assert_eq!(status("429-retry-after").await.header("retry-after").as_deref(), Some("1"));
    let answer = status("500").await;
    assert_eq!((answer.status(), answer.header("content-type").as_deref()), (500, Some("application/json")));
    let answer = status("500-after").await;
    assert!(answer.status() == 500 && answer.body.starts_with(b"<!DOCTYPE html>"));
    let answer = status("502-empty").await;
    assert_eq!((answer.status(), answer.body.len()), (502, 0));
    assert_eq!(status("503-html").await.status(), 503);
    let answer = status("html-200").await;
    assert!(answer.status() == 200 && answer.body.starts_with(b"<!DOCTYPE html>"));
    let answer = status("redirect").await;
    assert_eq!((answer.status(), answer.header("location").as_deref()), (307, Some("/sandbox/redirected")));
    let answer = status("wrong-content-type").await;
    assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert!(answer.body.starts_with(b"{"));
}

#[tokio::test]
async fn huge_bodies_and_bombs_come_whole() {
    let answer = parts(&with_fault("huge-body").await);
    assert!(answer.length() > 64 << 20);
    assert_eq!(answer.body.len(), answer.length());
    assert_eq!(answer.body.last(), Some(&b' '));
    let answer = parts(&with_fault("bomb").await);
    assert_eq!(answer.header("content-encoding").as_deref(), Some("gzip"));
    assert!(answer.body.starts_with(&[0x1f, 0x8b]) && answer.body.len() < 4 << 20);
}

#[tokio::test]
async fn lists_are_spoilt() {
    let answer = parts(&with_fault("duplicate-rows").await);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 4);
    assert_eq!(body["data"][3], body["data"][2]);
    // The first page has no cursor that could be repeated.
    let body: serde_json::Value =
        serde_json::from_slice(&parts(&with_fault("repeated-cursor").await).body).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn answers_that_hang_do_not_come() {
    let address = start(r#"{"percent":100,"kinds":["hang"]}"#).await;
    let wait = Duration::from_millis(500);
    assert_eq!(exchange(&address, get("/stripe/v1/payouts").as_bytes(), wait).await, b"");
}

/// Sends JSON to Tripletex and reads the answer.
async fn tripletex(address: &str, method: &str, path: &str, session: &str, body: &str) -> Parts {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        basic("0", session),
        body.len()
    );
    parts(&exchange(address, request.as_bytes(), LONG).await)
}

#[tokio::test]
async fn faults_of_one_system_come_over_the_socket_too() {
    let address = start("").await;
    let put = async |body: &str| {
        assert_eq!(tripletex(&address, "PUT", "/sandbox/faults", "", body).await.status(), 200);
    };
    let tokens = serde_json::json!({
        "consumerToken": sandbox::tripletex::CONSUMER_TOKEN,
        "employeeToken": sandbox::tripletex::EMPLOYEE_TOKEN,
        "expirationDate": "2099-01-01",
    });
    let created =
        tripletex(&address, "POST", "/tripletex/v2/token/session/:create", "", &tokens.to_string()).await;
    let created: serde_json::Value = serde_json::from_slice(&created.body).unwrap();
    let session = created["value"]["token"].as_str().unwrap();
    let json = async |method: &str, path: &str, body: &str| -> serde_json::Value {
        let answer = tripletex(&address, method, &format!("/tripletex/v2/{path}"), session, body).await;
        serde_json::from_slice(&answer.body).unwrap()
    };

    put(r#"{"percent":100,"kinds":["repeated-cursor"],"limit":1}"#).await;
    assert_eq!(json("GET", "ledger/account?from=10&count=5&fields=id", "").await["from"], 0);

    let accounts = json("GET", "ledger/account?number=1579,1909&fields=id", "").await;
    let posting = |row: usize, amount: i64| {
        serde_json::json!({
            "row": row, "account": accounts["values"][row - 1], "vatType": { "id": 0 },
            "amountGross": amount, "amountGrossCurrency": amount,
        })
    };
    let voucher = serde_json::json!({
        "date": "2026-11-02", "description": "a", "externalVoucherNumber": "a",
        "postings": [posting(1, -100), posting(2, 100)],
    });
    put(r#"{"percent":100,"kinds":["delay-visible"],"limit":1}"#).await;
    let posted = json("POST", "ledger/voucher", &voucher.to_string()).await;
    assert_eq!(posted["value"]["number"], 1);
    let search = "ledger/voucher/%3EexternalVoucherNumber?externalVoucherNumber=a";
    assert_eq!(json("GET", search, "").await["fullResultSize"], 0);

    put(r#"{"percent":100,"kinds":["token-expired"],"limit":1}"#).await;
    assert_eq!(json("GET", "currency", "").await["status"], 401);
    assert_eq!(json("GET", "currency", "").await["status"], 401);
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    let address = start("").await;
    let head = format!(
        "POST /tripletex/v2/ledger/voucher HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        11 << 20
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + (10 << 20) + 1, b' ');
    let answer = parts(&exchange(&address, &request, LONG).await);
    assert_eq!(answer.status(), 413);
}
