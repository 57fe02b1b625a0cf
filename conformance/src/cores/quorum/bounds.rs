//! How large the model of quorum cores is.

use std::fmt;

use highwater_model::kraft::state::LOG_MAX;

use super::state::{MESSAGES_MAX, VOTERS_MAX};

/// How large the model is. Switches are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Voters, 2 to 4.
    pub voters: u8,
    /// The last epoch that anyone campaigns for.
    pub epochs: u8,
    /// Client records.
    pub records: u8,
    /// Fetches and answers in flight at a time.
    pub messages: u8,
    /// Restarts, with or without the loss of what was not flushed.
    pub restarts: u8,
    /// Leaders that resign.
    pub resignations: u8,
    /// Messages that arrive and stay in flight.
    pub duplicates: u8,
    /// Restarts, resignations and duplicates together.
    pub faults: u8,
    /// Disks lost.
    pub wipes: u8,
    /// Whether voters ask for the promise of votes before they campaign (KIP-996).
    pub pre_vote: u8,
    /// Whether voters without a leader ask one another who leads.
    pub search: u8,
    /// Whether driver and network are thrifty, which leaves out behaviours that others stand for.
    pub thrift: u8,
}

impl Bounds {
    /// Those that continuous integration exhausts.
    pub const DEFAULT: Self = Self {
        voters: 3,
        epochs: 3,
        records: 2,
        messages: 2,
        restarts: 1,
        resignations: 0,
        duplicates: 0,
        faults: 1,
        wipes: 0,
        pre_vote: 0,
        search: 0,
        thrift: 1,
    };

    /// The names that [`Bounds::named`] knows.
    pub const NAMES: [&str; 12] = [
        "voters",
        "epochs",
        "records",
        "messages",
        "restarts",
        "resignations",
        "duplicates",
        "faults",
        "wipes",
        "pre-vote",
        "search",
        "thrift",
    ];

    /// Whether [`Bounds::thrift`] is on.
    pub(super) fn is_thrifty(&self) -> bool {
        self.thrift > 0
    }

    /// The bound of this name.
    pub fn named(&mut self, name: &str) -> Option<&mut u8> {
        Some(match name {
            "voters" => &mut self.voters,
            "epochs" => &mut self.epochs,
            "records" => &mut self.records,
            "messages" => &mut self.messages,
            "restarts" => &mut self.restarts,
            "resignations" => &mut self.resignations,
            "duplicates" => &mut self.duplicates,
            "faults" => &mut self.faults,
            "wipes" => &mut self.wipes,
            "pre-vote" => &mut self.pre_vote,
            "search" => &mut self.search,
            "thrift" => &mut self.thrift,
            _ => return None,
        })
    }

    /// Whether states have room for all that may happen.
    ///
    /// # Errors
    /// Which bound is too large or too small, and what it may be.
    pub fn admit(&self) -> Result<(), String> {
        let within = |name: &str, value: u8, least: u8, most: u8| {
            let fits = (least..=most).contains(&value);
            if fits { Ok(()) } else { Err(format!("{name}={value}: it may be {least} to {most}")) }
        };
        within("voters", self.voters, 2, VOTERS_MAX as u8)?;
        within("epochs", self.epochs, 1, LOG_MAX)?;
        within("records", self.records, 0, (LOG_MAX - self.epochs).min(3))?;
        within("messages", self.messages, 1, MESSAGES_MAX as u8)?;
        for (name, faults) in [
            ("restarts", self.restarts),
            ("resignations", self.resignations),
            ("duplicates", self.duplicates),
        ] {
            within(name, faults, 0, 9)?;
        }
        within("wipes", self.wipes, 0, 1)?;
        for (name, switch) in [("pre-vote", self.pre_vote), ("search", self.search), ("thrift", self.thrift)]
        {
            within(name, switch, 0, 1)?;
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
