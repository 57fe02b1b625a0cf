//! What is on its way from one voter to another.

use std::fmt;

use highwater_core::quorum::{FetchRequest, FetchResponse, Request, Response};
use highwater_core::{Epoch, NO_EPOCH};
use highwater_model::kraft::state::{Log, record_epoch, record_value};

/// A message. Voters are indices, 0 and up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    /// A request.
    Request(Request),
    /// An answer, with what it answers.
    Answer {
        /// What was asked.
        request: Request,
        /// The answer.
        response: Response,
        /// The records that came with it.
        records: Log,
    },
}

impl Message {
    /// Whether it is one that its sender says to everybody, again and again: it stays on its way for as long as it can matter,
    /// and takes no room.
    pub(crate) fn lasts(&self) -> bool {
        let once = matches!(&self.body, Body::Request(Request::Fetch(_) | Request::FetchSnapshot(_)));
        matches!(self.body, Body::Request(_)) && !once
    }

    /// Whether it is an answer that only says that there is a later epoch.
    pub(crate) fn is_refusal(&self) -> bool {
        let Body::Answer { response, .. } = &self.body else { return false };
        match response {
            Response::Vote(vote) => !vote.granted && vote.epoch > self.epoch(),
            Response::Fetch(fetched) => fetched.error.is_some() && fetched.epoch > self.epoch(),
            Response::BeginQuorumEpoch(heard) | Response::EndQuorumEpoch(heard) => heard.epoch > self.epoch(),
            Response::FetchSnapshot(_) => false,
        }
    }

    /// Whether it is an answer that tells its receiver nothing that a request that lasts does not: who leads, that a vote was not
    /// given, that an announcement was heard.
    pub(crate) fn is_idle(&self) -> bool {
        let Body::Answer { response, .. } = &self.body else { return false };
        let (says_more, epoch) = match response {
            Response::Vote(vote) => (vote.granted, vote.epoch),
            Response::Fetch(fetched) => (fetched.error.is_none(), fetched.epoch),
            Response::BeginQuorumEpoch(heard) | Response::EndQuorumEpoch(heard) => (false, heard.epoch),
            Response::FetchSnapshot(_) => return false,
        };
        !says_more && epoch <= self.epoch()
    }

    /// The fetch that it is, or is the answer to, and whose.
    pub(crate) fn fetch(&self) -> Option<(u8, &FetchRequest)> {
        match &self.body {
            Body::Request(Request::Fetch(fetch)) => Some((self.from, fetch)),
            Body::Answer { request: Request::Fetch(fetch), .. } => Some((self.to, fetch)),
            _ => None,
        }
    }

    /// Whether it is an answer.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.body, Body::Answer { .. })
    }

    /// The epoch in which the exchange that it belongs to began.
    pub(crate) fn epoch(&self) -> Epoch {
        let (Body::Request(request) | Body::Answer { request, .. }) = &self.body;
        match request {
            Request::Vote(vote) => vote.epoch,
            Request::BeginQuorumEpoch(begin) => begin.epoch,
            Request::EndQuorumEpoch(end) => end.epoch,
            Request::Fetch(fetch) => fetch.epoch,
            Request::FetchSnapshot(fetch) => fetch.epoch,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Request(Request::Vote(vote)) => {
                let name = if vote.pre_vote { "PreVote" } else { "Vote" };
                let (end, last) = (vote.last_offset, At(vote.last_epoch));
                write!(f, "{name} epoch={} candidate={} end={end}{last}", vote.epoch, vote.candidate.id)
            }
            Body::Request(Request::BeginQuorumEpoch(begin)) => {
                write!(f, "BeginQuorumEpoch epoch={} leader={}", begin.epoch, begin.leader)
            }
            Body::Request(Request::EndQuorumEpoch(end)) => {
                write!(f, "EndQuorumEpoch epoch={} leader={} successors=", end.epoch, end.leader)?;
                end.successors.iter().try_for_each(|successor| write!(f, "{successor}"))
            }
            Body::Request(Request::Fetch(fetch)) => {
                let FetchRequest { epoch, offset, last_epoch, .. } = fetch;
                write!(
                    f,
                    "Fetch epoch={epoch} offset={offset}{} hw={}",
                    At(*last_epoch),
                    Known(fetch.high_watermark)
                )
            }
            Body::Request(Request::FetchSnapshot(fetch)) => write!(f, "FetchSnapshot epoch={}", fetch.epoch),
            Body::Answer { request, response, records } => answer(f, request, response, *records),
        }
    }
}

fn answer(f: &mut fmt::Formatter<'_>, request: &Request, response: &Response, records: Log) -> fmt::Result {
    match (request, response) {
        (Request::Vote(asked), Response::Vote(vote)) => {
            let name = if asked.pre_vote { "PreVote" } else { "Vote" };
            let said = if vote.granted { "Granted" } else { "Refused" };
            write!(f, "{name}{said} epoch={} to-epoch={}{}", vote.epoch, asked.epoch, Led(vote.leader))?;
            failure(f, vote.error)
        }
        (Request::Fetch(asked), Response::Fetch(fetched)) => fetched_text(f, asked, fetched, records),
        (_, Response::BeginQuorumEpoch(answer)) => {
            write!(f, "BeginQuorumEpochHeard epoch={}{}", answer.epoch, Led(answer.leader))?;
            failure(f, answer.error)
        }
        (_, Response::EndQuorumEpoch(answer)) => {
            write!(f, "EndQuorumEpochHeard epoch={}{}", answer.epoch, Led(answer.leader))?;
            failure(f, answer.error)
        }
        (_, response) => write!(f, "{response:?}"),
    }
}

fn fetched_text(
    f: &mut fmt::Formatter<'_>,
    asked: &FetchRequest,
    fetched: &FetchResponse,
    records: Log,
) -> fmt::Result {
    let position = format!("epoch={} to-epoch={} offset={}", fetched.epoch, asked.epoch, asked.offset);
    if let Some(error) = fetched.error {
        return write!(f, "FetchRefused {position}{} error={error:?}", Led(fetched.leader));
    }
    if let Some(diverging) = fetched.diverging {
        return write!(f, "Diverging {position} end={}{}", diverging.end, At(diverging.epoch));
    }
    let names: Vec<String> = records.records().map(record_name).collect();
    write!(f, "Records {position} [{}] hw={}", names.join(" "), Known(fetched.high_watermark))
}

fn failure(f: &mut fmt::Formatter<'_>, error: Option<impl fmt::Debug>) -> fmt::Result {
    error.map_or(Ok(()), |error| write!(f, " error={error:?}"))
}

/// `x@2`: value and epoch.
pub(crate) fn record_name(record: u8) -> String {
    let value = ["LC", "x", "y", "z"][usize::from(record_value(record))];
    format!("{value}@{}", record_epoch(record))
}

/// `@2` after an offset: the epoch of the record before it.
struct At(Epoch);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == NO_EPOCH { Ok(()) } else { write!(f, "@{}", self.0) }
    }
}

/// A leader, where one is named.
struct Led(Option<highwater_core::NodeId>);

impl fmt::Display for Led {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |leader| write!(f, " leader={leader}"))
    }
}

/// A high watermark, known or not.
struct Known(Option<highwater_core::Offset>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(offset) => write!(f, "{offset}"),
            None => write!(f, "?"),
        }
    }
}
