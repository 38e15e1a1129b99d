//! A scripted accounting system that keeps state and checks what it is sent, and a stage for one voucher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use edge::{Clock, Error, World};
use embedded::Embedded;
use ledger::{Cause, Currency, Hold, Kind, Name, Posting, Purpose, Reference, Role, Side, Voucher};
use rust_decimal::Decimal;
use store::posting::{self, Answer, Doubt, Found, LEASE, Outbox, Outcome, SEND};
use store::{Key, Table, VoucherItem, VoucherState};
use trial::{Place, TestClock};

/// What the system does with one send.
#[derive(Clone, Debug)]
pub enum Send {
    /// Saves and answers.
    Accept,
    /// Saves; the answer is lost.
    AcceptAndLose,
    /// Saves, and shows it to look-ups only after this time; the answer is lost.
    AcceptLate(Duration),
    /// Gets nothing; neither does the sender.
    Lose,
    /// Refuses in a listed way.
    Refuse(Cause),
    /// Saves, and never comes to an end: the worker is killed in the middle of the send.
    AcceptAndDie,
    /// Dies without having saved.
    Die,
    /// Saves, and answers after the claim has lapsed and another worker was at it.
    AcceptAndStall,
}

/// What a look-up does, if it is not simply answered from what is saved.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    NotSure,
    Fails,
}

#[derive(Default)]
pub struct Books {
    /// What is saved, with the instant from which it can be seen.
    pub saved: Vec<(Voucher, DateTime<Utc>)>,
    pub sends: VecDeque<Send>,
    pub looks: VecDeque<Look>,
    /// How many sends there were.
    pub sent: u32,
}

/// A scripted accounting system, as one worker sees it. Workers share the books.
pub struct Scripted {
    pub doubt: Doubt,
    pub books: Arc<Mutex<Books>>,
    pub clock: Arc<TestClock>,
    /// Reads the store as it is during a send.
    pub witness: World,
    /// Who walks in the middle of a stalled send.
    pub rival: Option<Box<(World, Scripted)>>,
}

impl Scripted {
    fn visible(&self, reference: &Reference) -> Vec<Voucher> {
        let now = self.clock.now();
        let books = self.books.lock().unwrap();
        books
            .saved
            .iter()
            .filter(|(voucher, from)| voucher.reference == *reference && *from <= now)
            .map(|(voucher, _)| voucher.clone())
            .collect()
    }

    pub fn save(&self, voucher: &Voucher, visible_after: Duration) {
        let from = self.clock.now() + visible_after;
        let mut books = self.books.lock().unwrap();
        let same = |(known, _): &&(Voucher, DateTime<Utc>)| known.reference == voucher.reference;
        // A system that refuses the second of a key keeps the first.
        if self.doubt == Doubt::ResendSameKey && books.saved.iter().any(|known| same(&known)) {
            return;
        }
        books.saved.push((voucher.clone(), from));
    }

    /// Before anything is sent the intent must be on the disk, under a claim that outlives the send.
    async fn check_intent(&self, voucher: &Voucher) {
        let key = Key::voucher(&voucher.company, &voucher.reference);
        let stored = Table::of(&self.witness).get::<VoucherItem>(&key).await.unwrap().unwrap();
        assert!(matches!(stored.body.state, VoucherState::Posting(_)), "{}", stored.body.state);
        assert_eq!(stored.body.hash, voucher.hash());
        let left = stored.lease.unwrap().until - self.clock.now();
        assert!(left >= SEND, "{left} are left of the claim");
    }
}

#[async_trait]
impl Outbox for Scripted {
    fn doubt(&self) -> Doubt {
        self.doubt
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        self.check_intent(voucher).await;
        let step = {
            let mut books = self.books.lock().unwrap();
            books.sent += 1;
            books.sends.pop_front().unwrap_or(Send::Accept)
        };
        let accepted = Answer::Accepted { id: "4711".to_owned() };
        match step {
            Send::Accept => {
                self.save(voucher, Duration::zero());
                accepted
            }
            Send::AcceptAndLose => {
                self.save(voucher, Duration::zero());
                Answer::Unknown
            }
            Send::AcceptLate(after) => {
                self.save(voucher, after);
                Answer::Unknown
            }
            Send::Lose => Answer::Unknown,
            Send::Refuse(cause) => Answer::NotWritten(Hold::new(cause, "the system says no", "mend it")),
            Send::AcceptAndDie => {
                self.save(voucher, Duration::zero());
                std::future::pending().await
            }
            Send::Die => std::future::pending().await,
            Send::AcceptAndStall => {
                self.save(voucher, Duration::zero());
                self.clock.forward(LEASE + Duration::seconds(1));
                if let Some(rival) = &self.rival {
                    let key = Key::voucher(&voucher.company, &voucher.reference);
                    let outcome = posting::walk(&rival.0, &rival.1, &key).await.unwrap();
                    assert_eq!(outcome, Outcome::Posted);
                }
                accepted
            }
        }
    }

    async fn find(&self, voucher: &Voucher) -> Result<Found, Error> {
        match self.books.lock().unwrap().looks.pop_front() {
            Some(Look::NotSure) => return Ok(Found::NotSure),
            Some(Look::Fails) => return Err(Error::retry("the system does not answer")),
            None => {}
        }
        Ok(match self.visible(&voucher.reference).as_slice() {
            [] => Found::Nothing,
            [one] if one == voucher => Found::Ours { id: "4711".to_owned() },
            [_] => Found::Differs("other lines".to_owned()),
            more if more.iter().all(|one| one == voucher) => {
                Found::Twice { ids: (0..more.len()).map(|nth| (4711 + nth).to_string()).collect() }
            }
            more => Found::Differs(format!("{} of them", more.len())),
        })
    }
}

/// A store, a clock and books, with one planned voucher.
pub struct Stage {
    pub place: Place,
    pub store: Embedded,
    pub books: Arc<Mutex<Books>>,
    pub doubt: Doubt,
    pub key: Key,
}

pub const LOOKUP: Doubt = Doubt::Lookup { visible_after: Duration::zero() };

impl Stage {
    pub async fn new(doubt: Doubt, sends: impl IntoIterator<Item = Send>) -> Stage {
        let place = Place::new();
        let store = place.store();
        let books = Books { sends: sends.into_iter().collect(), ..Books::default() };
        let voucher = voucher();
        let stage = Stage {
            place,
            store,
            books: Arc::new(Mutex::new(books)),
            doubt,
            key: Key::voucher(&voucher.company, &voucher.reference),
        };
        let world = stage.world("planner").await;
        posting::plan(&world, &voucher, "version").await.unwrap();
        stage
    }

    pub async fn world(&self, worker: &str) -> World {
        self.place.world(&self.store, worker).await
    }

    pub async fn outbox(&self) -> Scripted {
        Scripted {
            doubt: self.doubt,
            books: Arc::clone(&self.books),
            clock: Arc::clone(&self.place.clock),
            witness: self.world("witness").await,
            rival: None,
        }
    }

    /// One walk by a worker; a worker that hangs is killed.
    pub async fn walk(&self, worker: &str) -> Option<Result<Outcome, Error>> {
        let (world, outbox) = (self.world(worker).await, self.outbox().await);
        let walk = posting::walk(&world, &outbox, &self.key);
        let limit = std::time::Duration::from_millis(200);
        tokio::time::timeout(limit, walk).await.ok()
    }

    /// One walk that comes to an end.
    pub async fn outcome(&self, worker: &str) -> Outcome {
        self.walk(worker).await.unwrap().unwrap()
    }

    pub async fn item(&self) -> store::Stored<VoucherItem> {
        let world = self.world("witness").await;
        Table::of(&world).get(&self.key).await.unwrap().unwrap()
    }

    pub async fn state(&self) -> VoucherState {
        self.item().await.body.state
    }

    pub fn later(&self, by: Duration) {
        self.place.clock.forward(by);
    }

    pub fn saved(&self) -> usize {
        self.books.lock().unwrap().saved.len()
    }

    pub fn sent(&self) -> u32 {
        self.books.lock().unwrap().sent
    }

    /// Walks on, waiting as long as each walk asks for, until the voucher rests.
    pub async fn to_the_end(&self) -> Outcome {
        for _ in 0..40 {
            match self.outcome("last").await {
                Outcome::Later(after) => self.later(after + Duration::seconds(1)),
                outcome => return outcome,
            }
        }
        panic!("no end: {}", self.state().await);
    }
}

pub fn voucher() -> Voucher {
    let line = |side, account: &str, role| Posting {
        side,
        amount: Decimal::new(9_700, 2),
        account: account.to_owned(),
        vat: "none".to_owned(),
        department: None,
        project: None,
        text: "Stripe payout po_1".to_owned(),
        role,
        kind: Kind::Payout,
        fee_type: None,
        rule: None,
        rows: 1,
    };
    Voucher {
        company: "acme".to_owned(),
        reference: Reference {
            settlement: Name::parse("stripe:po_1").unwrap(),
            purpose: Purpose::Settlement,
            revision: 1,
            part: 1,
            parts: 1,
        },
        on: "2026-01-07".parse().unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        text: "Stripe payout po_1".to_owned(),
        corrects: None,
        postings: vec![
            line(Side::Debit, "1909", Role::InTransit),
            line(Side::Credit, "1579", Role::SalesClearing),
        ],
    }
}
