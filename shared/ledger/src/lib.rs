//! The money core of bilag: settlements in, balanced vouchers out.
//!
//! Everything here is a pure function: no clock, network, file or environment, so nothing here can fail for
//! reasons outside its arguments. The order of reading follows the money: [`money`] (amounts and currencies),
//! [`line`](mod@line) (what one remote row means), [`settlement`] (rows that are booked together and the proof
//! that they add up), [`mapping`] (which account a line goes to), [`voucher`] (the balanced journal entry) and
//! [`plan`](mod@plan), which turns lines into vouchers.

pub mod hold;
pub mod line;
pub mod mapping;
pub mod money;
pub mod plan;
pub mod settlement;
pub mod voucher;

pub use hold::{Cause, Hold};
pub use line::{FeeType, Kind, Line};
pub use mapping::{Book, CutOff, FeeMode, Granularity, Mapping, Role, Rule, Target, When};
pub use money::{AmountError, Currency};
pub use plan::Planner;
pub use settlement::{Head, Name, RunningTotals, Totals};
pub use voucher::{Posting, Purpose, Reference, Side, Voucher};
