#![doc = include_str!("README.md")]

mod client;
mod render;

use async_trait::async_trait;
use edge::Error;

use crate::{Access, Books, Catalogue, System};

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

    fn has_drafts(&self) -> bool {
        false
    }

    fn open<'w>(&self, access: Access<'w>) -> Result<Box<dyn Books + 'w>, Error> {
        let out = access.world.out.as_ref().ok_or_else(|| {
            Error::config(
                "the journal system writes files and works on one machine only; choose another accounting.system",
            )
        })?;
        Ok(Box::new(Client::new(out.join(&access.company.id).join("journal.hledger"))))
    }
}

/// A journal has any account and VAT code.
#[async_trait]
impl Books for Client {
    async fn catalogue(&self) -> Result<Catalogue, Error> {
        Ok(Catalogue::default())
    }
}
