//! What a whole `bilag run` over a large report takes.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::{Failure, generate};

/// Starts a command and prints its exit code and peak memory as the operating system counted it.
const MEASURE: &str = "import resource,subprocess,sys\n\
                       r=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE)\n\
                       print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
                       sys.stderr.write(r.stdout.decode()[-300:])";

/// Runs `bilag run` over the report, in a process of its own.
pub fn run(bilag: &Path, rows: u64, folder: &Path) -> Result<(), Failure> {
    let report = folder.join("report.csv");
    if !report.exists() {
        generate(rows, "report", &report)?;
    }
    let home = folder.join("home");
    let made = Command::new(bilag)
        .args(["init", "--company", "bench", "--providers", "stripe"])
        .arg(&home)
        .output()?;
    if !made.status.success() {
        return Err(format!("init: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let config = home.join("config/bench.toml");
    let text = std::fs::read_to_string(&config)?;
    let start = text.lines().find(|line| line.starts_with("start_on")).ok_or("no start_on")?.to_owned();
    std::fs::write(&config, text.replace(&start, "start_on = 2020-01-01"))?;
    std::fs::copy(report, home.join("inbox/bench/stripe/report.csv"))?;
    let start = Instant::now();
    let output = Command::new("python3").args(["-c", MEASURE]).arg(bilag).arg("run").arg(&home).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (code, kilobytes) = text.trim().split_once(' ').ok_or("no figures")?;
    if code != "0" {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("bilag run ended with {code}: {errors}").into());
    }
    println!(
        "bilag run, file to archive to voucher to journal: peak memory {} MB, {} ms",
        kilobytes.parse::<u64>()? / 1024,
        start.elapsed().as_millis()
    );
    Ok(())
}
