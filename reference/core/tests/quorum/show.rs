//! How transcripts spell what happens.

use std::fmt::Write as _;

use highwater_core::quorum::{Effect, ElectionState, EpochResponse, Quorum, Request, Response, RoleName};
use highwater_core::{NodeId, Offset};

use crate::world::{Body, Envelope, Record};

/// `follower of n1, epoch 2`
pub(crate) fn role(quorum: &Quorum) -> String {
    let name = format!("{:?}", quorum.role()).to_lowercase();
    let epoch = quorum.epoch();
    match (quorum.role(), quorum.leader(), quorum.election().voted) {
        (RoleName::Follower | RoleName::Observer, Some(leader), _) => {
            format!("{name} of {leader}, epoch {epoch}")
        }
        (RoleName::Voted, _, Some(voted)) => format!("{name} for {}, epoch {epoch}", voted.id),
        _ => format!("{name}, epoch {epoch}"),
    }
}

/// `n1 -> n2 Vote epoch=1 end=0`
pub(crate) fn envelope(envelope: &Envelope, arrow: &str) -> String {
    let Envelope { from, to, body } = envelope;
    let told = match body {
        Body::Request(asked) => request(asked),
        Body::Response { request: asked, response: answer, records: came } => answered(asked, answer, came),
    };
    format!("{from} {arrow} {to} {told}")
}

/// The name of a message, by which scripts choose.
pub(crate) fn kind(body: &Body) -> &'static str {
    match body {
        Body::Request(Request::Vote(request)) if request.pre_vote => "PreVote",
        Body::Request(Request::Vote(_)) => "Vote",
        Body::Request(Request::BeginQuorumEpoch(_)) => "BeginQuorumEpoch",
        Body::Request(Request::EndQuorumEpoch(_)) => "EndQuorumEpoch",
        Body::Request(Request::Fetch(_)) => "Fetch",
        Body::Request(Request::FetchSnapshot(_)) => "FetchSnapshot",
        Body::Response { request: Request::Vote(request), .. } if request.pre_vote => "PreVoted",
        Body::Response { response: Response::Vote(_), .. } => "Voted",
        Body::Response { response: Response::BeginQuorumEpoch(_), .. } => "Begun",
        Body::Response { response: Response::EndQuorumEpoch(_), .. } => "Ended",
        Body::Response { response: Response::Fetch(_), .. } => "Fetched",
        Body::Response { response: Response::FetchSnapshot(_), .. } => "Snapshot",
    }
}

fn request(asked: &Request) -> String {
    let name = kind(&Body::Request(asked.clone()));
    match asked {
        Request::Vote(vote) => {
            format!("{name} epoch={} end={}", vote.epoch, position(vote.last_offset, vote.last_epoch))
        }
        Request::BeginQuorumEpoch(begin) => format!("{name} epoch={}", begin.epoch),
        Request::EndQuorumEpoch(end) => {
            format!("{name} epoch={} successors={}", end.epoch, ids(&end.successors))
        }
        Request::Fetch(fetch) => {
            format!(
                "{name} epoch={} at={}{}",
                fetch.epoch,
                position(fetch.offset, fetch.last_epoch),
                hw(fetch.high_watermark)
            )
        }
        Request::FetchSnapshot(part) => {
            let snapshot = position(part.snapshot.end, part.snapshot.epoch);
            format!("{name} epoch={} snapshot={snapshot} from={}", part.epoch, part.position)
        }
    }
}

fn answered(asked: &Request, answer: &Response, came: &[Record]) -> String {
    let name =
        kind(&Body::Response { request: asked.clone(), response: answer.clone(), records: Vec::new() });
    let (epoch, leader) = answer.epoch_and_leader();
    let mut told = format!("{name} epoch={epoch}");
    if let Some(leader) = leader {
        write!(told, " leader={leader}").expect("a string takes all");
    }
    let error = match answer {
        Response::Vote(vote) => {
            told += if vote.granted { " granted" } else { " refused" };
            vote.error
        }
        Response::BeginQuorumEpoch(EpochResponse { error, .. }) => *error,
        Response::EndQuorumEpoch(EpochResponse { error, .. }) => *error,
        Response::Fetch(fetched) => {
            told += &hw(fetched.high_watermark);
            if let Some(end) = fetched.diverging {
                told += &format!(" diverging={}", position(end.end, end.epoch));
            }
            if let Some(snapshot) = fetched.snapshot {
                told += &format!(" snapshot={}", position(snapshot.end, snapshot.epoch));
            }
            if let Some(first) = fetched.records.first() {
                told += &format!(" {}", records(came, first.base));
            }
            fetched.error
        }
        Response::FetchSnapshot(part) => {
            told += &format!(" bytes={}..{} of {}", part.position, part.position + part.length, part.size);
            part.error
        }
    };
    if let Some(error) = error {
        told += &format!(" {error:?}");
    }
    told
}

/// What a core wants done, as far as it is not told elsewhere.
pub(crate) fn effect(effect: &Effect) -> Option<String> {
    match effect {
        Effect::SaveElection(ElectionState { epoch, leader, voted }) => {
            let mut told = format!("saves epoch={epoch}");
            if let Some(leader) = leader {
                told += &format!(" leader={leader}");
            }
            if let Some(voted) = voted {
                told += &format!(" voted={}", voted.id);
            }
            Some(told)
        }
        Effect::Truncate { end } => Some(format!("truncates to {end}")),
        Effect::AppendLeaderChange { extent, leader, granting, .. } => {
            let (base, epoch) = (extent.base, extent.epoch);
            Some(format!("appends {base}:leader={leader}@{epoch}, elected by {}", ids(granting)))
        }
        Effect::Flush { through } => Some(format!("flushes to {through}")),
        Effect::WriteSnapshot { snapshot, position: from, complete } => {
            let rest = if *complete { ", the last of it" } else { "" };
            Some(format!("writes snapshot {} from {from}{rest}", position(snapshot.end, snapshot.epoch)))
        }
        Effect::RestartFromSnapshot(snapshot) => {
            Some(format!("restarts from snapshot {}", position(snapshot.end, snapshot.epoch)))
        }
        Effect::Committed { high_watermark } => Some(format!("high watermark is {high_watermark}")),
        Effect::Lead { epoch, start } => Some(format!("state machine leads epoch {epoch} from {start}")),
        Effect::Unlead { epoch } => Some(format!("state machine leads epoch {epoch} no more")),
        Effect::AppendFetched { .. } | Effect::Send { .. } | Effect::Reply { .. } => None,
    }
}

/// `[3:x@1 4:y@2]`
pub(crate) fn records(records: &[Record], base: Offset) -> String {
    let told: Vec<String> = records
        .iter()
        .zip(base..)
        .map(|(record, at)| format!("{at}:{}@{}", record.value, record.epoch))
        .collect();
    format!("[{}]", told.join(" "))
}

/// `3@1`: the offset after a record of epoch 1; `0` where there is none.
fn position(offset: Offset, epoch: i32) -> String {
    if epoch < 0 { offset.to_string() } else { format!("{offset}@{epoch}") }
}

fn hw(high_watermark: Option<Offset>) -> String {
    high_watermark.map_or_else(String::new, |offset| format!(" hw={offset}"))
}

fn ids(ids: &[NodeId]) -> String {
    let told: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    told.join(",")
}
