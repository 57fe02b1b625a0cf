//! `highwater cluster`.

mod arguments;
pub mod control;
mod door;
mod error;
pub mod layout;
pub mod links;
mod process;
mod run;
pub mod state;
mod status;
mod supervisor;
mod watch;

pub use arguments::ClusterArguments;
pub use error::ClusterError;
pub use run::run;
