#![doc = include_str!("README.md")]

mod client;
mod render;

use edge::{Error, World};
use store::posting::Outbox;

use crate::System;

pub use client::{Client, blocks};
pub use render::{render, transaction};

/// The plain-text journal.
#[derive(Debug)]
pub struct Journal;

impl System for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn lines_max(&self) -> usize {
        5_000
    }

    fn needs_secret(&self) -> bool {
        false
    }

    fn open(&self, world: &World, company: &str) -> Result<Box<dyn Outbox>, Error> {
        let out = world.out.as_ref().ok_or_else(|| {
            Error::config(
                "the journal system writes files and works on one machine only; choose another accounting.system",
            )
        })?;
        Ok(Box::new(Client::new(out.join(company).join("journal.hledger"))))
    }
}
