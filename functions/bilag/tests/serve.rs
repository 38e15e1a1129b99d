//! `bilag serve` as a process: notices over HTTP, the operator's page, other commands through the door, and its end.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{Days, Utc};
use sandbox::{Options, Sandbox};
use serde_json::Value;

/// A home in front of a sandbox that answers on a socket as long as the test runs, with the sandbox' address.
fn home() -> (tempfile::TempDir, String) {
    let base_on = Utc::now().date_naive() - Days::new(14);
    let options = Options { payouts: 2, sound_only: true, base_on: Some(base_on), ..Options::default() };
    let (told, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            // The clearing account of one provider takes nothing any more, so that something is held.
            let mut sandbox = Sandbox::new(options);
            let lock = br#"{"account":1578,"inactive":true}"#.to_vec();
            let lock = http::Request::post("/sandbox/lock-account").body(lock).unwrap();
            assert!(sandbox.handle(Utc::now(), &lock).response.status().is_success());
            told.send(listener.local_addr().unwrap().port()).unwrap();
            sandbox::serve(Arc::new(Mutex::new(sandbox)), listener).await;
        });
    });
    let at = format!("127.0.0.1:{}", port.recv().unwrap());
    let files = sandbox::home_from(&format!("http://{at}"), base_on);
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("config")).unwrap();
    let public = "[connections.webshop]\npublic_url = \"https://hooks.example.com\"";
    let config = files.config_toml.replace("[connections.webshop]", public);
    std::fs::write(home.path().join("config/sandbox.toml"), config).unwrap();
    let secrets = home.path().join("secrets.toml");
    std::fs::write(&secrets, files.secrets_toml).unwrap();
    std::fs::set_permissions(&secrets, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    (home, at)
}

/// A process that serves a home, ended at the latest with the test.
struct Serving {
    process: Child,
    hooks: String,
    page: String,
}

impl Serving {
    fn start(home: &Path) -> Serving {
        let mut process = bilag(&["serve", "--port", "0", "--page-port", "0", "--json"], home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let serving: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(serving["type"], "serving");
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let at = |name: &str| serving[name].as_str().unwrap().to_owned();
        Serving { process, hooks: at("hooks"), page: at("page") }
    }

    /// Asks it to end and returns its exit.
    fn end(mut self) -> i32 {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        for _ in 0..200 {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code().unwrap();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not end");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
    }
}

fn bilag(arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bilag"));
    command.arg(arguments[0]).arg(home).args(&arguments[1..]);
    command
}

fn output(arguments: &[&str], home: &Path) -> (i32, String) {
    let Output { status, stdout, .. } = bilag(arguments, home).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

/// One exchange; returns status and body.
fn exchange(at: &str, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn get(at: &str, host: &str) -> (u16, String) {
    exchange(at, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
}

fn notice(secret: &str, path: &str) -> Vec<u8> {
    let notice = sandbox::stripe_notice("payout.paid", "po_1", Utc::now(), &[secret]);
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: hooks.example.com\r\n");
    for (name, value) in &notice.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", notice.body.len()));
    [request.into_bytes(), notice.body].concat()
}

/// Waits until everything that the sandbox has is booked or held, and gives the status then.
fn at_rest(home: &Path, sandbox: &str) -> String {
    let (_, truth) =
        exchange(sandbox, b"GET /sandbox/payouts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let payouts = truth["payouts"].as_array().unwrap();
    let count = |provider: &str| payouts.iter().filter(|payout| payout["provider"] == provider).count();
    let (sound, refused) = (count("stripe"), count("vipps-mobilepay"));
    assert!(sound >= 2 && refused >= 2);
    let begun = Instant::now();
    loop {
        let (_, status) = output(&["status", "--json"], home);
        let lines: Vec<Value> = status.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let posted =
            lines.iter().filter(|line| line["type"] == "voucher" && line["state"] == "posted").count();
        let held = lines.iter().filter(|line| line["type"] == "held").count();
        if posted >= sound && held == refused {
            return status;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{status}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn fault_064_a_slow_upload_is_cut_off_while_everything_else_is_served() {
    let (home, sandbox) = home();
    let serving = Serving::start(home.path());

    // An upload that never ends keeps nobody else waiting.
    let at = serving.hooks.clone();
    let slow = std::thread::spawn(move || {
        let begun = Instant::now();
        let head = "POST /hooks/sandbox/webshop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 100000\r\n\r\n{";
        (exchange(&at, head.as_bytes()).0, begun.elapsed())
    });

    let begun = Instant::now();
    let path = "/hooks/sandbox/webshop";
    assert_eq!(exchange(&serving.hooks, &notice(sandbox::stripe::WEBHOOK_SECRET, path)).0, 200);
    assert_eq!(exchange(&serving.hooks, &notice("whsec_guess", path)).0, 401);
    assert_eq!(exchange(&serving.hooks, &notice("whsec_guess", "/")).0, 404);
    let large = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 6000000\r\n\r\n"
    );
    assert_eq!(exchange(&serving.hooks, large.as_bytes()).0, 413);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());

    // Nobody else serves or changes the home meanwhile.
    assert_eq!(output(&["serve", "--port", "0", "--page-port", "0"], home.path()).0, 3);

    let status = at_rest(home.path(), &sandbox);
    let (code, page) = get(&serving.page, &serving.page);
    assert_eq!(code, 200);
    assert!(page.contains("Remedy: ") && page.contains("stripe:po_"), "{page}");
    assert_eq!(get(&serving.page, "localhost:8621").0, 200);
    for host in ["evil.example", "evil.example:8621", "127.0.0.1.evil.example", ""] {
        let (code, page) = get(&serving.page, host);
        assert!(code == 421 && !page.contains("po_"), "{host}: {code} {page}");
    }
    let post = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", serving.page);
    assert_eq!(exchange(&serving.page, post.as_bytes()).0, 405);

    let (code, took) = slow.join().unwrap();
    assert_eq!(code, 408);
    assert!(took < Duration::from_secs(25), "{took:?}");

    assert_eq!(serving.end(), 0);
    assert!(!home.path().join("state/serve.sock").exists());
    // The same command without a process that serves the home.
    assert_eq!(output(&["status", "--json"], home.path()).1, status);
}
