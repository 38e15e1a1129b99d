//! Accounting systems: one folder each, found by name in [`REGISTRY`].

pub mod journal;
pub mod rehearsal;
pub mod tripletex;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use edge::config::{Accounting, Company};
use edge::secret::Entry;
use edge::{Error, World};
use store::posting::Outbox;

/// Every accounting system of this version. Adding one is one folder, its `mod` line and one line here.
pub static REGISTRY: &[&dyn System] = &[&journal::Journal, &tripletex::Tripletex];

/// The system of a configured name.
pub fn find(name: &str) -> Option<&'static dyn System> {
    REGISTRY.iter().copied().find(|system| system.name() == name)
}

/// One accounting system.
pub trait System: Sync {
    /// The configured name, for example `tripletex`.
    fn name(&self) -> &'static str;

    /// The most lines that one voucher may have.
    fn lines_max(&self) -> usize;

    /// Whether a secret is needed.
    fn needs_secret(&self) -> bool;

    /// The fields of the secret's entry; names in the plural are lists.
    fn secret_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether vouchers can be written as drafts.
    fn has_drafts(&self) -> bool;

    /// The way to a company's books.
    ///
    /// # Errors
    ///
    /// If this place cannot reach them, with the reason.
    fn open<'w>(&self, access: Access<'w>) -> Result<Box<dyn Books + 'w>, Error>;
}

/// A company's way to its books.
#[derive(Clone, Debug)]
pub struct Access<'w> {
    /// The world that calls are made from.
    pub world: &'w World,
    /// Whose books.
    pub company: &'w Company,
    /// How the company wants them written.
    pub settings: &'w Accounting,
    /// The credentials; `None` where the system needs none.
    pub secret: Option<Entry>,
}

/// A company's books.
#[async_trait]
pub trait Books: Outbox {
    /// What the books have of what a mapping names. Also proves that the credentials work and have the rights that
    /// posting needs.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Auth`] if the credentials are refused or lack a right (the message says which), and as for every
    /// call.
    async fn catalogue(&self) -> Result<Catalogue, Error>;
}

/// What a company's books have, as far as a mapping can name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The company as the system names it; empty where it has no name.
    pub company: String,
    /// The accounts by number; `None` where the system keeps no chart.
    pub accounts: Option<BTreeMap<String, Account>>,
    /// The VAT codes that may be used, as users see them, with their names; `None` where the system keeps none.
    pub vat_codes: Option<BTreeMap<String, String>>,
    /// Departments, as users see them; `None` where they cannot be listed.
    pub departments: Option<BTreeSet<String>>,
    /// Projects, as users see them; `None` where they cannot be listed.
    pub projects: Option<BTreeSet<String>>,
}

/// One account of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The one VAT code that it takes; `None` if it takes any. `none` is no VAT.
    pub vat_locked: Option<String>,
    /// Why nothing can be booked on it, such as `inactive`, or `a ledger of customers`; `None` if it can.
    pub refuses: Option<String>,
    /// Postings need a department.
    pub needs_department: bool,
    /// Postings need a project.
    pub needs_project: bool,
}
