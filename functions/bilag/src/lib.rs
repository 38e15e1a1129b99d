//! bilag on one machine: a home folder with the same functions, store and buckets as in the cloud, inside one
//! process. The command line in `main.rs` is a thin layer over these modules.

pub mod backfill;
pub mod check;
pub mod door;
pub mod home;
pub mod init;
pub mod inspect;
pub mod lock;
pub mod out;
pub mod page;
pub mod replay;
pub mod run;
pub mod sandbox;
pub mod serve;
pub mod show;
pub mod status;

pub use home::Home;
pub use out::{Exit, Out};
