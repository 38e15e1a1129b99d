//! The command line. See `bilag --help`.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;

use bilag::out::{Failure, captured};
use bilag::{
    Exit, Home, Out, backfill, check, door, init, inspect, replay, run, sandbox, serve, show, status,
};
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
        /// Save what is fetched every so many seconds: what a process that dies has to fetch again at most.
        #[arg(long, value_name = "SECONDS", default_value_t = run::PIECE.as_secs(),
              value_parser = clap::value_parser!(u64).range(1..=300))]
        piece: u64,
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
    /// Payouts of any days again: what is known is compared, what is new is booked, nothing twice.
    Backfill {
        /// The home folder.
        home: PathBuf,
        #[command(flatten)]
        range: backfill::Range,
    },
    /// Webhooks, schedule and the operator's page in one long-running process.
    Serve {
        /// The home folder.
        home: PathBuf,
        #[command(flatten)]
        ports: serve::Ports,
    },
    /// Simulated providers and accounting system, with a ready home: to try everything without credentials.
    Sandbox(sandbox::Wishes),
    /// Rebuild every voucher from the archive and compare.
    Replay {
        /// The home folder.
        home: PathBuf,
    },
}

impl Command {
    /// The home that the command works on; `None` for commands without one.
    fn home(&self) -> Option<&Path> {
        match self {
            Command::Init(_) | Command::Inspect { .. } | Command::Sandbox(_) => None,
            Command::Run { home, .. }
            | Command::Preview { home }
            | Command::Check { home, .. }
            | Command::Status { home }
            | Command::Show { home, .. }
            | Command::Backfill { home, .. }
            | Command::Serve { home, .. }
            | Command::Replay { home } => Some(home),
            Command::Retry(decided) | Command::Release(decided) | Command::Reverse(decided) => {
                Some(&decided.home)
            }
        }
    }

    /// Whether it works on whatever is due.
    fn passes(&self) -> bool {
        matches!(self, Command::Run { .. } | Command::Backfill { .. })
    }

    /// Whether it works on a copy that is thrown away.
    fn rehearses(&self) -> bool {
        matches!(self, Command::Preview { .. } | Command::Check { .. })
    }
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Failure::from(Error::bug("the runtime cannot start").because(error)));
        }
    };
    match runtime.block_on(carry_out(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&failure),
    }
}

#[allow(clippy::print_stderr)]
fn fail(failure: &Failure) -> ExitCode {
    eprintln!("bilag: {}", failure.message);
    ExitCode::from(failure.exit as u8)
}

async fn carry_out(cli: Cli) -> Result<u8, Failure> {
    let (out, wait) = (Out { json: cli.json }, cli.wait_lock);
    let Some(root) = cli.command.home().map(Path::to_owned) else {
        return Ok(match cli.command {
            Command::Init(wishes) => init::init(out, &wishes)?,
            Command::Inspect { file, format } => inspect::inspect(out, &file, format.as_deref()),
            Command::Sandbox(wishes) => sandbox::sandbox(out, &wishes).await?,
            _ => Exit::Usage,
        } as u8);
    };
    if !matches!(cli.command, Command::Serve { .. }) {
        let arguments: Vec<String> = std::env::args().collect();
        if let Some(done) = door::ask(&root, &arguments).await? {
            return Ok(printed(&done));
        }
    }
    let home = match cli.command.rehearses() {
        true => Home::rehearse(&root, wait).await?,
        false => Home::open(&root, wait).await?,
    };
    Ok(match cli.command {
        Command::Serve { ports, .. } => serve::serve(&root, home, out, ports, through_the_door).await?,
        command => on_home(command, &home, out).await?,
    } as u8)
}

/// Prints what the process that serves the home answered.
#[allow(clippy::print_stderr)]
fn printed(done: &door::Done) -> u8 {
    use std::io::Write as _;
    eprint!("{}", done.stderr);
    // A reader that has gone away needs nothing more.
    let _ = std::io::stdout().write_all(done.stdout.as_bytes());
    done.exit
}

/// Carries out the command line of another process on the home that this one serves.
fn through_the_door(
    served: Rc<serve::Served>,
    arguments: Vec<String>,
) -> Pin<Box<dyn Future<Output = door::Done>>> {
    Box::pin(async move {
        let cli = match Cli::try_parse_from(arguments) {
            Ok(cli) => cli,
            Err(error) => {
                let (exit, stderr) = (Exit::Usage as u8, error.to_string());
                return door::Done { exit, stdout: String::new(), stderr };
            }
        };
        let out = Out { json: cli.json };
        let command = async {
            // Claims keep commands apart from the schedule's work; only a copy of the state needs it at rest, and two
            // passes at once would only wait for each other.
            let _turn = match cli.command.rehearses() || cli.command.passes() {
                true => Some(served.turn().await),
                false => None,
            };
            if cli.command.rehearses() {
                let root = cli.command.home().unwrap_or(Path::new("")).to_owned();
                let copy = Home::rehearse_served(&root).await?;
                return on_home(cli.command, &copy, out).await;
            }
            on_home(cli.command, &served.home, out).await
        };
        let (done, stdout) = captured(command).await;
        served.wake();
        match done {
            Ok(exit) => door::Done { exit: exit as u8, stdout, stderr: String::new() },
            Err(failure) => door::Done {
                exit: failure.exit as u8,
                stdout,
                stderr: format!("bilag: {}\n", failure.message),
            },
        }
    })
}

async fn on_home(command: Command, home: &Home, out: Out) -> Result<Exit, Failure> {
    Ok(match command {
        Command::Run { wait: seconds, piece, .. } => {
            let how = run::How {
                wait: seconds.map(|s| Duration::seconds(i64::from(s))),
                piece: std::time::Duration::from_secs(piece),
                explain: false,
            };
            run::run(home, out, how).await?
        }
        Command::Preview { .. } => {
            run::run(home, out, run::How { wait: None, piece: run::PIECE, explain: true }).await?
        }
        Command::Check { offline, .. } => check::check(home, out, offline).await?,
        Command::Status { .. } => status::status(home, out).await?,
        Command::Show { settlement, .. } => {
            let (company, name) = home.settlement(&settlement).await?;
            show::show(home, out, &company, &name).await?
        }
        Command::Retry(decided) => decide(Verb::Retry, &decided, home, out).await?,
        Command::Release(decided) => decide(Verb::Release, &decided, home, out).await?,
        Command::Reverse(decided) => decide(Verb::Reverse, &decided, home, out).await?,
        Command::Replay { .. } => replay::replay(home, out).await?,
        Command::Backfill { range, .. } => backfill::backfill(home, out, &range).await?,
        Command::Init(_) | Command::Inspect { .. } | Command::Serve { .. } | Command::Sandbox(_) => {
            return Err(Failure::from(Error::config("this command does not work on a home that is open")));
        }
    })
}

#[derive(Clone, Copy)]
enum Verb {
    Retry,
    Release,
    Reverse,
}

async fn decide(verb: Verb, decided: &Decided, home: &Home, out: Out) -> Result<Exit, Failure> {
    use post_voucher::operate;
    if decided.reason.trim().is_empty() {
        return Err(Failure::from(Error::config("--reason must say why")));
    }
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
