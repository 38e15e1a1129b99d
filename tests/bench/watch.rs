//! Time by the wall and by the processor, and medians of it.

use std::time::{Duration, Instant};

/// What one piece of work took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// By the wall.
    pub wall: Duration,
    /// Of one processor; the same as `wall` where the system does not tell.
    pub cpu: Duration,
}

/// Times a piece of work of this thread.
pub fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Took), E> {
    let (wall, cpu) = (Instant::now(), cpu_time());
    let done = work()?;
    let wall = wall.elapsed();
    let cpu = cpu_time().zip(cpu).map_or(wall, |(after, before)| after - before);
    Ok((done, Took { wall, cpu }))
}

/// The time that this thread has had on a processor.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_ascii_whitespace().next()?.parse().ok()?))
}

/// What the rounds of one contender took.
#[derive(Debug, Default)]
pub struct Series(Vec<Took>);

impl Series {
    /// Adds a round.
    pub fn add(&mut self, took: Took) {
        self.0.push(took);
    }

    /// The medians of the rounds.
    pub fn median(&self) -> Took {
        let median = |which: fn(&Took) -> Duration| {
            let mut times: Vec<Duration> = self.0.iter().map(which).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        Took { wall: median(|took| took.wall), cpu: median(|took| took.cpu) }
    }
}

/// A quotient with two decimals.
pub fn quotient(number: u128, by: u128) -> String {
    let hundredths = number * 100 / by.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Prints how many times as long another contender took.
pub fn print_ratio(what: &str, ours: Took, other: Took, aim: &str) {
    println!(
        "  {what}: {} times as fast by the wall, {} by the processor ({aim})",
        quotient(other.wall.as_micros(), ours.wall.as_micros()),
        quotient(other.cpu.as_micros(), ours.cpu.as_micros()),
    );
}
