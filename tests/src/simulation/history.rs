//! What a seed decides: a world, and a history of what goes wrong in it.

use std::fmt;

use fastrand::Rng;

use crate::sandboxed::PASSING_FAULTS;

/// Seconds from the beginning.
pub type Second = u64;

/// How long things go wrong; after that they only go right.
pub const STORM: Second = 2 * 3600;

/// A world and what happens in it.
#[derive(Clone, Debug)]
pub struct History {
    /// The seed that it came from, which also decides every small choice on the way.
    pub seed: u64,
    /// The companies.
    pub companies: Vec<Company>,
    /// How many workers there are at once.
    pub workers: usize,
    /// How long things may go wrong, in seconds.
    pub storm: Second,
    /// What goes wrong or changes, by time.
    pub events: Vec<Event>,
}

/// One company with its provider accounts and books.
#[derive(Clone, Debug)]
pub struct Company {
    /// Its id.
    pub id: String,
    /// Sound payouts of each provider.
    pub payouts: usize,
    /// The shape of the first one.
    pub first_shape: usize,
    /// Whether some payouts are unsound or wait.
    pub unsound: bool,
    /// How long its books do not show a new voucher, in seconds.
    pub visible_after: u64,
    /// How the mapping file is written.
    pub style: Style,
}

/// What of a mapping file differs between companies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Vouchers are saved as drafts.
    pub drafts: bool,
    /// One line for each transaction.
    pub transactions: bool,
    /// Months are kept apart.
    pub months: bool,
    /// Vouchers of closed periods are booked in the first open one.
    pub first_open: bool,
    /// Fees go to another account than usual.
    pub other_fees: bool,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Second,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A share of calls to a company's systems go wrong, in these ways.
    Systems {
        /// Whose.
        company: usize,
        /// The faults of the sandbox.
        kinds: Vec<&'static str>,
        /// Of a hundred calls.
        percent: u64,
        /// For how many seconds.
        lasting: Second,
    },
    /// A share of calls to the store go wrong.
    Store {
        /// In which way.
        fault: StoreFault,
        /// Of a hundred calls.
        percent: u64,
        /// For how many seconds.
        lasting: Second,
    },
    /// A worker dies at one of its next calls, and another takes its place.
    Crash {
        /// Which of the workers.
        worker: usize,
        /// At which of its next calls.
        call: u64,
        /// Whether the call has its effect.
        effect: bool,
        /// After how many seconds there is a new one.
        back_after: Second,
    },
    /// The answer to one of a worker's next calls is lost after its effect.
    Lose {
        /// Which of the workers.
        worker: usize,
        /// Which of its next calls.
        call: u64,
    },
    /// A worker stands still at one of its next calls and knows nothing of it.
    Stall {
        /// Which of the workers.
        worker: usize,
        /// At which of its next calls.
        call: u64,
        /// For how many seconds.
        lasting: Second,
    },
    /// A worker's clock is set.
    Clock {
        /// Which of the workers.
        worker: usize,
        /// Seconds that it goes fast.
        fast: i64,
    },
    /// All workers are stopped, the table is what it was some time before, and work goes on.
    Restore {
        /// How long before, in seconds.
        back: Second,
    },
    /// A mapping file is edited.
    Configure {
        /// Whose.
        company: usize,
        /// To what; `None` for something that is no mapping file.
        style: Option<Style>,
    },
    /// All tokens of a company expire.
    ExpireTokens {
        /// Whose.
        company: usize,
    },
    /// A month of a company's books is closed.
    ClosePeriod {
        /// Whose.
        company: usize,
        /// Which, as `2026-10`.
        month: &'static str,
    },
    /// The providers finish what waited.
    Settle {
        /// Whose.
        company: usize,
    },
    /// A payout comes back from the bank.
    Fail {
        /// Whose.
        company: usize,
        /// Which of its payouts, counted around.
        payout: usize,
    },
    /// A row of a payout says something else from now on, and a person asks for the payouts again.
    Amend {
        /// Whose.
        company: usize,
        /// Which of its payouts, counted around.
        payout: usize,
    },
    /// Providers send notices, one of them forged.
    Notices {
        /// Whose.
        company: usize,
        /// How many times the same.
        copies: usize,
    },
}

/// What can go wrong with a call to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It never arrives.
    LostBefore,
    /// It has its effect, and the answer is lost.
    LostAfter,
    /// Too many calls.
    Throttled,
    /// Another transaction is at the same item.
    Conflict,
    /// The store's own error after the effect.
    ErrorAfter,
    /// The index answers what it answered before, or nothing.
    StaleIndex,
    /// It takes seconds.
    Slow,
}

impl StoreFault {
    /// All of them.
    pub const ALL: [StoreFault; 7] = [
        StoreFault::LostBefore,
        StoreFault::LostAfter,
        StoreFault::Throttled,
        StoreFault::Conflict,
        StoreFault::ErrorAfter,
        StoreFault::StaleIndex,
        StoreFault::Slow,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            StoreFault::LostBefore => "store: call lost",
            StoreFault::LostAfter => "store: answer lost",
            StoreFault::Throttled => "store: throttled",
            StoreFault::Conflict => "store: transaction conflict",
            StoreFault::ErrorAfter => "store: error after the effect",
            StoreFault::StaleIndex => "store: stale index",
            StoreFault::Slow => "store: slow",
        }
    }
}

impl History {
    /// The history of a seed.
    pub fn of(seed: u64) -> History {
        let mut random = Rng::with_seed(seed ^ 0xb11a_6000_0000_0000);
        let companies = if random.u8(..100) < 15 { 2 } else { 1 };
        let companies: Vec<Company> = (0..companies).map(|number| company(&mut random, number)).collect();
        let workers = random.usize(1..=3);
        let count = random.usize(1..=10);
        let mut events: Vec<Event> =
            (0..count).map(|_| event(&mut random, companies.len(), workers)).collect();
        events.sort_by_key(|event| event.at);
        History { seed, companies, workers, storm: STORM, events }
    }
}

fn company(random: &mut Rng, number: usize) -> Company {
    Company {
        id: if number == 0 { "nordlys".to_owned() } else { format!("nordlys{}", number + 1) },
        payouts: random.usize(1..=3),
        first_shape: random.usize(..6),
        unsound: random.u8(..100) < 40,
        visible_after: if random.bool() { 0 } else { random.u64(1..=60) },
        style: style(random),
    }
}

fn style(random: &mut Rng) -> Style {
    Style {
        drafts: random.u8(..100) < 10,
        transactions: random.u8(..100) < 20,
        months: random.u8(..100) < 30,
        first_open: random.bool(),
        other_fees: random.bool(),
    }
}

fn event(random: &mut Rng, companies: usize, workers: usize) -> Event {
    // Most things happen while there is most to do.
    let at = match random.u8(..100) {
        0..35 => random.u64(..30),
        35..70 => random.u64(30..240),
        _ => random.u64(240..STORM - 1800),
    };
    let company = random.usize(..companies);
    let worker = random.usize(..workers);
    let lasting = if random.bool() { random.u64(30..=600) } else { random.u64(600..=STORM - at) };
    let what = match random.u8(..100) {
        0..20 => {
            // Lost answers are the worst, and twice as frequent.
            let all = [PASSING_FAULTS, &["drop-after"]].concat();
            let kinds = if random.bool() { vec![all[random.usize(..all.len())]] } else { all };
            What::Systems { company, kinds, percent: random.u64(5..=40), lasting }
        }
        20..36 => {
            let fault = StoreFault::ALL[random.usize(..StoreFault::ALL.len())];
            What::Store { fault, percent: random.u64(2..=25), lasting }
        }
        36..55 => What::Crash {
            worker,
            call: random.u64(1..=150),
            effect: random.bool(),
            back_after: if random.bool() { random.u64(1..=30) } else { random.u64(30..=900) },
        },
        55..71 => What::Stall {
            worker,
            call: if random.bool() { random.u64(1..=40) } else { random.u64(1..=150) },
            lasting: random.u64(5..=1800),
        },
        71..74 => What::Clock { worker, fast: random.i64(-20..=20) },
        74..77 => What::Restore { back: random.u64(60..=3600) },
        77..82 => What::Configure { company, style: (random.u8(..4) > 0).then(|| style(random)) },
        82..85 => What::ExpireTokens { company },
        85..88 => What::ClosePeriod { company, month: ["2026-10", "2026-11"][random.usize(..2)] },
        88..92 => What::Settle { company },
        92..95 => What::Fail { company, payout: random.usize(..8) },
        95..98 => What::Amend { company, payout: random.usize(..8) },
        _ => What::Notices { company, copies: random.usize(1..=3) },
    };
    Event { at, what }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} workers", self.seed, self.workers)?;
        for company in &self.companies {
            writeln!(f, "  {company:?}")?;
        }
        for event in &self.events {
            let (hours, minutes, seconds) = (event.at / 3600, event.at / 60 % 60, event.at % 60);
            writeln!(f, "  {hours}:{minutes:02}:{seconds:02} {:?}", event.what)?;
        }
        Ok(())
    }
}
