//! How fast rows become a checked, balanced voucher, against rivals that do the same job; how many calls a voucher
//! takes; and the memory of a whole run. See README.md beside this file.

mod bare;
mod books;
mod calls;
mod memory;
mod pages;
mod report;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

type Failure = Box<dyn std::error::Error>;

/// What can be run alone.
const PARTS: [&str; 4] = ["report", "pages", "calls", "memory"];

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let only = arguments.next();
    if only.as_deref().is_some_and(|part| !PARTS.contains(&part)) {
        return Err(format!("no such part: name one of {}", PARTS.join(", ")).into());
    }
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let folder = tempfile::tempdir()?;
    let bilag = std::env::current_exe()?.with_file_name("bilag");
    if wanted("report") {
        report::run(rows, rounds, folder.path())?;
    }
    if wanted("pages") {
        pages::run(rows, rounds, folder.path())?;
    }
    if !bilag.exists() {
        println!("calls and memory: build bilag first (cargo build --release)");
        return Ok(());
    }
    if wanted("calls") {
        calls::run(&bilag, folder.path())?;
    }
    if wanted("report") || wanted("memory") {
        memory::run(&bilag, rows, folder.path())?;
    }
    Ok(())
}

/// Where the scripts lie.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench")
}

/// Lets `generate.py` write a payout; its megabytes.
fn generate(rows: u64, kind: &str, to: &Path) -> Result<u64, Failure> {
    println!("making {kind} of {rows} rows …");
    let made = Command::new("python3")
        .arg(scripts().join("generate.py"))
        .arg(rows.to_string())
        .arg(kind)
        .stdout(std::fs::File::create(to)?)
        .status()?;
    if !made.success() {
        return Err("tests/bench/generate.py failed".into());
    }
    Ok(std::fs::metadata(to)?.len() / 1_000_000)
}
