//! The posting protocol, over the real store in memory and a scripted accounting system.

#![allow(clippy::unwrap_used)]

mod looks;
mod scripted;
mod walks;
