//! Scenarios back to text.

use std::fmt;

use super::super::{
    Content, Demand, Expectation, Fate, Member, OfTopic, Post, Produce, Scenario, Sight, Step,
};
use crate::target::Capability;
use crate::target::cluster::{Acks, Election, Topic};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |words: &[String]| words.join(" ");
        writeln!(f, "title: {}", self.title)?;
        if !self.clauses.is_empty() {
            writeln!(f, "clauses: {}", list(&self.clauses))?;
        }
        if let Some(source) = &self.source {
            writeln!(f, "source: {source}")?;
        }
        match self.demand {
            Demand::Must => {}
            Demand::Should => writeln!(f, "demand: should")?,
            Demand::Varies => writeln!(f, "demand: varies")?,
        }
        if !self.needs.is_empty() {
            let words: Vec<String> = self.needs.iter().map(Capability::to_string).collect();
            writeln!(f, "needs: {}", list(&words))?;
        }
        if !self.kills.is_empty() {
            writeln!(f, "kills: {}", list(&self.kills))?;
        }
        let kind = if self.is_of_cluster() { "cluster" } else { "quorum" };
        writeln!(f, "{kind}: {}", names(self.members()))?;
        if let Some(pre_vote) = self.pre_vote {
            writeln!(f, "pre-vote: {}", if pre_vote { "on" } else { "off" })?;
        }
        if !self.controllers.is_empty() {
            writeln!(f, "controllers: {}", names(&self.controllers))?;
        }
        if !self.judge.is_steps() {
            writeln!(f, "judge: invariants")?;
        }
        self.topics.iter().try_for_each(|topic| writeln!(f, "topic: {topic}"))?;
        self.config.iter().try_for_each(|(key, value)| writeln!(f, "config: {key}={value}"))?;
        if let Some(seconds) = self.within_seconds {
            writeln!(f, "within: {seconds}s")?;
        }
        if !self.loses.is_empty() {
            writeln!(f, "loses: {}", list(&self.loses))?;
        }
        writeln!(f)?;
        self.steps.iter().try_for_each(|line| writeln!(f, "{}", line.step))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |is: bool, word: &'static str| if is { word } else { "" };
        match self {
            Self::Kill { node } => write!(f, "kill {node}"),
            Self::Crash { node } => write!(f, "crash {node}"),
            Self::Start { node } => write!(f, "start {node}"),
            Self::Wipe { node } => write!(f, "wipe {node}"),
            Self::Cut { from, to } => write!(f, "cut {from} -> {to}"),
            Self::Isolate { node } => write!(f, "isolate {node}"),
            Self::Heal { node: None } => write!(f, "heal"),
            Self::Heal { node: Some(node) } => write!(f, "heal {node}"),
            Self::Expire { node } => write!(f, "expire {node}"),
            Self::Beat { node } => write!(f, "beat {node}"),
            Self::Campaign { node, loses } => write!(f, "campaign {node}{}", word(*loses, " loses")),
            Self::Deliver(post) => write!(f, "deliver {post}"),
            Self::Bring(post) => write!(f, "bring {post}"),
            Self::Drop(post) => write!(f, "drop {post}"),
            Self::Hold(post) => write!(f, "hold {post}"),
            Self::Copy(post) => write!(f, "copy {post}"),
            Self::Exchange { one, other } => write!(f, "exchange {one} -- {other}"),
            Self::Append { node, value, refused } => {
                write!(f, "append {node} {value}{}", word(*refused, " refused"))
            }
            Self::Replicate { leader, follower, until } => {
                write!(f, "replicate {leader} -> {follower}")?;
                until.as_ref().map_or(Ok(()), |value| write!(f, " until {value}"))
            }
            Self::Resign { node } => write!(f, "resign {node}"),
            Self::Settle => write!(f, "settle"),
            Self::Stop { node } => write!(f, "stop {node}"),
            Self::Pause { node } => write!(f, "pause {node}"),
            Self::Resume { node } => write!(f, "resume {node}"),
            Self::Create(topic) => write!(f, "create {topic}"),
            Self::Produce(produce) => write!(f, "produce {produce}"),
            Self::Elect { topic, election, refused } => {
                let how = match election {
                    Election::Preferred => "preferred",
                    Election::Unclean => "unclean",
                };
                write!(f, "elect {how} {topic}{}", refusal(refused.as_deref()))
            }
            Self::Delete { topic } => write!(f, "delete {topic}"),
            Self::Configure { topic, key, value, refused } => {
                write!(f, "configure {topic} {key}={value}{}", refusal(refused.as_deref()))
            }
            Self::Ask(ask) => write!(f, "ask {ask}"),
            Self::Forge { leader, follower, records } => {
                write!(f, "forge {leader} -> {follower}")?;
                records.iter().try_for_each(|record| write!(f, " {}@{}", record.value, record.epoch))
            }
            Self::Expect(expectation) => write!(f, "expect {expectation}"),
        }
    }
}

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.kind.word(), self.from, self.to)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { node, role, not: false } => write!(f, "{node} {}", role.word()),
            Self::Role { node, role, not: true } => write!(f, "{node} not {}", role.word()),
            Self::Follows { node, leader } => write!(f, "{node} follows {leader}"),
            Self::Epoch { node, epoch } => write!(f, "{node} epoch {epoch}"),
            Self::Voted { node, candidate: Some(candidate) } => write!(f, "{node} voted {candidate}"),
            Self::Voted { node, candidate: None } => write!(f, "{node} voted nobody"),
            Self::Log { node, content } => write!(f, "{node} log {content}"),
            Self::LogEpochs { node, epochs } => {
                write!(f, "{node} log epochs")?;
                epochs.iter().try_for_each(|epoch| write!(f, " {epoch}"))
            }
            Self::Committed { node, content } => write!(f, "{node} committed {content}"),
            Self::LogsAgree => write!(f, "logs agree"),
            Self::NoLeader => write!(f, "no leader"),
            Self::Topic(of) => write!(f, "{of}"),
            Self::Held(post) => write!(f, "held {post}"),
            Self::NotHeld { post, for_seconds } => {
                write!(f, "not held {post}")?;
                for_seconds.map_or(Ok(()), |seconds| write!(f, " for {seconds}s"))
            }
            Self::Controller { node, not } => {
                write!(f, "controller{}", if *not { " not" } else { "" })?;
                node.map_or(Ok(()), |node| write!(f, " {node}"))
            }
        }
    }
}

impl fmt::Display for OfTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic, self.sight)?;
        self.at.map_or(Ok(()), |node| write!(f, " at {node}"))?;
        self.for_seconds.map_or(Ok(()), |seconds| write!(f, " for {seconds}s"))
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader(who) => write!(f, "leader {who}"),
            Self::LeaderNot(who) => write!(f, "leader not {who}"),
            Self::NoLeader => write!(f, "no leader"),
            Self::Led => write!(f, "led"),
            Self::Isr(nodes) => write!(f, "isr {}", names(nodes)),
            Self::IsrLacks(node) => write!(f, "isr lacks {node}"),
            Self::Elr(nodes) if nodes.is_empty() => write!(f, "elr"),
            Self::Elr(nodes) => write!(f, "elr {}", names(nodes)),
            Self::Reads(content) => write!(f, "reads {content}"),
            Self::HighWatermark(offset) => write!(f, "high-watermark {offset}"),
            Self::LogEnd(offset) => write!(f, "log-end {offset}"),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, names(&self.replicas))?;
        if self.min_isr != 1 {
            write!(f, " min-isr {}", self.min_isr)?;
        }
        match self.unclean {
            Some(true) => write!(f, " unclean on"),
            Some(false) => write!(f, " unclean off"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Produce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.topic)?;
        self.to.map_or(Ok(()), |node| write!(f, " to {node}"))?;
        match self.acks {
            Acks::None => write!(f, " acks 0")?,
            Acks::Leader => write!(f, " acks 1")?,
            Acks::All => {}
        }
        self.values.iter().try_for_each(|value| write!(f, " {value}"))?;
        match &self.fate {
            Fate::Acknowledged => Ok(()),
            Fate::Fails => write!(f, " fails"),
            Fate::Anyhow => write!(f, " anyhow"),
            Fate::Refused(None) => write!(f, " refused"),
            Fate::Refused(Some(name)) => write!(f, " refused {name}"),
        }
    }
}

fn refusal(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" refused {name}"))
}

fn names(nodes: &[Member]) -> String {
    nodes.iter().map(Member::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, values) = match self {
            Self::Is(values) => ("is", values),
            Self::Has(values) => ("has", values),
            Self::Lacks(values) => ("lacks", values),
        };
        write!(f, "{word}")?;
        values.iter().try_for_each(|value| write!(f, " {value}"))
    }
}
