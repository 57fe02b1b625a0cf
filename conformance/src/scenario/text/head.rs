//! The head of a scenario as text.

use std::str::FromStr;

use super::super::{Demand, Judge, Member, Scenario};
use super::cluster;
use super::words::Words;
use crate::target::Capability;

/// Its keys.
pub const HEAD: [&str; 15] = [
    "title",
    "clauses",
    "source",
    "demand",
    "needs",
    "kills",
    "quorum",
    "pre-vote",
    "cluster",
    "controllers",
    "topic",
    "config",
    "within",
    "loses",
    "judge",
];

/// Takes one line of it.
pub(super) fn take(scenario: &mut Scenario, key: &str, value: &str) -> Result<(), String> {
    let words = || value.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    match key {
        "title" => scenario.title = value.to_owned(),
        "clauses" => scenario.clauses = words(),
        "source" => scenario.source = Some(value.to_owned()),
        "kills" => scenario.kills = words(),
        "needs" => {
            scenario.needs =
                words().iter().map(|word| Capability::from_str(word)).collect::<Result<_, _>>()?;
        }
        "quorum" => scenario.quorum = nodes(value)?,
        "cluster" => scenario.cluster = nodes(value)?,
        "controllers" => scenario.controllers = nodes(value)?,
        "topic" => {
            let mut words = Words::new(value);
            let usage = |because: String| {
                format!("{because}; write: topic: TOPIC on NODE… [min-isr N] [unclean on|off]")
            };
            scenario.topics.push(cluster::topic(&mut words).map_err(usage)?);
            if let Some(more) = words.maybe() {
                return Err(usage(format!("found {more:?}, expected the end of the line")));
            }
        }
        "config" => {
            for word in words() {
                let (key, value) = cluster::setting(&word)?;
                scenario.config.insert(key, value);
            }
        }
        "within" => scenario.within_seconds = Some(cluster::seconds(value)?),
        "loses" => scenario.loses = words(),
        "pre-vote" => {
            scenario.pre_vote = match value {
                "on" => Some(true),
                "off" => Some(false),
                other => return Err(format!("found pre-vote: {other}, expected on or off")),
            };
        }
        "judge" => {
            scenario.judge = match value {
                "steps" => Judge::Steps,
                "invariants" => Judge::Invariants,
                other => return Err(format!("found judge: {other}, expected steps or invariants")),
            };
        }
        "demand" => {
            scenario.demand = match value {
                "must" => Demand::Must,
                "should" => Demand::Should,
                "varies" => Demand::Varies,
                other => return Err(format!("found demand: {other}, expected must, should or varies")),
            };
        }
        other => {
            return Err(format!(
                "found {other}:, expected title, clauses, source, demand, needs, kills, quorum, pre-vote, cluster, controllers, topic, \
                 config, within, loses or judge"
            ));
        }
    }
    Ok(())
}

fn nodes(text: &str) -> Result<Vec<Member>, String> {
    let nodes: Vec<Member> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let mut sorted = nodes.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == nodes.len() {
        Ok(nodes)
    } else {
        Err(format!("found a node twice in {text:?}; name each once"))
    }
}
