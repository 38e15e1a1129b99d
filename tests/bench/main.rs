//! Report rows to a checked, balanced voucher, against a Python script that does the same job; and the memory that a
//! whole run over a million rows takes. See README.md beside this file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ledger::{Book, CutOff, FeeMode, Granularity, Head, Mapping, Planner, Purpose, Role, Target, Voucher};
use providers::{GroupEnd, Item, Terms};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

/// Sums per (account, kind), debit positive, as text.
type Sums = BTreeMap<(String, String), String>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.csv");
    println!("making a report of {rows} rows …");
    let made = Command::new("python3")
        .arg(bench.join("generate.py"))
        .arg(rows.to_string())
        .stdout(std::fs::File::create(&report)?)
        .status()?;
    if !made.success() {
        return Err("tests/bench/generate.py failed".into());
    }
    println!(
        "{} MB, {rounds} rounds of each, one after the other",
        std::fs::metadata(&report)?.len() / 1_000_000
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let start = Instant::now();
        let voucher = book(&report)?;
        let took = start.elapsed();
        let (rival, rival_took) = python(&bench, &report)?;
        if sums(&voucher) != rival {
            return Err(format!("bilag and the rival differ:\n{:?}\n{rival:?}", sums(&voucher)).into());
        }
        println!(
            "  round {round}: bilag {} ms, python {} ms, same voucher",
            took.as_millis(),
            rival_took / 1000
        );
        ours.push(took.as_micros());
        theirs.push(u128::from(rival_took));
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    let (ours, theirs) = (ours[ours.len() / 2], theirs[theirs.len() / 2]);
    println!(
        "rows to voucher, medians: bilag {} ms ({} rows/ms), python {} ms: {}.{} times as fast",
        ours / 1000,
        u128::from(rows) * 1000 / ours,
        theirs / 1000,
        theirs / ours,
        theirs * 10 / ours % 10,
    );
    memory(&report, folder.path())
}

/// From the file to the balanced voucher: what import and posting do, without the archive between.
fn book(report: &Path) -> Result<Voucher, Failure> {
    let provider = providers::find("stripe").ok_or("no stripe")?;
    let terms = Terms { time_zone: chrono_tz::Tz::Europe__Oslo, ..Terms::plain() };
    let mapping = mapping();
    let file = std::fs::File::open(report)?;
    let format = provider.formats()[0];
    let mut rows = provider.open(format, file, &terms)?;
    // Lines are folded before the payout row is read, so the day and amount come from a first guess of the head.
    let mut head = None;
    let mut planner: Option<Planner<'_>> = None;
    let guess = guess(report)?;
    while let Some(item) = rows.next(None)? {
        match item {
            Item::Row { ref line, .. } => {
                planner
                    .get_or_insert_with(|| Planner::new(&mapping, &guess, Purpose::Settlement, 1))
                    .add(line)?;
            }
            Item::Group { end: GroupEnd::Settlement { head: proved, hold, .. }, .. } => {
                if let Some(hold) = hold {
                    return Err(hold.into());
                }
                head = Some(*proved);
            }
            Item::Group { .. } => return Err("rows without a payout".into()),
        }
    }
    if head.as_ref() != Some(&guess) {
        return Err("the head that the rows prove is another".into());
    }
    let mut vouchers = planner.ok_or("no rows")?.finish()?;
    match (vouchers.pop(), vouchers.is_empty()) {
        (Some(voucher), true) => Ok(voucher),
        _ => Err("expected one voucher".into()),
    }
}

/// What the archive's manifest tells in a real run: read here from the report's last line, the payout row.
fn guess(report: &Path) -> Result<Head, Failure> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(report)?;
    let mut header = vec![0; 4096];
    let read = file.read(&mut header)?;
    let header = String::from_utf8_lossy(&header[..read]).into_owned();
    let columns: Vec<&str> = header.lines().next().unwrap_or_default().split(',').collect();
    file.seek(SeekFrom::End(-2048))?;
    let mut tail = String::new();
    file.read_to_string(&mut tail)?;
    let last: Vec<&str> = tail.lines().last().unwrap_or_default().split(',').collect();
    let text = |name: &str| columns.iter().position(|column| *column == name).map_or("", |index| last[index]);
    let currency = ledger::Currency::parse(text("currency"))?;
    let payout = -ledger::money::parse_amount(text("gross"), currency.digits())?;
    let mut days = providers::Days::new(chrono_tz::Tz::UTC, chrono_tz::Tz::Europe__Oslo);
    Ok(Head {
        name: ledger::Name {
            provider: "stripe".to_owned(),
            scope: String::new(),
            id: text("automatic_payout_id").to_owned(),
        },
        currency,
        payout_on: days.day(text("created_utc")).ok_or("no day")?,
        payout,
        opening: Default::default(),
        closing: Default::default(),
        account: String::new(),
        window: false,
        fees_invoiced: Some(false),
    })
}

fn mapping() -> Mapping {
    let target = |account: &str| Target { account: account.to_owned(), ..Target::default() };
    Mapping {
        company: "bench".to_owned(),
        connection: "shop".to_owned(),
        provider: "stripe".to_owned(),
        provider_title: "Stripe".to_owned(),
        book: Book::Clearing,
        granularity: Granularity::Summary,
        cut_off: CutOff::Payout,
        fees: FeeMode::Auto,
        unallocated_limit: None,
        accounts: BTreeMap::from([
            (Role::SalesClearing, target("1579")),
            (Role::Disputed, target("1575")),
            (Role::ProviderFee, target("7770")),
            (Role::FeeVat, target("2711")),
            (Role::HeldByProvider, target("1576")),
            (Role::InTransit, target("1909")),
            (Role::ProviderBalance, target("1570")),
        ]),
        rules: Vec::new(),
        lines_max: 1000,
    }
}

fn sums(voucher: &Voucher) -> Sums {
    let mut sums = BTreeMap::new();
    for posting in &voucher.postings {
        *sums
            .entry((posting.account.clone(), posting.kind.name().to_owned()))
            .or_insert(Default::default()) += posting.signed();
    }
    sums.into_iter().map(|(key, amount): (_, ledger::money::Decimal)| (key, amount.to_string())).collect()
}

/// Runs the rival; its own clock starts after the interpreter.
fn python(bench: &Path, report: &Path) -> Result<(Sums, u64), Failure> {
    let output = Command::new("python3").arg(bench.join("rival.py")).arg(report).output()?;
    if !output.status.success() {
        return Err(format!("rival.py: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = answer["seconds"].to_string();
    let (whole, fraction) = seconds.split_once('.').unwrap_or((&seconds, "0"));
    let micros = whole.parse::<u64>()? * 1_000_000 + format!("{fraction:0<6}")[..6].parse::<u64>()?;
    let mut sums = Sums::new();
    for line in answer["lines"].as_array().ok_or("no lines")? {
        let text = |index: usize| line[index].as_str().unwrap_or_default().to_owned();
        sums.insert((text(0), text(2)), text(1));
    }
    Ok((sums, micros))
}

/// A whole `bilag run` over the report, in a process of its own: its peak memory by the operating system.
fn memory(report: &Path, folder: &Path) -> Result<(), Failure> {
    let bilag: PathBuf = std::env::current_exe()?.with_file_name("bilag");
    if !bilag.exists() {
        println!("peak memory: build bilag first (cargo build --release)");
        return Ok(());
    }
    let home = folder.join("home");
    let made = Command::new(&bilag)
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
    let script = "import resource,subprocess,sys\nr=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE)\n\
                  print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
                  sys.stderr.write(r.stdout.decode()[-300:])";
    let output = Command::new("python3").args(["-c", script]).arg(&bilag).arg("run").arg(&home).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (code, kilobytes) = text.trim().split_once(' ').ok_or("no figures")?;
    if code != "0" {
        return Err(
            format!("bilag run ended with {code}: {}", String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    println!(
        "bilag run, file to archive to voucher to journal: peak memory {} MB, {} ms",
        kilobytes.parse::<u64>()? / 1024,
        start.elapsed().as_millis()
    );
    Ok(())
}
