//! Runs simulations: some seeds, as many as a time allows, or one with everything that happens in it told.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bilag_tests::simulation::crash_points::table;
use bilag_tests::simulation::defects::{DEFECTS, Defect};
use bilag_tests::simulation::history::History;
use bilag_tests::simulation::{Report, shrink, simulate};
use clap::Parser;

/// A simulation is a million small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds are shown as they fail, and at the end how many there were and what went wrong in them.
#[derive(Parser)]
struct Wishes {
    /// One seed, with every call.
    #[arg(long)]
    seed: Option<u64>,
    /// The first of many seeds.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds at most.
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// How many minutes at most.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Threads, each with simulations of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// For each defect that can be switched on: the first seed that finds it.
    #[arg(long)]
    defects: bool,
    /// A death or a lost answer at every call of a quiet run.
    #[arg(long)]
    crash_points: bool,
}

fn main() -> ExitCode {
    let wishes = Wishes::parse();
    if let Some(seed) = wishes.seed {
        return one(seed);
    }
    if wishes.defects {
        return defects();
    }
    if wishes.crash_points {
        return crash_points(wishes.threads);
    }
    many(&wishes)
}

fn one(seed: u64) -> ExitCode {
    let history = History::of(seed);
    print!("{history}");
    let report = simulate(&history, None, true);
    for line in &report.log {
        println!("{line}");
    }
    tell(&history, &report)
}

fn tell(history: &History, report: &Report) -> ExitCode {
    println!("{} vouchers, {} calls, {:?}", report.vouchers, report.calls, report.injected);
    if report.wrong.is_empty() {
        println!("seed {} is right", history.seed);
        return ExitCode::SUCCESS;
    }
    println!("{}\nseed {} is WRONG:", report.trail, history.seed);
    for wrong in &report.wrong {
        println!("  {wrong}");
    }
    ExitCode::FAILURE
}

/// Which defects are found, and by which seed.
fn defects() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (defect, within) in DEFECTS {
        let found = (1..=within).find(|seed| finds(*seed, defect));
        match found {
            Some(seed) => println!("{defect:?}: found by seed {seed}, within {within}"),
            None => {
                println!("{defect:?}: NOT FOUND within {within} seeds");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Every call of a quiet run, by name, with what came of dying there.
fn crash_points(threads: usize) -> ExitCode {
    let points = table(1, threads);
    let mut by_name: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for point in &points {
        let (tried, converged) = by_name.entry(&point.name).or_default();
        *tried += 1;
        *converged += usize::from(point.wrong.is_empty());
        if !point.wrong.is_empty() {
            let wrong = point.wrong.join("; ");
            println!("WRONG {} {:?}, resumed after {} s: {wrong}", point.name, point.way, point.resumed);
        }
    }
    for (name, (tried, converged)) in &by_name {
        println!("{converged:>5} of {tried:>5}  {name}");
    }
    let converged = points.iter().filter(|point| point.wrong.is_empty()).count();
    println!("{} boundaries, {} crash points, {converged} converged", by_name.len(), points.len());
    if converged == points.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn finds(seed: u64, defect: Defect) -> bool {
    !simulate(&History::of(seed), Some(defect), false).wrong.is_empty()
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    failed: Vec<u64>,
    vouchers: u64,
    calls: u64,
    lasted: Duration,
    injected: BTreeMap<String, u64>,
}

fn many(wishes: &Wishes) -> ExitCode {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(wishes.minutes * 60);
    let next = AtomicU64::new(wishes.from);
    let last = wishes.from + wishes.seeds;
    let sums = Mutex::new(Sums::default());
    std::thread::scope(|scope| {
        for _ in 0..wishes.threads {
            scope.spawn(|| {
                while Instant::now() < end {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        return;
                    }
                    let report = simulate(&History::of(seed), None, false);
                    let failed = !report.wrong.is_empty();
                    if failed {
                        println!("seed {seed}: {}", report.wrong.join("\n  "));
                    }
                    let Ok(mut sums) = sums.lock() else { return };
                    if failed {
                        sums.failed.push(seed);
                    }
                    sums.seeds += 1;
                    sums.vouchers += report.vouchers as u64;
                    sums.calls += report.calls;
                    sums.lasted += report.lasted;
                    for (what, count) in report.injected {
                        *sums.injected.entry(what).or_default() += count;
                    }
                    if sums.seeds % 1000 == 0 {
                        println!("{} seeds in {} s", sums.seeds, begun.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let Ok(sums) = sums.into_inner() else { return ExitCode::FAILURE };
    summary(&sums, begun.elapsed())
}

fn summary(sums: &Sums, took: Duration) -> ExitCode {
    if let Some(seed) = sums.failed.iter().min() {
        println!("the first that failed, with as little as it needs:");
        let smallest = shrink(&History::of(*seed), None);
        print!("{smallest}");
        tell(&smallest, &simulate(&smallest, None, false));
    }
    for (what, count) in &sums.injected {
        println!("{count:>12} {what}");
    }
    println!(
        "{} seeds, {} failed; {} vouchers, {} calls; {} virtual hours in {} s, {} times as fast as time",
        sums.seeds,
        sums.failed.len(),
        sums.vouchers,
        sums.calls,
        sums.lasted.as_secs() / 3600,
        took.as_secs(),
        sums.lasted.as_secs() / took.as_secs().max(1),
    );
    if sums.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
