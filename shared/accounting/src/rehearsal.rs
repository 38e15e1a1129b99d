//! Books of paper, for previews: every voucher is accepted, and nothing leaves the machine.

use std::sync::OnceLock;

use async_trait::async_trait;
use edge::Error;
use ledger::Voucher;
use store::posting::{Answer, Doubt, Found, Outbox};

use crate::{Access, Books, Catalogue, REGISTRY, System};

/// The system of a configured name, writing on paper: it plans as the real one does and reaches nobody.
pub fn find(name: &str) -> Option<&'static dyn System> {
    static REHEARSED: OnceLock<Vec<Rehearsal>> = OnceLock::new();
    let all = REHEARSED.get_or_init(|| REGISTRY.iter().map(|system| Rehearsal(*system)).collect());
    all.iter().find(|rehearsal| rehearsal.name() == name).map(|rehearsal| rehearsal as &dyn System)
}

struct Rehearsal(&'static dyn System);

impl System for Rehearsal {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn lines_max(&self) -> usize {
        self.0.lines_max()
    }

    fn needs_secret(&self) -> bool {
        false
    }

    fn has_drafts(&self) -> bool {
        self.0.has_drafts()
    }

    fn open<'w>(&self, _: Access<'w>) -> Result<Box<dyn Books + 'w>, Error> {
        Ok(Box::new(Paper))
    }
}

struct Paper;

#[async_trait]
impl Outbox for Paper {
    fn doubt(&self) -> Doubt {
        Doubt::Hold
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        Answer::Accepted { id: format!("preview of {}", voucher.reference) }
    }

    async fn find(&self, _: &Voucher) -> Result<Found, Error> {
        Ok(Found::Nothing)
    }
}

#[async_trait]
impl Books for Paper {
    async fn catalogue(&self) -> Result<Catalogue, Error> {
        Ok(Catalogue::default())
    }
}
