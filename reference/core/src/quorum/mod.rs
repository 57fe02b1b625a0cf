//! The quorum core: who leads the controllers, and what of their log is committed.

mod config;
mod election;
#[cfg(feature = "flaws")]
mod flaws;
mod following;
mod leading;
mod message;
mod role;
mod rules;
mod state;
mod timer;
mod voters;

pub use config::{Config, NotLeader, OpenError, Timer};
#[cfg(feature = "flaws")]
pub use flaws::FLAWS;
pub use message::*;
pub use role::RoleName;
pub use rules::*;
pub use state::Quorum;
pub use voters::Voters;
