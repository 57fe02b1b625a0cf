//! The schemas: fields in Kafka's order, with the version that introduced each.

use alloc::string::String;
use alloc::vec::Vec;

use super::codec::{DecodeError, Reader, Wire, put_varint, tagged};
use super::{NO_LEADER_CHANGE, NO_RECOVERY_CHANGE};
use crate::controller::Endpoint;
use crate::{NodeId, Uuid};

/// Declares record types. `field: type, since version` stands in the body, `tag number: field: type = default, since version` among the tagged
/// fields, in ascending order of tags.
macro_rules! records {
    ($(
        $(#[$meta:meta])*
        $variant:ident / $name:ident, key $key:literal, up to $highest:literal {
            $($(#[$doc:meta])* $field:ident: $kind:ty, since $since:literal;)*
        } tagged {
            $($(#[$tag_doc:meta])* $tag:literal: $tag_field:ident: $tag_kind:ty = $default:expr, since $tag_since:literal;)*
        }
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, Hash)]
            pub struct $name {
                $($(#[$doc])* pub $field: $kind,)*
                $($(#[$tag_doc])* pub $tag_field: $tag_kind,)*
            }

            impl $name {
                #[allow(unused_variables, unused_mut)]
                fn put(&self, version: u16, out: &mut Vec<u8>) {
                    $(if ($since..).contains(&version) { self.$field.put(out); })*
                    let mut tags: u32 = 0;
                    $(tags += u32::from(($tag_since..).contains(&version) && self.$tag_field != $default);)*
                    put_varint(tags, out);
                    $(if ($tag_since..).contains(&version) && self.$tag_field != $default {
                        let mut value = Vec::new();
                        self.$tag_field.put(&mut value);
                        put_varint($tag, out);
                        put_varint(value.len() as u32, out);
                        out.append(&mut value);
                    })*
                }

                #[allow(unused_variables)]
                fn take(version: u32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    $(let $field = <$kind>::read_if(($since..).contains(&version), reader)?;)*
                    $(let mut $tag_field: $tag_kind = $default;)*
                    tagged(reader, |tag, value| match tag {
                        $($tag if ($tag_since..).contains(&version) => {
                            $tag_field = <$tag_kind>::read(value)?;
                            Ok(true)
                        })*
                        _ => Ok(false),
                    })?;
                    Ok(Self { $($field,)* $($tag_field,)* })
                }
            }

            impl From<$name> for MetadataRecord {
                fn from(record: $name) -> Self {
                    Self::$variant(record)
                }
            }
        )*

        /// A record of the metadata log.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum MetadataRecord {
            $($(#[$meta])* $variant($name),)*
        }

        impl MetadataRecord {
            /// The number of its type in Kafka's schemas.
            pub fn api_key(&self) -> u16 {
                match self { $(Self::$variant(_) => $key,)* }
            }

            /// The name of its type in Kafka's schemas.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($name),)* }
            }

            /// The highest version of its schema that is known here.
            pub fn highest_version(&self) -> u16 {
                match self { $(Self::$variant(_) => $highest,)* }
            }

            pub(super) fn put(&self, version: u16, out: &mut Vec<u8>) {
                match self { $(Self::$variant(record) => record.put(version, out),)* }
            }

            pub(super) fn take(api_key: u32, version: u32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match api_key {
                    $($key if version <= $highest => $name::take(version, reader).map(Self::$variant),
                    $key => Err(DecodeError::UnknownVersion { record: stringify!($name), version, highest: $highest }),)*
                    _ => Err(DecodeError::UnknownRecord { api_key, version }),
                }
            }
        }
    };
}

records! {
    /// A broker registered (KIP-631).
    RegisterBroker / RegisterBrokerRecord, key 0, up to 4 {
        /// Which.
        broker: NodeId, since 0;
        /// It still runs with ZooKeeper.
        is_migrating: bool, since 2;
        /// The identity of its process.
        incarnation: Uuid, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
        /// Where to reach it.
        endpoints: Vec<Endpoint>, since 0;
        /// What it supports.
        features: Vec<SupportedFeature>, since 0;
        /// `broker.rack`.
        rack: Option<String>, since 0;
        /// It is fenced.
        fenced: bool, since 0;
        /// It is in controlled shutdown (KIP-841).
        in_controlled_shutdown: bool, since 1;
    } tagged {
        /// Its log directories (KIP-858).
        0: directories: Vec<Uuid> = Vec::new(), since 3;
        /// Those that get no new replicas (KIP-1066); `None` until the broker says.
        1: cordoned_directories: Option<Vec<Uuid>> = None, since 4;
    }

    /// A broker is forgotten.
    UnregisterBroker / UnregisterBrokerRecord, key 1, up to 0 {
        /// Which.
        broker: NodeId, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
    } tagged {}

    /// A topic was created.
    Topic / TopicRecord, key 2, up to 0 {
        /// Its name.
        name: String, since 0;
        /// Its id.
        topic: Uuid, since 0;
    } tagged {}

    /// A partition was created.
    Partition / PartitionRecord, key 3, up to 2 {
        /// Its index.
        partition: i32, since 0;
        /// Its topic.
        topic: Uuid, since 0;
        /// All replicas, the preferred leader first.
        replicas: Vec<NodeId>, since 0;
        /// The in-sync replicas.
        isr: Vec<NodeId>, since 0;
        /// Replicas on their way out.
        removing: Vec<NodeId>, since 0;
        /// Replicas on their way in.
        adding: Vec<NodeId>, since 0;
        /// Who leads, or [`NO_LEADER`](super::NO_LEADER).
        leader: i32, since 0;
        /// Its leader epoch.
        leader_epoch: i32, since 0;
        /// Its partition epoch.
        partition_epoch: i32, since 0;
        /// The directory of each replica, in the order of `replicas`.
        directories: Vec<Uuid>, since 1;
    } tagged {
        /// 1 while it recovers from an unclean election (KIP-704).
        0: recovery: i8 = 0, since 0;
        /// The eligible leader replicas (KIP-966).
        1: elr: Option<Vec<NodeId>> = None, since 2;
        /// The last known ones.
        2: last_known_elr: Option<Vec<NodeId>> = None, since 2;
    }

    /// A configuration value changed.
    Config / ConfigRecord, key 4, up to 0 {
        /// 2 for a topic, 4 for a broker.
        resource_type: i8, since 0;
        /// Which topic or broker; empty for all brokers.
        resource_name: String, since 0;
        /// The key.
        key: String, since 0;
        /// The value; `None` to delete it.
        value: Option<String>, since 0;
    } tagged {}

    /// A partition changed. `None`, [`NO_LEADER_CHANGE`] and [`NO_RECOVERY_CHANGE`] stand for what did not.
    PartitionChange / PartitionChangeRecord, key 5, up to 2 {
        /// Its index.
        partition: i32, since 0;
        /// Its topic.
        topic: Uuid, since 0;
    } tagged {
        /// The in-sync replicas.
        0: isr: Option<Vec<NodeId>> = None, since 0;
        /// Who leads, or [`NO_LEADER`](super::NO_LEADER). Anything but [`NO_LEADER_CHANGE`] begins a new leader epoch.
        1: leader: i32 = NO_LEADER_CHANGE, since 0;
        /// All replicas.
        2: replicas: Option<Vec<NodeId>> = None, since 0;
        /// Replicas on their way out.
        3: removing: Option<Vec<NodeId>> = None, since 0;
        /// Replicas on their way in.
        4: adding: Option<Vec<NodeId>> = None, since 0;
        /// 1 if it has to recover from an unclean election, 0 if it has (KIP-704).
        5: recovery: i8 = NO_RECOVERY_CHANGE, since 0;
        /// The eligible leader replicas (KIP-966).
        6: elr: Option<Vec<NodeId>> = None, since 2;
        /// The last known ones.
        7: last_known_elr: Option<Vec<NodeId>> = None, since 2;
        /// The directory of each replica.
        8: directories: Option<Vec<Uuid>> = None, since 1;
    }

    /// A broker was fenced: the form before 3.3; now [`BrokerRegistrationChangeRecord`].
    FenceBroker / FenceBrokerRecord, key 7, up to 0 {
        /// Which.
        broker: NodeId, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
    } tagged {}

    /// A broker was unfenced: the form before 3.3; now [`BrokerRegistrationChangeRecord`].
    UnfenceBroker / UnfenceBrokerRecord, key 8, up to 0 {
        /// Which.
        broker: NodeId, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
    } tagged {}

    /// A topic was deleted, with all of its partitions.
    RemoveTopic / RemoveTopicRecord, key 9, up to 0 {
        /// Which.
        topic: Uuid, since 0;
    } tagged {}

    /// A feature's level changed (KIP-584).
    FeatureLevel / FeatureLevelRecord, key 12, up to 0 {
        /// Which.
        name: String, since 0;
        /// Its level; 0 for off.
        level: i16, since 0;
    } tagged {}

    /// A block of producer ids was given away.
    ProducerIds / ProducerIdsRecord, key 15, up to 0 {
        /// To whom.
        broker: NodeId, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
        /// The first that is still free.
        next: i64, since 0;
    } tagged {}

    /// A broker was fenced or unfenced, or wants to shut down (KIP-841), or its directories changed (KIP-858).
    BrokerRegistrationChange / BrokerRegistrationChangeRecord, key 17, up to 3 {
        /// Which.
        broker: NodeId, since 0;
        /// Its broker epoch.
        broker_epoch: i64, since 0;
    } tagged {
        /// 1 if it was fenced, -1 if it was unfenced, 0 if neither.
        0: fenced: i8 = 0, since 0;
        /// 1 if it is in controlled shutdown from now on, 0 if that did not change.
        1: in_controlled_shutdown: i8 = 0, since 1;
        /// Its directories; empty if they did not change.
        2: directories: Vec<Uuid> = Vec::new(), since 2;
        /// Those that get no new replicas (KIP-1066); `None` if they did not change.
        3: cordoned_directories: Option<Vec<Uuid>> = None, since 3;
    }

    /// Says nothing: its being committed does.
    NoOp / NoOpRecord, key 20, up to 0 {} tagged {}

    /// What follows counts only with [`EndTransactionRecord`] (KIP-868).
    BeginTransaction / BeginTransactionRecord, key 23, up to 0 {} tagged {
        /// What it is about.
        0: name: Option<String> = None, since 0;
    }

    /// What was begun counts.
    EndTransaction / EndTransactionRecord, key 24, up to 0 {} tagged {}

    /// What was begun does not count.
    AbortTransaction / AbortTransactionRecord, key 25, up to 0 {} tagged {
        /// Why.
        0: reason: Option<String> = None, since 0;
    }

    /// A controller registered (KIP-919).
    RegisterController / RegisterControllerRecord, key 27, up to 0 {
        /// Which.
        controller: NodeId, since 0;
        /// The identity of its process.
        incarnation: Uuid, since 0;
        /// Whether it is ready to migrate from ZooKeeper.
        is_ready_to_migrate: bool, since 0;
        /// Where to reach it.
        endpoints: Vec<Endpoint>, since 0;
        /// What it supports.
        features: Vec<SupportedFeature>, since 0;
    } tagged {}

    /// All eligible leader replicas of a topic are forgotten: what `min.insync.replicas` means there changed (KIP-966).
    ClearElr / ClearElrRecord, key 28, up to 0 {
        /// Which; empty for all.
        topic: String, since 0;
    } tagged {}
}

/// The levels of a feature that a node supports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SupportedFeature {
    /// The feature's name.
    pub name: String,
    /// The lowest level.
    pub lowest: i16,
    /// The highest level.
    pub highest: i16,
}

impl Wire for SupportedFeature {
    const SHORTEST: usize = 6;

    fn put(&self, out: &mut Vec<u8>) {
        self.name.put(out);
        self.lowest.put(out);
        self.highest.put(out);
        put_varint(0, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let feature =
            Self { name: String::read(reader)?, lowest: i16::read(reader)?, highest: i16::read(reader)? };
        tagged(reader, |_, _| Ok(false))?;
        Ok(feature)
    }
}
