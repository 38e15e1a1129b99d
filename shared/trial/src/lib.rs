//! What tests of the store, and of everything above it, stand on: a clock that goes as it is told, a store in memory
//! over a temporary folder, worlds of any number of workers over it, and a way to the store on which calls are lost.
//!
//! For development and tests only.

// Whatever fails in here fails the test that called it.
#![allow(clippy::unwrap_used)]

mod clock;
mod place;
mod transport;

pub use clock::TestClock;
pub use place::Place;
pub use transport::{Call, Loss, Transport};
