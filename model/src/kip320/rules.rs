//! The bounds of the model, and the rules that can be switched off.

use super::state::{EPOCHS_MAX, LOG_MAX, REPLICAS_MAX};

/// The constants of the specification, by its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The size of `Replicas`, 1 to 3.
    pub replicas: u8,
    /// `LogSize`: records that a log can hold, 1 to 4.
    pub log_size: u8,
    /// `MaxRecords`: records that producers write in all, 1 to 8.
    pub records_max: u8,
    /// `MaxLeaderEpoch`: the last leader epoch; the first is 0. At most 3.
    pub leader_epoch_max: u8,
}

impl Bounds {
    /// The bounds at which TLC's figures are known: 737,794 distinct states.
    pub const COMPARISON: Self = Self { replicas: 3, log_size: 2, records_max: 2, leader_epoch_max: 2 };

    pub(super) fn assert_fits(self) {
        let Self { replicas, log_size, records_max, leader_epoch_max } = self;
        assert!((1..=REPLICAS_MAX).contains(&usize::from(replicas)), "replicas: 1 to 3");
        assert!((1..=LOG_MAX).contains(&usize::from(log_size)), "log_size: 1 to 4");
        assert!((1..=8).contains(&records_max), "records_max: 1 to 8");
        assert!(usize::from(leader_epoch_max) < EPOCHS_MAX, "leader_epoch_max: at most 3");
    }
}

/// The rules without which the claims fall, each on by default; the first four are those of KIP-320.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `kip320/follower/2`: a fetch is answered only to a follower in the leader's epoch.
    ///
    /// Off: to any replica that takes the leader for its leader.
    pub fetch_fenced: bool,
    /// `kip320/follower/1`: where to truncate is asked of a leader that is in the new epoch itself.
    ///
    /// Off (KIP-279): of the leader's log as it happens to be.
    pub truncation_fenced: bool,
    /// `kip320/leader/2`: only followers in the leader's epoch count towards its high watermark.
    ///
    /// Off: a follower counts that takes the leader for its leader.
    pub high_watermark_fenced: bool,
    /// `kip320/leader/4`: the ISR expands only when the high watermark is in the leader's own epoch.
    ///
    /// Off (KAFKA-7128): as soon as the follower has reached the high watermark.
    pub expansion_awaits_epoch: bool,
    /// `kip320/controller/2`: a leader that fails leads no longer.
    ///
    /// Off: it leaves the ISR and keeps its office.
    pub failed_leader_steps_down: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            fetch_fenced: true,
            truncation_fenced: true,
            high_watermark_fenced: true,
            expansion_awaits_epoch: true,
            failed_leader_steps_down: true,
        }
    }
}
