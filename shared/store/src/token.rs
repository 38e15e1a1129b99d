//! Tokens that expire: one worker renews, the others wait and use what it got.
//!
//! A token lies sealed in the table. It belongs to the credential that it was made with: when the secret bundle is
//! rotated, the old token is not used any more. An empty or failed answer never replaces a good token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use edge::{Error, World};
use serde::{Deserialize, Serialize};

use crate::item::Key;
use crate::table::{Claim, Stored, Table, Written};

/// How long one worker may take to renew.
const LEASE: Duration = Duration::seconds(60);

/// How often, and how many times, the others look whether it is done.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
const LOOKS_MAX: u32 = 120;

/// A token as a connector got it.
pub struct Fresh {
    /// The token itself, or a JSON text of several.
    pub text: String,
    /// From when on it is not used any more: its expiry less a margin.
    pub until: DateTime<Utc>,
}

/// A token to use.
#[derive(Clone)]
pub struct Token {
    /// The token itself.
    pub text: String,
    /// Which one: told to [`Tokens::renew`] when it was refused.
    pub generation: u64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TokenItem {
    sealed: String,
    until: DateTime<Utc>,
    credential: String,
    generation: u64,
}

/// The tokens of one user of a company's secrets: a connection, or the accounting system.
pub struct Tokens<'w> {
    world: &'w World,
    key: Key,
    credential: String,
}

impl<'w> Tokens<'w> {
    /// `user` names who the token is for; `credential` is the fingerprint of the secret that it is made with.
    pub fn new(world: &'w World, company: &str, user: &str, credential: &str) -> Tokens<'w> {
        Tokens { world, key: Key::token(company, user), credential: credential.to_owned() }
    }

    /// A token that is valid now; `make` gets one if there is none. Only one worker at a time runs `make`.
    ///
    /// # Errors
    ///
    /// Whatever `make` returns, or if the store does not answer.
    pub async fn get<F, M>(&self, make: F) -> Result<Token, Error>
    where
        F: Fn() -> M + Send + Sync,
        M: Future<Output = Result<Fresh, Error>> + Send,
    {
        self.obtain(None, make).await
    }

    /// A token in place of one that was refused. If another worker has renewed it meanwhile, that one.
    ///
    /// # Errors
    ///
    /// As [`Tokens::get`].
    pub async fn renew<F, M>(&self, refused: &Token, make: F) -> Result<Token, Error>
    where
        F: Fn() -> M + Send + Sync,
        M: Future<Output = Result<Fresh, Error>> + Send,
    {
        self.obtain(Some(refused.generation), make).await
    }

    async fn obtain<F, M>(&self, refused: Option<u64>, make: F) -> Result<Token, Error>
    where
        F: Fn() -> M + Send + Sync,
        M: Future<Output = Result<Fresh, Error>> + Send,
    {
        let table = Table::of(self.world);
        for _ in 0..LOOKS_MAX {
            match table.get::<TokenItem>(&self.key).await? {
                None => {
                    table.create(&self.key, &TokenItem::default(), None, None).await?;
                }
                Some(read) if self.is_good(&read.body, refused) => {
                    // A token that cannot be opened (another key) is one that is not there.
                    if let Ok(token) = self.open(&read.body).await {
                        return Ok(token);
                    }
                }
                Some(_) => {}
            }
            match table.claim::<TokenItem>(&self.key, LEASE).await? {
                Claim::Gone => {}
                Claim::Busy => tokio::time::sleep(LOOK).await,
                Claim::Taken(held) => return self.make(&table, held, refused, &make).await,
            }
        }
        Err(Error::retry(format!("{}: another worker is renewing the token", self.key)))
    }

    fn is_good(&self, item: &TokenItem, refused: Option<u64>) -> bool {
        item.credential == self.credential
            && !item.sealed.is_empty()
            && item.until > self.world.clock.now()
            && refused.is_none_or(|generation| item.generation > generation)
    }

    async fn make<F, M>(
        &self,
        table: &Table<'_>,
        mut held: Box<Stored<TokenItem>>,
        refused: Option<u64>,
        make: &F,
    ) -> Result<Token, Error>
    where
        F: Fn() -> M + Send + Sync,
        M: Future<Output = Result<Fresh, Error>> + Send,
    {
        if self.is_good(&held.body, refused)
            && let Ok(token) = self.open(&held.body).await
        {
            // Renewed between the look and the claim.
            table.release(&mut held, None, true, None).await?;
            return Ok(token);
        }
        let made = match make().await {
            Ok(fresh) if fresh.text.is_empty() => {
                Err(Error::auth(format!("{}: the token is empty", self.key)))
            }
            other => other,
        };
        let fresh = match made {
            Ok(fresh) => fresh,
            Err(error) => {
                table.release(&mut held, None, true, None).await?;
                return Err(error);
            }
        };
        let sealed = self.world.vault.seal(&self.key.to_string(), fresh.text.as_bytes()).await?;
        held.body = TokenItem {
            sealed: STANDARD.encode(sealed),
            until: fresh.until,
            credential: self.credential.clone(),
            generation: held.body.generation + 1,
        };
        let token = Token { text: fresh.text, generation: held.body.generation };
        match table.release(&mut held, None, true, None).await? {
            Written::Yes => Ok(token),
            // Another worker thought that this one was dead. Its token counts; ours still works once.
            Written::Lost => Ok(token),
        }
    }

    async fn open(&self, item: &TokenItem) -> Result<Token, Error> {
        let damaged = || Error::auth(format!("{}: the stored token is damaged", self.key));
        let sealed = STANDARD.decode(&item.sealed).map_err(|_| damaged())?;
        let plain = self.world.vault.open(&self.key.to_string(), &sealed).await?;
        let text = String::from_utf8(plain).map_err(|_| damaged())?;
        Ok(Token { text, generation: item.generation })
    }
}
