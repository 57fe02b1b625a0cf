//! How large the model of partition cores is.

use std::fmt;

use highwater_model::isr::state::{EPOCHS_MAX, NODES_MAX, RECORDS_MAX};

use super::state::FETCHES_MAX;

/// How large the model is. Switches are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas, 2 or 3.
    pub replicas: u8,
    /// Leader epochs in which somebody leads, the first included.
    pub epochs: u8,
    /// Records that producers send.
    pub records: u8,
    /// Fetches and answers in flight at a time.
    pub messages: u8,
    /// Changes of leader, ISR or ELR by the controller.
    pub changes: u8,
    /// Brokers that stop, cleanly or not.
    pub crashes: u8,
    /// AlterPartition requests or answers that are lost.
    pub losses: u8,
    /// `min.insync.replicas`; fewer replicas than that crash uncleanly at a time.
    pub min_isr: u8,
    /// Whether a running broker that was fenced stays so until a step of its own.
    pub unfence: u8,
    /// Whether driver and network are thrifty, which leaves out behaviours that others stand for.
    pub thrift: u8,
}

impl Bounds {
    /// Those that continuous integration exhausts.
    pub const DEFAULT: Self = Self {
        replicas: 3,
        epochs: 2,
        records: 2,
        messages: 1,
        changes: 3,
        crashes: 1,
        losses: 0,
        min_isr: 2,
        unfence: 0,
        thrift: 1,
    };

    /// The names that [`Bounds::named`] knows.
    pub const NAMES: [&str; 10] = [
        "replicas", "epochs", "records", "messages", "changes", "crashes", "losses", "min-isr", "unfence",
        "thrift",
    ];

    /// Whether [`Bounds::thrift`] is on.
    pub(super) fn is_thrifty(&self) -> bool {
        self.thrift > 0
    }

    /// The bound of this name.
    pub fn named(&mut self, name: &str) -> Option<&mut u8> {
        Some(match name {
            "replicas" => &mut self.replicas,
            "epochs" => &mut self.epochs,
            "records" => &mut self.records,
            "messages" => &mut self.messages,
            "changes" => &mut self.changes,
            "crashes" => &mut self.crashes,
            "losses" => &mut self.losses,
            "min-isr" => &mut self.min_isr,
            "unfence" => &mut self.unfence,
            "thrift" => &mut self.thrift,
            _ => return None,
        })
    }

    /// Whether states have room for all that may happen.
    ///
    /// # Errors
    /// Which bound is too large or too small, and what it may be.
    pub fn admit(&self) -> Result<(), String> {
        let mut bounds = *self;
        for (name, least, most) in [
            ("replicas", 2, NODES_MAX as u8),
            ("epochs", 1, EPOCHS_MAX),
            ("records", 0, RECORDS_MAX as u8),
            ("messages", 1, FETCHES_MAX as u8),
            ("changes", 0, 12),
            ("crashes", 0, 2),
            ("losses", 0, 9),
            ("min-isr", 1, self.replicas),
            ("unfence", 0, 1),
            ("thrift", 0, 1),
        ] {
            let value = bounds.named(name).map_or(0, |bound| *bound);
            if !(least..=most).contains(&value) {
                return Err(format!("{name}={value}: it may be {least} to {most}"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bounds = *self;
        for (index, name) in Self::NAMES.into_iter().enumerate() {
            let value = bounds.named(name).map_or(0, |bound| *bound);
            write!(f, "{}{name}={value}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
