//! Probes, as text: `NODE REQUEST KEY=VALUE… -> ANSWER`.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::super::{Ask, Member, Sort, Term};
use super::words::Words;
use crate::target::probe::{Answer, Edge, Question};

/// The requests, each with how it goes on.
const REQUESTS: [(&str, &str); 9] = [
    ("fetch", "fetch TOPIC [as=NODE] [epoch=E] offset=O [last-epoch=E] [broker-epoch=E]"),
    ("end-offset", "end-offset TOPIC epoch=E [current=E]"),
    ("list-offsets", "list-offsets TOPIC at=earliest|latest [epoch=E]"),
    ("metadata", "metadata TOPIC"),
    ("delete-records", "delete-records TOPIC before=O"),
    (
        "alter-partition",
        "alter-partition TOPIC from=NODE leader-epoch=E partition-epoch=E [broker-epoch=E] isr=NODE,…",
    ),
    ("vote", "vote [from=NODE] epoch=E last-epoch=E end=O"),
    ("pre-vote", "pre-vote [from=NODE] epoch=E last-epoch=E end=O"),
    ("quorum-fetch", "quorum-fetch [as=NODE] epoch=E offset=O last-epoch=E"),
];

/// How an answer is written.
const ANSWERS: &str = "Kafka's name of an error, records VALUE…, nothing, diverging epoch=E end=O, snapshot, epoch=E end=O, epoch=E offset=O, \
    leader=NODE epoch=E, granted, denied or done";

/// `NODE REQUEST … -> ANSWER`.
pub(super) fn ask(words: &mut Words<'_>) -> Result<Ask, String> {
    let node = words.who()?;
    let request = words.word("a request")?;
    let Some((_, usage)) = REQUESTS.iter().find(|(known, _)| *known == request) else {
        let known: Vec<&str> = REQUESTS.iter().map(|(known, _)| *known).collect();
        return Err(format!("found {request:?}, expected a request: {}", known.join(", ")));
    };
    let question = question(request, words).map_err(|because| format!("{because}; write: {usage}"))?;
    words.exactly("->")?;
    let answer = answer(words).map_err(|because| format!("{because}; write: {ANSWERS}"))?;
    Ok(Ask { node, question, answer })
}

/// What was said of a request, by key. What is not taken is unknown.
struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Up to the arrow.
    fn read(words: &[String]) -> Result<Self, String> {
        let mut fields = BTreeMap::new();
        for word in words {
            let (key, value) = super::cluster::setting(word)?;
            if fields.insert(key, value).is_some() {
                return Err(format!("found {word:?}, expected each key once"));
            }
        }
        Ok(Self(fields))
    }

    fn maybe<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<Option<T>, String> {
        let value = self.0.remove(key).map(|value| value.parse()).transpose();
        value.map_err(|because: String| format!("{key}: {because}"))
    }

    fn must<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<T, String> {
        self.maybe(key)?.ok_or_else(|| format!("found no {key}="))
    }

    fn term(&mut self, key: &str, sort: Sort) -> Result<Term, String> {
        self.maybe_term(key, sort)?.ok_or_else(|| format!("found no {key}="))
    }

    fn maybe_term(&mut self, key: &str, sort: Sort) -> Result<Option<Term>, String> {
        let Some(term) = self.maybe::<Term>(key)? else { return Ok(None) };
        // Whose broker epoch it is does not matter yet.
        let sense = term.landmark(sort, Some(Member(1)));
        sense.map_err(|because| format!("{key}: {because}"))?;
        Ok(Some(term))
    }

    fn none_left(self) -> Result<(), String> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(unknown) => Err(format!("found {unknown}=, which it has not")),
        }
    }
}

fn question(request: &str, words: &mut Words<'_>) -> Result<Question<Term>, String> {
    let of_quorum = matches!(request, "vote" | "pre-vote" | "quorum-fetch");
    let topic = if of_quorum { String::new() } else { words.word("the name of a topic")?.to_owned() };
    let mut fields = Fields::read(&words.values(&["->"]))?;
    let question = match request {
        "fetch" => Question::Fetch {
            topic,
            reader: fields.maybe("as")?,
            epoch: fields.maybe_term("epoch", Sort::Epoch)?,
            offset: fields.term("offset", Sort::Offset)?,
            last_epoch: fields.maybe_term("last-epoch", Sort::Epoch)?,
            broker_epoch: fields.maybe_term("broker-epoch", Sort::BrokerEpoch)?,
        },
        "end-offset" => Question::EndOffset {
            topic,
            epoch: fields.term("epoch", Sort::Epoch)?,
            current: fields.maybe_term("current", Sort::Epoch)?,
        },
        "list-offsets" => Question::ListOffsets {
            topic,
            at: fields.must("at")?,
            epoch: fields.maybe_term("epoch", Sort::Epoch)?,
        },
        "metadata" => Question::Metadata { topic },
        "delete-records" => Question::DeleteRecords { topic, before: fields.term("before", Sort::Offset)? },
        "alter-partition" => Question::AlterPartition {
            topic,
            from: fields.must("from")?,
            leader_epoch: fields.term("leader-epoch", Sort::Epoch)?,
            partition_epoch: fields.term("partition-epoch", Sort::PartitionEpoch)?,
            broker_epoch: fields.maybe_term("broker-epoch", Sort::BrokerEpoch)?,
            isr: fields.must::<Nodes>("isr")?.0,
        },
        "quorum-fetch" => Question::QuorumFetch {
            reader: fields.maybe("as")?,
            epoch: fields.term("epoch", Sort::Epoch)?,
            offset: fields.term("offset", Sort::Offset)?,
            last_epoch: fields.term("last-epoch", Sort::Epoch)?,
        },
        vote => Question::Vote {
            from: fields.maybe("from")?,
            epoch: fields.term("epoch", Sort::Epoch)?,
            last_epoch: fields.term("last-epoch", Sort::Epoch)?,
            end: fields.term("end", Sort::Offset)?,
            pre: vote == "pre-vote",
        },
    };
    fields.none_left()?;
    Ok(question)
}

/// `n1,n2`.
struct Nodes(Vec<Member>);

impl FromStr for Nodes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').filter(|name| !name.is_empty());
        names.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            other => Err(format!("found {other:?}, expected earliest or latest")),
        }
    }
}

fn answer(words: &mut Words<'_>) -> Result<Answer<Term>, String> {
    let all = words.values(&[]);
    let Some((first, rest)) = all.split_first() else {
        return Err("the step ends where an answer was expected".to_owned());
    };
    if let "records" = first.as_str() {
        return match rest {
            [] => Err("found nothing behind records, expected a value or more".to_owned()),
            values => Ok(Answer::Records { values: values.to_vec() }),
        };
    }
    let is_name = first.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let word = match first.as_str() {
        _ if is_name => Some(Answer::Refused { error: first.clone() }),
        "nothing" => Some(Answer::Records { values: Vec::new() }),
        "snapshot" => Some(Answer::Snapshot),
        "granted" => Some(Answer::Granted),
        "denied" => Some(Answer::Denied),
        "done" => Some(Answer::Done),
        _ => None,
    };
    if let Some(answer) = word {
        return match rest {
            [] => Ok(answer),
            [more, ..] => Err(format!("found {more:?}, expected the end of the step")),
        };
    }
    let diverging = first == "diverging";
    let mut fields = Fields::read(if diverging { rest } else { &all })?;
    let epoch = fields.term("epoch", Sort::Epoch)?;
    let answer = if diverging {
        Answer::Diverging { epoch, end: fields.term("end", Sort::Offset)? }
    } else if let Some(Leader(node)) = fields.maybe("leader")? {
        Answer::Leader { node, epoch }
    } else if let Some(offset) = fields.maybe_term("offset", Sort::Offset)? {
        Answer::Offset { epoch, offset }
    } else {
        Answer::EpochEnd { epoch, end: fields.term("end", Sort::Offset)? }
    };
    fields.none_left()?;
    Ok(answer)
}

/// A node, or `nobody`.
struct Leader(Option<Member>);

impl FromStr for Leader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "nobody" { Ok(Self(None)) } else { text.parse().map(|node| Self(Some(node))) }
    }
}
