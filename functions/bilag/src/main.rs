//! The command line. See `bilag --help`.

use std::path::PathBuf;
use std::process::ExitCode;

use bilag::out::Failure;
use bilag::{Exit, Home, Out, init, inspect, replay, run, show, status};
use chrono::Duration;
use clap::{Args, Parser, Subcommand};
use edge::Error;

/// Settlement reports in, balanced vouchers out, exactly once.
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
struct Cli {
    /// JSON lines on standard output, logs on standard error.
    #[arg(long, global = true)]
    json: bool,
    /// Wait while another process works on the home, instead of ending with 3.
    #[arg(long, global = true)]
    wait_lock: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Decided {
    /// The home folder.
    home: PathBuf,
    /// `[<company>/]<provider>:[<scope>:]<id>`, as status prints it.
    settlement: String,
    /// Why; kept on the trail.
    #[arg(long)]
    reason: String,
}

#[derive(Subcommand)]
enum Command {
    /// Make a commented starter home.
    Init(init::Wishes),
    /// One pass of everything due: read the inbox, book what is sound, say what is held. Safe to repeat.
    Run {
        /// The home folder.
        home: PathBuf,
        /// Go on until nothing is due, at most this many seconds.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u32>,
    },
    /// The same up to the vouchers, nothing written: each voucher and why each line is there.
    Preview {
        /// The home folder.
        home: PathBuf,
    },
    /// Check the configuration.
    Check {
        /// The home folder.
        home: PathBuf,
        /// Without asking accounting systems or providers.
        #[arg(long)]
        offline: bool,
    },
    /// What bilag reads from one settlement report.
    Inspect {
        /// The report.
        file: PathBuf,
        /// The format, instead of telling it from the content.
        #[arg(long = "as", value_name = "FORMAT")]
        format: Option<String>,
    },
    /// What is booked, held, waiting, in transit.
    Status {
        /// The home folder.
        home: PathBuf,
    },
    /// One settlement: rows, vouchers, trail, hashes.
    Show {
        /// The home folder.
        home: PathBuf,
        /// `[<company>/]<provider>:[<scope>:]<id>`, as status prints it.
        settlement: String,
    },
    /// Make a settlement due now.
    Retry(Decided),
    /// End a hold after its cause is mended or accepted.
    Release(Decided),
    /// Take a booked settlement back by mirrored vouchers.
    Reverse(Decided),
    /// Rebuild every voucher from the archive and compare.
    Replay {
        /// The home folder.
        home: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Done as u8 });
        }
    };
    edge::start_logs(cli.json);
    let out = Out { json: cli.json };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(Failure::from(Error::bug("the runtime cannot start").because(error)));
        }
    };
    match runtime.block_on(carry_out(cli.command, out, cli.wait_lock)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => fail(failure),
    }
}

#[allow(clippy::print_stderr)]
fn fail(failure: Failure) -> ExitCode {
    eprintln!("bilag: {}", failure.message);
    ExitCode::from(failure.exit as u8)
}

async fn carry_out(command: Command, out: Out, wait: bool) -> Result<Exit, Failure> {
    match command {
        Command::Init(wishes) => Ok(init::init(out, &wishes)?),
        Command::Inspect { file, format } => Ok(inspect::inspect(out, &file, format.as_deref())),
        Command::Run { home, wait: seconds } => {
            let how = run::How { wait: seconds.map(|s| Duration::seconds(i64::from(s))), explain: false };
            Ok(run::run(&Home::open(&home, wait).await?, out, how).await?)
        }
        Command::Preview { home } => {
            let how = run::How { wait: None, explain: true };
            Ok(run::run(&Home::rehearse(&home, wait).await?, out, how).await?)
        }
        Command::Check { home, offline } => check(&Home::rehearse(&home, wait).await?, out, offline).await,
        Command::Status { home } => Ok(status::status(&Home::open(&home, wait).await?, out).await?),
        Command::Show { home, settlement } => {
            let home = Home::open(&home, wait).await?;
            let (company, name) = home.settlement(&settlement).await?;
            Ok(show::show(&home, out, &company, &name).await?)
        }
        Command::Retry(decided) => decide(Verb::Retry, decided, out, wait).await,
        Command::Release(decided) => decide(Verb::Release, decided, out, wait).await,
        Command::Reverse(decided) => decide(Verb::Reverse, decided, out, wait).await,
        Command::Replay { home } => Ok(replay::replay(&Home::open(&home, wait).await?, out).await?),
    }
}

async fn check(home: &Home, out: Out, offline: bool) -> Result<Exit, Failure> {
    let verdicts = run::configurations(home).await?;
    if run::print_verdicts(&verdicts, out) {
        return Ok(Exit::Usage);
    }
    for verdict in &verdicts {
        out.text(&format!("{}.toml is valid", verdict.company));
        out.object(&serde_json::json!({ "type": "config", "company": verdict.company, "severity": "valid" }));
    }
    if !offline {
        out.text("the journal system keeps no chart of accounts, so there is nothing more to ask");
    }
    Ok(Exit::Done)
}

#[derive(Clone, Copy)]
enum Verb {
    Retry,
    Release,
    Reverse,
}

async fn decide(verb: Verb, decided: Decided, out: Out, wait: bool) -> Result<Exit, Failure> {
    use post_voucher::operate;
    if decided.reason.trim().is_empty() {
        return Err(Failure::from(Error::config("--reason must say why")));
    }
    let home = Home::open(&decided.home, wait).await?;
    let (company, name) = home.settlement(&decided.settlement).await?;
    let who = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
    let (world, reason) = (&home.world, decided.reason.as_str());
    let decision = match verb {
        Verb::Retry => operate::retry(world, &company, &name, &who, reason).await?,
        Verb::Release => operate::release(world, &company, &name, &who, reason).await?,
        Verb::Reverse => operate::reverse(world, &company, &name, &who, reason).await?,
    };
    out.object(&serde_json::json!({
        "type": "decision", "company": company, "settlement": name.to_string(), "from": decision.from,
        "to": decision.to, "reason": reason,
    }));
    out.text(&format!("{company}/{name}: {} → {}", decision.from, decision.to));
    for voucher in &decision.vouchers {
        out.object(&bilag::out::voucher("", "posted", voucher, true));
        out.text(&voucher.to_text());
    }
    if matches!(verb, Verb::Retry | Verb::Release) {
        out.text("the next bilag run works on it");
    }
    Ok(Exit::Done)
}
