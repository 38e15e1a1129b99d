//! Accounting systems: one folder each, found by name in [`REGISTRY`].

pub mod journal;

use edge::{Error, World};
use store::posting::Outbox;

/// Every accounting system of this version. Adding one is one folder, its `mod` line and one line here.
pub static REGISTRY: &[&dyn System] = &[&journal::Journal];

/// The system of a configured name.
pub fn find(name: &str) -> Option<&'static dyn System> {
    REGISTRY.iter().copied().find(|system| system.name() == name)
}

/// One accounting system.
pub trait System: Sync {
    /// The configured name, for example `journal`.
    fn name(&self) -> &'static str;

    /// The most lines that one voucher may have.
    fn lines_max(&self) -> usize;

    /// Whether a secret is needed.
    fn needs_secret(&self) -> bool;

    /// The way to a company's books.
    ///
    /// # Errors
    ///
    /// If this place cannot reach them, with the reason.
    fn open(&self, world: &World, company: &str) -> Result<Box<dyn Outbox>, Error>;
}
