//! Every call between workers and the outside, from the first look to the attached document: a worker dies before it or
//! after its effect, or its answer is lost, and whoever goes on comes to the same end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::history::{Company, Event, History, Second, Style, What};
use super::simulate;

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The worker dies before the effect.
    Before,
    /// The worker dies after the effect.
    After,
    /// The worker lives, and the answer is lost after the effect.
    Lost,
}

/// How work goes on after a death, in seconds: at once, or by another worker when all leases have ended.
const RESUMED: [Second; 2] = [1, 900];

/// One call with what happened at it.
#[derive(Clone, Debug)]
pub struct Point {
    /// Function and call.
    pub name: String,
    /// What happened.
    pub way: Way,
    /// After how many seconds somebody went on.
    pub resumed: Second,
    /// What was wrong in the end; empty if the books are right.
    pub wrong: Vec<String>,
}

/// A quiet company with one payout of each provider.
fn quiet(events: Vec<Event>) -> History {
    let company = Company {
        id: "nordlys".to_owned(),
        payouts: 1,
        first_shape: 1,
        unsound: false,
        visible_after: 0,
        style: Style { months: true, ..Style::default() },
    };
    History { seed: 7, companies: vec![company], workers: 1, storm: 1200, events }
}

/// The calls by name, as a run without trouble makes them.
///
/// # Panics
///
/// If that run goes wrong.
pub fn boundaries() -> Vec<String> {
    let report = simulate(&quiet(Vec::new()), None, false);
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert!(report.vouchers >= 2, "{}", report.vouchers);
    report.called
}

/// Tries every `stride`-th call in every way, by so many threads.
pub fn table(stride: usize, threads: usize) -> Vec<Point> {
    let ways = [Way::Before, Way::After].into_iter().flat_map(|way| RESUMED.map(|resumed| (way, resumed)));
    let ways: Vec<(Way, Second)> = ways.chain([(Way::Lost, 0)]).collect();
    let mut all = Vec::new();
    for (call, name) in boundaries().into_iter().enumerate().step_by(stride) {
        all.extend(ways.iter().map(|way| (call, name.clone(), *way)));
    }
    let (next, points) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((call, name, (way, resumed))) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = tried(*call as u64 + 1, *way, *resumed);
                    let point = Point { name: name.clone(), way: *way, resumed: *resumed, wrong };
                    points.lock().unwrap().push(point);
                }
            });
        }
    });
    let mut points = points.into_inner().unwrap();
    points.sort_by(|one, other| {
        (&one.name, one.way, one.resumed).cmp(&(&other.name, other.way, other.resumed))
    });
    points
}

fn tried(call: u64, way: Way, resumed: Second) -> Vec<String> {
    let what = match way {
        Way::Lost => What::Lose { worker: 0, call },
        _ => What::Crash { worker: 0, call, effect: way == Way::After, back_after: resumed },
    };
    let report = simulate(&quiet(vec![Event { at: 0, what }]), None, false);
    let mut wrong = report.wrong;
    let meant = if way == Way::Lost { "an answer is lost" } else { "a worker dies" };
    if !report.injected.contains_key(meant) {
        wrong.push(format!("it did not happen that {meant}"));
    }
    wrong
}
