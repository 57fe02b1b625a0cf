//! The words for clusters, as text.

use super::super::{Expectation, Fate, OfTopic, Produce, Sight, Step, Who};
use super::words::Words;
use crate::target::cluster::{Acks, Election, Topic};

/// `NAME on n1 n2 n3 [min-isr N] [unclean on|off]`.
pub(super) fn topic(words: &mut Words<'_>) -> Result<Topic, String> {
    let name = words.word("the name of a topic")?.to_owned();
    words.exactly("on")?;
    let replicas = words.nodes(&["min-isr", "unclean"])?;
    if replicas.is_empty() {
        return Err("found no node behind on, expected those that have the topic".to_owned());
    }
    let min_isr =
        if words.flag("min-isr") { words.number("how many replicas are in sync at least")? } else { 1 };
    let unclean = words.flag("unclean").then(|| switch(words)).transpose()?;
    Ok(Topic { name, replicas, min_isr, unclean })
}

fn switch(words: &mut Words<'_>) -> Result<bool, String> {
    match words.word("on or off")? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("found {other:?}, expected on or off")),
    }
}

/// `5s`.
pub(super) fn seconds(word: &str) -> Result<u32, String> {
    let number = word.strip_suffix('s').and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("found {word:?}, expected whole seconds, such as 5s"))
}

/// `key=value`.
pub(super) fn setting(word: &str) -> Result<(String, String), String> {
    let (key, value) =
        word.split_once('=').ok_or_else(|| format!("found {word:?}, expected KEY=VALUE without blanks"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `TOPIC [to NODE] [acks 0|1|all] VALUE… [fails|refused [NAME]|anyhow]`.
pub(super) fn produce(words: &mut Words<'_>) -> Result<Produce, String> {
    let topic = words.word("the name of a topic")?.to_owned();
    let to = words.flag("to").then(|| words.who()).transpose()?;
    let acks = match words.flag("acks").then(|| words.word("0, 1 or all")).transpose()? {
        None | Some("all") => Acks::All,
        Some("0") => Acks::None,
        Some("1") => Acks::Leader,
        Some(other) => return Err(format!("found acks {other}, expected 0, 1 or all")),
    };
    let values = words.values(&["fails", "refused", "anyhow"]);
    if values.is_empty() {
        return Err("found no record, expected a value or more".to_owned());
    }
    let fate = match words.maybe() {
        None => Fate::Acknowledged,
        Some("fails") => Fate::Fails,
        Some("anyhow") => Fate::Anyhow,
        Some(_) => Fate::Refused(words.maybe().map(str::to_owned)),
    };
    Ok(Produce { topic, to, acks, values, fate })
}

/// `preferred|unclean TOPIC [refused NAME]`.
pub(super) fn elect(words: &mut Words<'_>) -> Result<Step, String> {
    let election = match words.word("preferred or unclean")? {
        "preferred" => Election::Preferred,
        "unclean" => Election::Unclean,
        other => return Err(format!("found {other:?}, expected preferred or unclean")),
    };
    let topic = words.word("the name of a topic")?.to_owned();
    Ok(Step::Elect { topic, election, refused: refusal(words)? })
}

/// `TOPIC KEY=VALUE [refused NAME]`.
pub(super) fn configure(words: &mut Words<'_>) -> Result<Step, String> {
    let topic = words.word("the name of a topic")?.to_owned();
    let (key, value) = setting(words.word("KEY=VALUE")?)?;
    Ok(Step::Configure { topic, key, value, refused: refusal(words)? })
}

fn refusal(words: &mut Words<'_>) -> Result<Option<String>, String> {
    words.flag("refused").then(|| words.word("Kafka's name of the error").map(str::to_owned)).transpose()
}

/// `controller [[not] NODE]`, `held KIND NODE -> NODE`, `not held KIND NODE -> NODE [for Ns]`, or `TOPIC SIGHT [at NODE] [for Ns]`.
pub(super) fn expectation(words: &mut Words<'_>) -> Result<Expectation, String> {
    if words.flag("controller") {
        let not = words.flag("not");
        let node = words.maybe().map(str::parse::<Who>).transpose()?;
        if not && node.is_none() {
            return Err("the step ends where the name of a node was expected".to_owned());
        }
        return Ok(Expectation::Controller { node, not });
    }
    if words.flag("held") {
        return super::steps::post(words, true).map(Expectation::Held);
    }
    if words.flag("not") {
        words.exactly("held")?;
        let post = super::steps::post(words, true)?;
        return Ok(Expectation::NotHeld { post, for_seconds: how_long(words)? });
    }
    let topic = words.word("controller, held, not held or the name of a topic")?.to_owned();
    let sight = sight(words)?;
    let at = words.flag("at").then(|| words.node()).transpose()?;
    Ok(Expectation::Topic(OfTopic { topic, sight, at, for_seconds: how_long(words)? }))
}

/// `[for Ns]`.
fn how_long(words: &mut Words<'_>) -> Result<Option<u32>, String> {
    words.flag("for").then(|| seconds(words.word("how long")?)).transpose()
}

fn sight(words: &mut Words<'_>) -> Result<Sight, String> {
    const ENDS: [&str; 2] = ["at", "for"];
    Ok(match words.word("what is seen of it")? {
        "leader" if words.flag("not") => Sight::LeaderNot(words.who()?),
        "leader" => Sight::Leader(words.who()?),
        "no" => words.exactly("leader").map(|()| Sight::NoLeader)?,
        "led" => Sight::Led,
        "isr" if words.flag("lacks") => Sight::IsrLacks(words.node()?),
        "isr" => Sight::Isr(words.nodes(&ENDS)?),
        "elr" => Sight::Elr(words.nodes(&ENDS)?),
        "reads" => Sight::Reads(words.content(&ENDS)?),
        "high-watermark" => Sight::HighWatermark(words.number("an offset")?),
        "log-end" => Sight::LogEnd(words.number("an offset")?),
        other => {
            return Err(format!(
                "found {other:?}, expected leader, no leader, led, isr, elr, reads, high-watermark or log-end"
            ));
        }
    })
}
