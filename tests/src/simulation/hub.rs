//! Where all calls of all workers pass: what goes wrong with them is decided here, by the seed and the virtual time.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use edge::Clock;
use fastrand::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::history::{Second, StoreFault};
use trial::TestClock;

/// The longest that a worker stands still just as it sends: beyond, nothing but the looks that follow can help.
const STALL_AT_SEND: Second = 60;

/// What will happen to a worker at one of its calls.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It dies, before or after the call's effect.
    Crash {
        /// Whether the call has its effect.
        effect: bool,
    },
    /// It stands still for so many seconds.
    Stall(Second),
    /// The call has its effect, and the answer is lost.
    Lose,
}

#[derive(Default)]
struct Lane {
    /// The function that it is in.
    function: &'static str,
    /// What it called, by function and what the call is.
    called: Vec<String>,
    calls: u64,
    fates: Vec<(u64, Fate)>,
}

/// Trouble with the store for a time.
struct Window {
    fault: StoreFault,
    percent: u64,
    until: Second,
}

struct State {
    random: Rng,
    lanes: Vec<Lane>,
    windows: Vec<Window>,
    injected: BTreeMap<String, u64>,
    /// What the index answered last, by query.
    index: HashMap<String, String>,
    log: Option<Vec<String>>,
    trace: DefaultHasher,
    calls: u64,
    writes: u64,
}

/// The hub of one simulation.
pub struct Hub {
    begun: Instant,
    clock: Arc<TestClock>,
    state: Mutex<State>,
    crashes: Vec<Notify>,
}

impl Hub {
    /// A hub in which nothing goes wrong yet. With `logs` it keeps a line for each call.
    pub fn new(seed: u64, clock: Arc<TestClock>, workers: usize, logs: bool) -> Hub {
        let state = State {
            random: Rng::with_seed(seed),
            lanes: (0..workers).map(|_| Lane::default()).collect(),
            windows: Vec::new(),
            injected: BTreeMap::new(),
            index: HashMap::new(),
            log: logs.then(Vec::new),
            trace: DefaultHasher::new(),
            calls: 0,
            writes: 0,
        };
        let crashes = (0..workers).map(|_| Notify::new()).collect();
        Hub { begun: Instant::now(), clock, state: Mutex::new(state), crashes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Seconds since the beginning.
    pub fn second(&self) -> Second {
        self.begun.elapsed().as_secs()
    }

    /// The true time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A number below a limit, decided by the seed.
    pub fn below(&self, limit: u64) -> u64 {
        self.state().random.u64(..limit.max(1))
    }

    /// Whether something with a chance of so many in a hundred happens.
    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Puts what was dispatched in another order.
    pub fn shuffle<T>(&self, list: &mut [T]) {
        self.state().random.shuffle(list);
    }

    /// Counts something that went wrong.
    pub fn count(&self, what: &str) {
        self.count_more(what, 1);
    }

    /// Counts something that went wrong so many times.
    pub fn count_more(&self, what: &str, times: u64) {
        *self.state().injected.entry(what.to_owned()).or_default() += times;
    }

    /// How often what went wrong.
    pub fn injected(&self) -> BTreeMap<String, u64> {
        self.state().injected.clone()
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many writes there were that may have changed the table.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// The table may have changed.
    pub fn wrote(&self) {
        self.state().writes += 1;
    }

    /// A number that is the same for the same calls at the same times.
    pub fn trace(&self) -> u64 {
        self.state().trace.finish()
    }

    /// The line for each call so far.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone().unwrap_or_default()
    }

    /// Notes what happened, for the trace and the log.
    pub fn note(&self, what: &str) {
        let at = self.begun.elapsed();
        let mut state = self.state();
        (at.as_micros(), what).hash(&mut state.trace);
        if let Some(log) = &mut state.log {
            log.push(format!("{:>10.3} {what}", at.as_secs_f64()));
        }
    }

    /// A fate for one of a worker's next calls.
    pub fn doom(&self, worker: usize, call: u64, fate: Fate) {
        let mut state = self.state();
        let lane = &mut state.lanes[worker];
        let at = lane.calls + call;
        lane.fates.push((at, fate));
    }

    /// The worker is in a function from now on.
    pub fn enter(&self, worker: usize, function: &'static str) {
        self.state().lanes[worker].function = function;
    }

    /// What a worker called so far: for each call the function and what it was.
    pub fn called(&self, worker: usize) -> Vec<String> {
        self.state().lanes[worker].called.clone()
    }

    /// Resolves when the worker has to die.
    pub async fn death(&self, worker: usize) {
        self.crashes[worker].notified().await;
    }

    /// Lets the worker die now.
    pub fn kill(&self, worker: usize) {
        self.state().lanes[worker].fates.clear();
        self.crashes[worker].notify_one();
    }

    /// Trouble with the store from now on.
    pub fn trouble(&self, fault: StoreFault, percent: u64, lasting: Second) {
        let until = self.second() + lasting;
        self.state().windows.push(Window { fault, percent, until });
    }

    /// Ends all trouble.
    pub fn peace(&self) {
        let mut state = self.state();
        state.windows.clear();
        for lane in &mut state.lanes {
            lane.fates.clear();
        }
    }

    /// Before a call: it takes its time, and the worker may stand still or die.
    pub async fn before(&self, worker: usize, call: &str, sends: bool) -> Option<Fate> {
        let (wait, fate) = {
            let mut state = self.state();
            state.calls += 1;
            let lane = &mut state.lanes[worker];
            lane.calls += 1;
            let number = lane.calls;
            let boundary = format!("{}: {}", lane.function, plain(call));
            lane.called.push(boundary);
            let hit = lane.fates.iter().position(|(at, _)| *at <= number);
            let fate = hit.map(|at| lane.fates.remove(at).1);
            // The AWS clients' jitter, whatever else asked the same generator before.
            fastrand::seed(state.random.u64(..));
            (Duration::from_micros(state.random.u64(500..8_000)), fate)
        };
        self.note(&format!("{worker} {call}"));
        tokio::time::sleep(wait).await;
        match fate {
            Some(Fate::Stall(seconds)) => {
                let seconds = if sends { seconds.min(STALL_AT_SEND) } else { seconds };
                self.count("a worker stands still");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            Some(Fate::Crash { effect: false }) => self.die(worker, call).await,
            Some(Fate::Lose) => self.count("an answer is lost"),
            _ => {}
        }
        fate
    }

    /// After a call: the answer takes its time, and the worker may die.
    pub async fn after(&self, worker: usize, call: &str, fate: Option<Fate>) {
        if let Some(Fate::Crash { effect: true }) = fate {
            self.die(worker, call).await;
        }
        let wait = Duration::from_micros(500 + self.below(8_000));
        tokio::time::sleep(wait).await;
    }

    async fn die(&self, worker: usize, call: &str) {
        self.count("a worker dies");
        self.note(&format!("{worker} dies at {call}"));
        self.crashes[worker].notify_one();
        std::future::pending().await
    }

    /// What goes wrong with a call to the store of this operation, if anything.
    pub fn store_fault(&self, operation: &str, has_index: bool) -> Option<StoreFault> {
        let now = self.second();
        let mut state = self.state();
        let State { windows, random, .. } = &mut *state;
        let hit = windows.iter().find(|window| {
            let fits = match window.fault {
                StoreFault::Conflict => operation == "TransactWriteItems",
                StoreFault::StaleIndex => has_index,
                _ => true,
            };
            fits && now < window.until && random.u64(..100) < window.percent
        });
        let fault = hit.map(|window| window.fault);
        if let Some(fault) = fault {
            *state.injected.entry(fault.name().to_owned()).or_default() += 1;
        }
        fault
    }

    /// What the index answered to this query before; remembers `now` for the next time.
    pub fn stale(&self, query: &str, now: &str) -> Option<String> {
        self.state().index.insert(query.to_owned(), now.to_owned())
    }
}

/// A worker's clock: the true one, a little fast or slow.
#[derive(Debug)]
pub struct WorkerClock {
    /// The true one.
    pub clock: Arc<TestClock>,
    /// Seconds that it goes fast.
    pub fast: Arc<std::sync::atomic::AtomicI64>,
}

impl Clock for WorkerClock {
    fn now(&self) -> DateTime<Utc> {
        let fast = self.fast.load(std::sync::atomic::Ordering::Relaxed);
        self.clock.now() + chrono::Duration::seconds(fast)
    }
}

/// A call without the ids in it, so that the same boundary always has the same name.
fn plain(call: &str) -> String {
    let is_id =
        |part: &&str| part.bytes().any(|byte| byte.is_ascii_digit()) && *part != "v1" && *part != "v2";
    let mut words = call.splitn(2, ' ');
    let (operation, place) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let place = place.split('?').next().unwrap_or_default();
    let separator = if place.starts_with('/') { '/' } else { '#' };
    let parts: Vec<&str> = place.split(separator).map(|part| if is_id(&part) { "*" } else { part }).collect();
    format!("{operation} {}", parts.join(&separator.to_string()))
}
