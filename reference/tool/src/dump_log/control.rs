//! Control records in Kafka's words.

use highwater_core::batch::{ControlRecord, Record, Voter};
use highwater_core::quorum::ReplicaKey;
use highwater_log::files::uuid;
use serde_json::{Value, json};

/// What a control record says, or why it cannot be read.
pub(super) fn show(record: &Record<'_>) -> String {
    match ControlRecord::decode(record) {
        Ok(control) => tell(&control),
        Err(error) => format!("controlType: UNKNOWN({error})"),
    }
}

fn tell(control: &ControlRecord) -> String {
    match control {
        ControlRecord::Abort { coordinator_epoch } => {
            format!("endTxnMarker: ABORT coordinatorEpoch: {coordinator_epoch}")
        }
        ControlRecord::Commit { coordinator_epoch } => {
            format!("endTxnMarker: COMMIT coordinatorEpoch: {coordinator_epoch}")
        }
        ControlRecord::LeaderChange { version, leader, voters, granting } => {
            let keys = |keys: &[ReplicaKey]| -> Vec<Value> {
                keys.iter().map(|key| voter(*key, *version)).collect()
            };
            let (voters, granting) = (keys(voters), keys(granting));
            let value = json!({
                "version": version, "leaderId": leader.0, "voters": voters, "grantingVoters": granting
            });
            format!("LeaderChange: {value}")
        }
        ControlRecord::SnapshotHeader { last_contained_timestamp } => {
            let value = json!({"version": 0, "lastContainedLogTimestamp": last_contained_timestamp});
            format!("SnapshotHeader {value}")
        }
        ControlRecord::SnapshotFooter => format!("SnapshotFooter {}", json!({"version": 0})),
        ControlRecord::KRaftVersion { version } => {
            format!("KRaftVersion {}", json!({"version": 0, "kRaftVersion": version}))
        }
        ControlRecord::Voters(voters) => {
            let voters: Vec<Value> = voters.iter().map(full_voter).collect();
            format!("KRaftVoters {}", json!({"version": 0, "voters": voters}))
        }
    }
}

fn voter(key: ReplicaKey, version: i16) -> Value {
    match version {
        0 => json!({"voterId": key.id.0}),
        _ => json!({"voterId": key.id.0, "voterDirectoryId": uuid::format(key.directory)}),
    }
}

fn full_voter(voter: &Voter) -> Value {
    let endpoints: Vec<Value> = voter
        .endpoints
        .iter()
        .map(|endpoint| json!({"name": endpoint.name, "host": endpoint.host, "port": endpoint.port}))
        .collect();
    json!({
        "voterId": voter.key.id.0,
        "voterDirectoryId": uuid::format(voter.key.directory),
        "endpoints": endpoints,
        "kRaftVersionFeature": {
            "minSupportedVersion": voter.kraft_version_min, "maxSupportedVersion": voter.kraft_version_max
        },
    })
}
