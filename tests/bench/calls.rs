//! How many calls to the accounting system a settlement takes, counted by the simulated one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::Failure;
use crate::watch::quotient;

/// Sound payouts of each of the two providers.
const PAYOUTS: u64 = 12;

/// The ordinary case: look up, post, attach.
const CALLS_MAX: u64 = 3;

/// Kinds of calls that are made once and kept, whatever the number of vouchers.
const KEPT: [&str; 2] = ["session", "catalogue"];

/// Runs `bilag run` against a sandbox without faults, prints the calls, and fails if a voucher takes more than the
/// ordinary ones.
pub fn run(bilag: &Path, folder: &Path) -> Result<(), Failure> {
    let home = folder.join("sandbox");
    let payouts = PAYOUTS.to_string();
    let sandbox = Sandbox::start(bilag, &home, &["--sound-only", "--payouts", &payouts])?;
    let run = Command::new(bilag).arg("run").arg(&home).args(["--wait", "60"]).output()?;
    if !run.status.success() {
        return Err(format!("bilag run: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    let booked = sandbox.get("/sandbox/vouchers")?["vouchers"].as_array().map_or(0, Vec::len) as u64;
    if booked < PAYOUTS * 2 {
        return Err(format!("{booked} vouchers of {} payouts", PAYOUTS * 2).into());
    }
    let answer = sandbox.get("/sandbox/calls")?;
    println!("calls to the accounting system for {booked} vouchers:");
    let (mut ordinary, mut kept) = (0, 0);
    for call in answer["calls"].as_array().ok_or("no calls")? {
        if call["system"] != "tripletex" {
            continue;
        }
        let text = |name: &str| call[name].as_str().unwrap_or_default();
        let count = call["count"].as_u64().ok_or("no count")?;
        let once = KEPT.contains(&text("kind"));
        *(if once { &mut kept } else { &mut ordinary }) += count;
        println!(
            "  {:<10} {:<6} {:<40} {count:>4}{}",
            text("kind"),
            text("method"),
            text("endpoint"),
            if once { "  (kept)" } else { "" }
        );
    }
    let each = quotient(ordinary.into(), booked.into());
    println!("  {each} a voucher (at most {CALLS_MAX}), and {kept} once for all");
    if ordinary > booked * CALLS_MAX {
        return Err(format!("{ordinary} calls for {booked} vouchers, at most {CALLS_MAX} each").into());
    }
    Ok(())
}

/// A sandbox in a process of its own, which ends with this.
struct Sandbox {
    process: Child,
    host: String,
}

impl Sandbox {
    fn start(bilag: &Path, home: &Path, wishes: &[&str]) -> Result<Sandbox, Failure> {
        let mut process = Command::new(bilag)
            .args(["--json", "sandbox", "--port", "0", "--home"])
            .arg(home)
            .args(wishes)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("no output")?;
        // From here on it is ended whatever happens.
        let mut sandbox = Sandbox { process, host: String::new() };
        BufReader::new(output).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line)?;
        let base = started["base"].as_str().ok_or("the sandbox says no address")?;
        sandbox.host = base.trim_start_matches("http://").to_owned();
        Ok(sandbox)
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let mut stream = TcpStream::connect(&self.host)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.host)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
