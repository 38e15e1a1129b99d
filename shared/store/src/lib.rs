//! What bilag remembers: items in one table, bytes in buckets, and the protocol that posts a voucher once.
//!
//! [`table`] is the only code that talks to DynamoDB, [`bucket`] the only code that talks to S3. [`item`] says what
//! is stored, [`archive`] how rows are kept, and [`posting`] how a voucher reaches an accounting system exactly once.

pub mod archive;
pub mod bucket;
pub mod item;
pub mod posting;
pub mod table;

pub use item::{Key, SettlementItem, SettlementState, VoucherItem, VoucherState};
pub use table::{Due, Stored, Table, Trail};
