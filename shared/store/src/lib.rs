//! What bilag remembers: items in one table, bytes in buckets, and the protocol that posts a voucher once.
//!
//! [`table`] is the only code that talks to DynamoDB, [`bucket`] the only code that talks to S3. [`item`] says what
//! is stored, [`archive`] how rows are kept, and [`posting`] how a voucher reaches an accounting system exactly once.
//! [`remote`] is how every API is called: at its [`pace`], with a [`token`] that one worker renews for all.

pub mod archive;
pub mod bucket;
pub mod cache;
pub mod documents;
pub mod item;
pub mod pace;
pub mod posting;
pub mod remote;
pub mod table;
pub mod token;

pub use item::{Key, SettlementItem, SettlementState, VoucherItem, VoucherState};
pub use table::{Due, Stored, Table, Trail};
