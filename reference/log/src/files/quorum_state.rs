//! `quorum-state`: epoch, leader and vote, which a voter must not forget (KIP-595, KIP-853).

use highwater_core::quorum::{ElectionState, ReplicaKey};
use highwater_core::{NodeId, Uuid};
use serde::Deserialize;

use super::{SIZE_MAX, uuid};
use crate::disk::{Disk, join, read_whole, replace};
use crate::{Damage, LogError};

/// The file's name, in the directory of the metadata log.
pub const NAME: &str = "quorum-state";

const EXPECTED: &str = "one JSON object of data_version 0 or 1";
const VERSION_MAX: i16 = 1;
/// Stands for no leader and no vote.
const NOBODY: i32 = -1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(rename = "data_version")]
    data_version: i16,
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    voted_directory_id: Option<String>,
}

/// Reads the bytes of the file, version 0 or 1; what was found instead, if they are none.
pub fn decode(bytes: &[u8]) -> Result<ElectionState, String> {
    let content: Content =
        serde_json::from_slice(bytes).map_err(|error| format!("other than that: {error}"))?;
    if !(0..=VERSION_MAX).contains(&content.data_version) {
        return Err(format!("data_version {}", content.data_version));
    }
    if content.leader_epoch < 0 {
        return Err(format!("leaderEpoch {}", content.leader_epoch));
    }
    let node = |id: i32, name: &str| match id {
        NOBODY => Ok(None),
        0.. => Ok(Some(NodeId(id))),
        _ => Err(format!("{name} {id}")),
    };
    let directory = match content.voted_directory_id {
        Some(text) if content.data_version >= 1 => {
            uuid::parse(&text).ok_or_else(|| format!("votedDirectoryId {text:?}"))?
        }
        _ => Uuid::ZERO,
    };
    let voted = node(content.voted_id, "votedId")?;
    Ok(ElectionState {
        epoch: content.leader_epoch,
        leader: node(content.leader_id, "leaderId")?,
        voted: voted.map(|id| ReplicaKey { id, directory }),
    })
}

/// The bytes of the file, version 1.
pub fn encode(state: &ElectionState) -> Vec<u8> {
    let leader = state.leader.map_or(NOBODY, |id| id.0);
    let (voted, directory) = state.voted.map_or((NOBODY, Uuid::ZERO), |key| (key.id.0, key.directory));
    let directory = uuid::format(directory);
    let epoch = state.epoch;
    format!(
        "{{\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"votedDirectoryId\":\"{directory}\",\
         \"data_version\":1}}"
    )
    .into_bytes()
}

/// The bytes of the file, version 0, which does not know directories and names the voters.
pub fn encode_version_0(state: &ElectionState, voters: &[NodeId]) -> Vec<u8> {
    let leader = state.leader.map_or(NOBODY, |id| id.0);
    let voted = state.voted.map_or(NOBODY, |key| key.id.0);
    let voters: Vec<String> = voters.iter().map(|id| format!("{{\"voterId\":{}}}", id.0)).collect();
    let (epoch, voters) = (state.epoch, voters.join(","));
    format!(
        "{{\"clusterId\":\"\",\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"appliedOffset\":0,\
         \"currentVoters\":[{voters}],\"data_version\":0}}"
    )
    .into_bytes()
}

/// Reads it; `None` if there is none, which is so before the first election only.
pub fn load<D: Disk>(disk: &D, directory: &str) -> Result<Option<ElectionState>, LogError> {
    let path = join(directory, NAME);
    let bytes = read_whole(disk, &path, SIZE_MAX).map_err(LogError::io(&path, "read it"))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let decoded = decode(&bytes).map_err(|found| {
        let cure = "Restore the file. Without it this voter has forgotten its vote and must not take part: as a last resort \
                    remove the whole directory, and let it come back as a new voter.";
        Damage::new(&path, found, EXPECTED, cure)
    })?;
    Ok(Some(decoded))
}

/// Makes it durable, atomically.
pub fn save<D: Disk>(disk: &D, directory: &str, state: &ElectionState) -> Result<(), LogError> {
    let path = join(directory, NAME);
    replace(disk, &path, &encode(state)).map_err(LogError::io(&path, "replace it"))
}
