//! The lines that suite and adapter exchange, as types. `specs/adapter.md` is the protocol's page, `specs/adapter.schema.json` is made of these.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::scenario::{Member, Value};
use crate::target::{Capability, Envelope, NodeView, Setup};

/// The version of the protocol that the suite speaks.
pub const VERSION: u32 = 1;

/// A line: from the suite a request, from the adapter an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Message {
    /// To the adapter, on its standard input.
    Request(Request),
    /// From the adapter, on its standard output.
    Answer(Answer),
}

/// A line on the adapter's standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Names it: one more than that of the request before.
    pub id: u64,
    /// What is to be done.
    #[serde(flatten)]
    pub act: Act,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Act {
    /// The first: the answer is a [`Hello`].
    Hello {
        /// The versions of the protocol that the suite speaks.
        versions: Vec<u32>,
    },
    /// Another system takes the place of the one there was: all its nodes up, on blank disks, and nothing under way.
    Build {
        /// The voters.
        quorum: Vec<Member>,
        /// Whether candidates ask for the promise of votes first.
        pre_vote: bool,
        /// For all chance in the system: with the same seed, the same happens.
        seed: u64,
    },
    /// The process of a node ends at once; what it has written stays.
    Kill {
        /// Which.
        node: Member,
    },
    /// The machine of a node fails: what was not flushed is lost.
    Crash {
        /// Which.
        node: Member,
    },
    /// A node that is down comes up, over what is on its disk.
    Start {
        /// Which.
        node: Member,
    },
    /// A node loses its disk, and is up on a blank one afterwards.
    Wipe {
        /// Which.
        node: Member,
    },
    /// A node ends in good order.
    Stop {
        /// Which.
        node: Member,
    },
    /// The election timer of a node runs out.
    Expire {
        /// Which.
        node: Member,
    },
    /// A node does what it does from time to time, short of an election.
    Beat {
        /// Which.
        node: Member,
    },
    /// What is under way, oldest first: the answer is a list of [`Envelope`]s.
    Pending,
    /// A message arrives.
    Deliver {
        /// Its id.
        message: u64,
    },
    /// A message is lost.
    Lose {
        /// Its id.
        message: u64,
    },
    /// A message arrives, and a copy of it stays under way.
    Duplicate {
        /// Its id.
        message: u64,
    },
    /// A client's record is given to a node, which does not wait until it is committed.
    Append {
        /// To which.
        node: Member,
        /// The record.
        value: Value,
    },
    /// A leader gives up in good order.
    Resign {
        /// Which.
        node: Member,
    },
    /// What a node is, and what is in its log: the answer is a [`NodeView`], or `null` of a node that is down.
    View {
        /// Of which.
        node: Member,
    },
    /// The last: the adapter answers, and ends.
    Bye,
}

impl Act {
    /// The act's word in `do`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Build { .. } => "build",
            Self::Kill { .. } => "kill",
            Self::Crash { .. } => "crash",
            Self::Start { .. } => "start",
            Self::Wipe { .. } => "wipe",
            Self::Stop { .. } => "stop",
            Self::Expire { .. } => "expire",
            Self::Beat { .. } => "beat",
            Self::Pending => "pending",
            Self::Deliver { .. } => "deliver",
            Self::Lose { .. } => "lose",
            Self::Duplicate { .. } => "duplicate",
            Self::Append { .. } => "append",
            Self::Resign { .. } => "resign",
            Self::View { .. } => "view",
            Self::Bye => "bye",
        }
    }

    /// By which capability an adapter promises the act; `hello`, `build` and `bye` are everyone's.
    pub fn capability(&self) -> Option<Capability> {
        Some(match self {
            Self::Hello { .. } | Self::Build { .. } | Self::Bye => return None,
            Self::Kill { .. } | Self::Start { .. } => Capability::Processes,
            Self::Crash { .. } => Capability::LostTails,
            Self::Wipe { .. } => Capability::LostDisks,
            Self::Stop { .. } => Capability::GracefulStop,
            Self::Expire { .. } | Self::Beat { .. } => Capability::Timers,
            Self::Pending | Self::Deliver { .. } | Self::Lose { .. } | Self::Duplicate { .. } => {
                Capability::Messages
            }
            Self::Append { .. } | Self::View { .. } => Capability::Quorum,
            Self::Resign { .. } => Capability::Resign,
        })
    }
}

impl From<&Setup> for Act {
    fn from(setup: &Setup) -> Self {
        // The protocol has no clusters: who has one speaks Kafka's own.
        let Setup { quorum, pre_vote, seed, .. } = setup;
        Self::Build { quorum: quorum.clone(), pre_vote: *pre_vote, seed: *seed }
    }
}

/// A line on the adapter's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// It is done.
    Done(Done),
    /// It is not.
    Failed(Failed),
}

/// It is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The request's id.
    pub id: u64,
    /// What came of it.
    #[schemars(with = "Outcome")]
    pub ok: Json,
}

/// It is not done, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// The request's id.
    pub id: u64,
    /// Why.
    pub error: Error,
}

/// What comes of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Outcome {
    /// Of `hello`.
    Hello(Hello),
    /// Of `pending`.
    Pending(Vec<Envelope>),
    /// Of `view`, of a node that is up.
    View(NodeView),
    /// `null`: of `view`, of a node that is down, and of every other act.
    Nothing(()),
}

/// Who an adapter is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version of the protocol that it will speak: one of those it was offered.
    pub version: u32,
    /// What the system is called in reports.
    pub name: String,
    /// What it can do, and how it goes about it.
    pub capabilities: BTreeSet<Capability>,
}

/// Why an act was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Error {
    /// What is known of it.
    pub kind: ErrorKind,
    /// Why, for people.
    pub message: String,
}

/// What is known of an act that was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The system has no such thing.
    Unsupported,
    /// The system refused, and nothing happened.
    Refused,
    /// It may have been done, or may be done still.
    InDoubt,
    /// The system failed.
    Broken,
}

/// Capabilities that no act of this version can show: what an adapter that claims them means is not defined.
pub const UNSPOKEN: [Capability; 9] = [
    Capability::Cluster,
    Capability::Links,
    Capability::Pauses,
    Capability::EligibleLeaders,
    Capability::BrokersAlone,
    Capability::LateMessages,
    Capability::FollowerReads,
    Capability::Probes,
    Capability::Forgeries,
];

/// Reads a line as the answer to request `id`.
///
/// # Errors
/// What was expected instead.
pub(super) fn read_answer(line: &str, id: u64) -> Result<Result<Json, Error>, String> {
    let form =
        || format!("{{\"id\":{id},\"ok\":…}} or {{\"id\":{id},\"error\":{{\"kind\":…,\"message\":…}}}}");
    let json: Json = serde_json::from_str(line).map_err(|error| format!("JSON, {} ({error})", form()))?;
    let Json::Object(mut fields) = json else { return Err(form()) };
    let found = fields.remove("id");
    match found.as_ref().and_then(Json::as_u64) {
        Some(found) if found == id => {}
        Some(earlier) if earlier < id => {
            return Err(format!(
                "the answer to request {id}, not one more, or a late one, to request {earlier}"
            ));
        }
        _ => return Err(form()),
    }
    let answer = match (fields.remove("ok"), fields.remove("error")) {
        (Some(ok), None) => Ok(ok),
        (None, Some(error)) => {
            Err(serde_json::from_value(error).map_err(|error| format!("{} ({error})", form()))?)
        }
        _ => return Err(form()),
    };
    match fields.keys().next() {
        None => Ok(answer),
        Some(more) => Err(format!("{}, without {more:?}", form())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Role};

    #[test]
    fn every_request_reads_as_it_is_written() {
        let node = Member(1);
        let acts = [
            Act::Hello { versions: vec![1] },
            Act::Build { quorum: vec![Member(1), Member(2)], pre_vote: true, seed: 7 },
            Act::Kill { node },
            Act::Crash { node },
            Act::Start { node },
            Act::Wipe { node },
            Act::Stop { node },
            Act::Expire { node },
            Act::Beat { node },
            Act::Pending,
            Act::Deliver { message: 3 },
            Act::Lose { message: 3 },
            Act::Duplicate { message: 3 },
            Act::Append { node, value: "x".to_owned() },
            Act::Resign { node },
            Act::View { node },
            Act::Bye,
        ];
        for act in acts {
            let request = Request { id: 4, act };
            let line = serde_json::to_string(&request).expect("it can be written");
            assert_eq!(serde_json::from_str::<Request>(&line).expect("it can be read"), request, "{line}");
            assert!(line.contains(&format!("\"do\":\"{}\"", request.act.word())), "{line}");
        }
    }

    #[test]
    fn request_is_written_as_the_page_says() {
        let act = Act::Build { quorum: vec![Member(1), Member(3)], pre_vote: false, seed: 1 };
        assert_eq!(
            serde_json::to_string(&Request { id: 2, act }).expect("it can be written"),
            r#"{"id":2,"do":"build","quorum":["n1","n3"],"pre-vote":false,"seed":1}"#
        );
    }

    #[test]
    fn answer_of_every_form_is_read() {
        assert_eq!(read_answer(r#"{"id":4,"ok":null}"#, 4), Ok(Ok(Json::Null)));
        let error = Error { kind: ErrorKind::InDoubt, message: "m".to_owned() };
        let line = r#"{"error":{"kind":"in-doubt","message":"m"},"id":4}"#;
        assert_eq!(read_answer(line, 4), Ok(Err(error)));
    }

    #[test]
    fn answer_that_is_none_says_what_was_expected() {
        let expected = |line: &str| read_answer(line, 4).expect_err("it is no answer");
        assert!(expected("ready").contains("expected value"), "{}", expected("ready"));
        assert!(expected("[]").starts_with(r#"{"id":4,"ok":…}"#));
        assert!(expected(r#"{"id":3,"ok":null}"#).contains("a late one, to request 3"));
        assert!(expected(r#"{"id":5,"ok":null}"#).starts_with(r#"{"id":4"#));
        assert!(expected(r#"{"id":4}"#).starts_with(r#"{"id":4"#));
        assert!(expected(r#"{"id":4,"ok":null,"error":{"kind":"refused","message":""}}"#).contains("or"));
        assert!(expected(r#"{"id":4,"ok":null,"log":1}"#).ends_with("without \"log\""));
        assert!(expected(r#"{"id":4,"error":{"kind":"no","message":""}}"#).contains("unsupported"));
    }

    #[test]
    fn outcomes_are_told_apart() {
        let view = NodeView {
            role: Role::Leader,
            epoch: 1,
            leader: None,
            voted: None,
            log_start: 0,
            log: Vec::new(),
            committed: 0,
        };
        let text = String::new();
        let envelope = Envelope { id: 1, kind: Kind::Vote, from: Member(1), to: Member(2), text };
        let hello = Hello { version: 1, name: "a".to_owned(), capabilities: BTreeSet::new() };
        for outcome in [
            Outcome::Hello(hello),
            Outcome::Pending(vec![envelope]),
            Outcome::View(view),
            Outcome::Nothing(()),
        ] {
            let json = serde_json::to_string(&outcome).expect("it can be written");
            assert_eq!(serde_json::from_str::<Outcome>(&json).expect("it can be read"), outcome, "{json}");
        }
    }
}
