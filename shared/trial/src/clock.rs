//! The time, as tests want it.

use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};
use edge::Clock;

/// A clock that moves when it is told to. One that runs moves with the time of the test's runtime as well, so that a
/// wait on paused time is as long as it seems.
#[derive(Debug)]
pub struct TestClock {
    at: Mutex<DateTime<Utc>>,
    since: Option<tokio::time::Instant>,
}

impl TestClock {
    /// A clock that stands still at an instant such as `2026-02-10T06:00:00Z`.
    pub fn at(text: &str) -> TestClock {
        TestClock { at: Mutex::new(text.parse().unwrap()), since: None }
    }

    /// A clock that runs from such an instant on.
    pub fn running(text: &str) -> TestClock {
        TestClock { since: Some(tokio::time::Instant::now()), ..TestClock::at(text) }
    }

    /// Moves on, or back.
    pub fn forward(&self, by: Duration) {
        *self.at.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        let passed = self.since.map(|since| since.elapsed()).unwrap_or_default();
        *self.at.lock().unwrap() + passed
    }
}
