//! Every key of a broker's configuration that Kafka 4.3 knows, and what becomes of it here.
//!
//! - Each key is in the table once, in the order of names, with Kafka's type, range and default.
//! - What a key can do is one of three things ([`Support`]): it is obeyed, it is accepted and has no effect, or nothing but its
//!   default is accepted. None is passed over in silence.

mod keys;

use keys::KEYS;

/// A key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its default in the form of the file; `None` where it has none ("null"), or must be set.
    pub default: Option<&'static str>,
    /// Whether it has no default and must be set.
    pub is_required: bool,
    /// What becomes of it here.
    pub support: Support,
    /// Whether Kafka can change it while the broker runs.
    pub dynamic: Dynamic,
    /// Whether Kafka keeps it out of its documentation.
    pub is_internal: bool,
}

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`, in any case of letters.
    Boolean,
    /// A whole number.
    Number {
        /// How wide it is.
        width: Width,
        /// The least.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number with a fraction.
    Double,
    /// Text; one of `choices`, unless these are empty.
    Text {
        /// What it may be.
        choices: &'static [&'static str],
    },
    /// Texts with commas between, each one of `choices` unless these are empty.
    List {
        /// What each may be.
        choices: &'static [&'static str],
    },
    /// The name of a Java class.
    Class,
    /// A secret.
    Password,
}

/// How wide a whole number is in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
}

/// What becomes of a key here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is obeyed.
    Full,
    /// It is checked and has no effect, for this reason. A value other than the default is warned of.
    NoEffect(&'static str),
    /// Any value but the default is refused, with this cure.
    OnlyDefault(&'static str),
}

/// Whether Kafka can change a key while the broker runs (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dynamic {
    /// It cannot.
    No,
    /// For single brokers only.
    PerBroker,
    /// For single brokers and for all at once.
    ClusterWide,
}

/// A key that Kafka had once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Its name. One that ends in a dot stands for all that begin so.
    pub name: &'static str,
    /// What to do instead.
    pub cure: &'static str,
}

const WITH_ZOOKEEPER: &str = "it went with ZooKeeper in Kafka 4.0; take it out";

/// Keys that Kafka had once, and has no more.
pub const REMOVED: &[Removed] = &[
    Removed { name: "zookeeper.", cure: WITH_ZOOKEEPER },
    Removed { name: "broker.id.generation.enable", cure: WITH_ZOOKEEPER },
    Removed { name: "reserved.broker.max.id", cure: WITH_ZOOKEEPER },
    Removed { name: "control.plane.listener.name", cure: WITH_ZOOKEEPER },
    Removed { name: "controlled.shutdown.max.retries", cure: WITH_ZOOKEEPER },
    Removed { name: "controlled.shutdown.retry.backoff.ms", cure: WITH_ZOOKEEPER },
    Removed { name: "leader.imbalance.per.broker.percentage", cure: WITH_ZOOKEEPER },
    Removed { name: "host.name", cure: "set listeners" },
    Removed { name: "port", cure: "set listeners" },
    Removed { name: "advertised.host.name", cure: "set advertised.listeners" },
    Removed { name: "advertised.port", cure: "set advertised.listeners" },
    Removed {
        name: "inter.broker.protocol.version",
        cure: "the level is that of the feature metadata.version; take it out",
    },
    Removed { name: "log.message.format.version", cure: "there is one message format only; take it out" },
    Removed {
        name: "log.message.timestamp.difference.max.ms",
        cure: "it was split into log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
    },
    Removed {
        name: "log.message.downconversion.enable",
        cure: "there is one message format only; take it out",
    },
    Removed { name: "offsets.commit.required.acks", cure: "commits wait for the whole ISR; take it out" },
    Removed { name: "delegation.token.master.key", cure: "it became delegation.token.secret.key" },
    Removed { name: "auto.include.jmx.reporter", cure: "it became metric.reporters" },
    Removed { name: "group.coordinator.new.enable", cure: "it became group.coordinator.rebalance.protocols" },
];

/// All keys, in the order of names.
pub fn keys() -> &'static [Key] {
    KEYS
}

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.binary_search_by_key(&name, |key| key.name).ok().map(|index| &KEYS[index])
}

/// The key that this name was once, if it was.
pub fn find_removed(name: &str) -> Option<&'static Removed> {
    REMOVED.iter().find(|removed| match removed.name.strip_suffix('.') {
        Some(_) => name.starts_with(removed.name),
        None => name == removed.name,
    })
}

/// The known key whose name is most like this one, if any is like it.
pub fn nearest(name: &str) -> Option<&'static Key> {
    let likeness = |key: &'static Key| (strsim::normalized_damerau_levenshtein(name, key.name), key);
    let best = KEYS.iter().filter(|key| !key.is_internal).map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= 0.75).map(|(_, key)| key)
}

impl Kind {
    /// The number of its type in DescribeConfigs.
    pub fn protocol_type(&self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::Text { .. } => 2,
            Self::Number { width: Width::Int, .. } => 3,
            Self::Number { width: Width::Short, .. } => 4,
            Self::Number { width: Width::Long, .. } => 5,
            Self::Double => 6,
            Self::List { .. } => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// What it takes, in words.
    pub fn expected(&self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Number { width, min, max } => {
                let (lowest, highest) = width.range();
                match (*min > lowest, *max < highest) {
                    (false, false) if *width == Width::Long => "a whole number".to_owned(),
                    (true, false) if *width == Width::Long => format!("a whole number, {min} or more"),
                    _ => format!("a whole number from {min} to {max}"),
                }
            }
            Self::Double => "a number".to_owned(),
            Self::Text { choices: [] } => "text".to_owned(),
            Self::Text { choices } => format!("one of {}", choices.join(", ")),
            Self::List { choices: [] } => "a list with commas between".to_owned(),
            Self::List { choices } => format!("a list of {}", choices.join(", ")),
            Self::Class => "the name of a class".to_owned(),
            Self::Password => "a secret".to_owned(),
        }
    }

    /// Whether this text is a value of this kind.
    pub fn takes(&self, text: &str) -> bool {
        let among = |choices: &[&str], text: &str| choices.is_empty() || choices.contains(&text);
        match self {
            Self::Boolean => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            Self::Number { min, max, .. } => {
                text.parse::<i64>().is_ok_and(|number| (*min..=*max).contains(&number))
            }
            Self::Double => text.parse::<f64>().is_ok_and(|number| !number.is_nan()),
            Self::Text { choices } => among(choices, text),
            Self::List { choices } => elements(text).all(|element| among(choices, element)),
            Self::Class | Self::Password => true,
        }
    }

    /// Whether two texts say the same.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        match self {
            Self::Boolean => one.eq_ignore_ascii_case(other),
            Self::Number { .. } => one.parse::<i64>().ok() == other.parse().ok(),
            Self::Double => one.parse::<f64>().ok() == other.parse().ok(),
            Self::List { .. } => elements(one).eq(elements(other)),
            Self::Text { .. } | Self::Class | Self::Password => one == other,
        }
    }
}

impl Width {
    const fn range(self) -> (i64, i64) {
        match self {
            Self::Short => (i16::MIN as i64, i16::MAX as i64),
            Self::Int => (i32::MIN as i64, i32::MAX as i64),
            Self::Long => (i64::MIN, i64::MAX),
        }
    }
}

/// The elements of a list as Kafka reads it: commas between, blanks around them do not count, and nothing is no element.
pub fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_each_is_there_once() {
        for pair in KEYS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
        // 360 of Kafka 4.3.1's, and ours.
        assert_eq!(KEYS.iter().filter(|key| !key.name.starts_with("highwater.")).count(), 360);
    }

    #[test]
    fn defaults_are_values_of_their_kind() {
        for key in KEYS {
            if let Some(default) = key.default {
                assert!(key.kind.takes(default), "{}: {default:?} is not {}", key.name, key.kind.expected());
            }
        }
    }

    #[test]
    fn keys_that_were_removed_are_not_keys() {
        for removed in REMOVED {
            assert_eq!(find(removed.name), None, "{}", removed.name);
        }
        assert_eq!(find_removed("zookeeper.connect").map(|removed| removed.cure), Some(WITH_ZOOKEEPER));
        assert_eq!(find_removed("portal"), None);
    }

    #[test]
    fn names_written_wrong_have_a_nearest_key() {
        let near = |name| nearest(name).map(|key| key.name);
        assert_eq!(near("num.partition"), Some("num.partitions"));
        assert_eq!(near("log.retention.msec"), Some("log.retention.ms"));
        assert_eq!(near("min.in.sync.replicas"), Some("min.insync.replicas"));
        assert_eq!(near("xyzzy"), None);
    }

    #[test]
    fn numbers_out_of_their_range_are_not_taken() {
        let kind = find("num.partitions").map(|key| key.kind);
        let kind = kind.expect("a key");
        assert_eq!(
            ["0", "1", "2147483647", "2147483648", "1.5", ""].map(|text| kind.takes(text)),
            [false, true, true, false, false, false]
        );
        assert_eq!(kind.expected(), "a whole number from 1 to 2147483647");
    }
}
