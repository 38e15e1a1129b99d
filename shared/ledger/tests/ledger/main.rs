//! The money core as its users see it: lines in, vouchers out.
//!
//! [`case`] reads the text of a case, [`golden`] compares vouchers with those that an accountant has read,
//! [`faults`] are single stories, [`properties`] are what must hold for any settlement.
#![allow(clippy::unwrap_used)]

mod case;
mod conditions;
mod details;
mod faults;
mod golden;
mod properties;
