//! What no single line of a scenario shows.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Ask, Base, Expectation, Forged, Line, Member, Post, Scenario, Sight, Step, Who};
use crate::target::cluster::Topic;

/// The line, if it is one, and what is wrong.
pub(in super::super) type Wrong = (Option<usize>, String);

/// Refuses what makes no sense as a whole.
pub(in super::super) fn check(scenario: &Scenario) -> Result<(), Wrong> {
    if scenario.title.is_empty() {
        return Err((None, "no title; say in a sentence what the scenario shows: title: …".to_owned()));
    }
    if scenario.members().is_empty() {
        return Err((
            None,
            "no nodes; name them before the first step: quorum: n1 n2 n3, or cluster: n1 n2 n3".to_owned(),
        ));
    }
    if !scenario.quorum.is_empty() && !scenario.cluster.is_empty() {
        return Err((None, "found both quorum: and cluster:, expected one of them".to_owned()));
    }
    for line in &scenario.steps {
        if let Step::Ask(ask) = &line.step {
            ask.check().map_err(|because| (Some(line.line), because))?;
        }
        for member in line.step.members() {
            known(scenario.members(), member).map_err(|because| (Some(line.line), because))?;
        }
    }
    if scenario.is_of_cluster() { cluster(scenario) } else { quorum(scenario) }
}

fn known(members: &[Member], member: Member) -> Result<(), String> {
    if members.contains(&member) {
        return Ok(());
    }
    let known: Vec<String> = members.iter().map(Member::to_string).collect();
    Err(format!("found {member}, expected one of {}", known.join(" ")))
}

fn quorum(scenario: &Scenario) -> Result<(), Wrong> {
    if !scenario.topics.is_empty() || !scenario.loses.is_empty() || !scenario.controllers.is_empty() {
        return Err((
            None,
            "found controllers:, topic: or loses: of a quorum, expected cluster: with them".to_owned(),
        ));
    }
    let mut values: BTreeSet<&str> = BTreeSet::new();
    for Line { line, step } in &scenario.steps {
        if let Step::Append { value, .. } = step {
            values.insert(value);
        }
        let named = step.who().into_iter().all(|who| who.member().is_some());
        if step.is_of_clusters() || !named {
            return Err((
                Some(*line),
                format!("found {step:?}, a step of clusters, expected one of quorums; or name the nodes by cluster:")
                    .replace(&format!("{step:?}"), &format!("\"{step}\"")),
            ));
        }
        if let Step::Ask(ask) = step {
            of_known(ask, |value| values.contains(value)).map_err(|because| (Some(*line), because))?;
        }
        if let Step::Forge { leader, follower, records } = step {
            forged(*leader, *follower, records).map_err(|because| (Some(*line), because))?;
        }
    }
    Ok(())
}

/// Whether an answer that is made up makes sense.
fn forged(leader: Member, follower: Member, records: &[Forged]) -> Result<(), String> {
    if leader == follower {
        return Err(format!(
            "found {leader} twice, expected a leader and another node, which fetches from it"
        ));
    }
    if records.is_empty() {
        return Err("found no record, expected one or more, such as x@current".to_owned());
    }
    let wrong = records.iter().find(|record| !matches!(record.epoch.base, Base::Zero | Base::Current));
    wrong.map_or(Ok(()), |record| {
        Err(format!("found the epoch {}, expected current, current+N or a number", record.epoch))
    })
}

fn cluster(scenario: &Scenario) -> Result<(), Wrong> {
    scenario
        .controllers
        .iter()
        .try_for_each(|member| known(&scenario.cluster, *member))
        .map_err(|because| (None, because))?;
    let mut topics: BTreeSet<&str> = BTreeSet::new();
    for topic in &scenario.topics {
        new_topic(scenario, &mut topics, topic).map_err(|because| (None, because))?;
    }
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for Line { line, step } in &scenario.steps {
        let at = |because| (Some(*line), because);
        if step.is_of_quorums() {
            return Err(at(format!(
                "found \"{step}\", a step of quorums, expected one of clusters; or name the nodes by quorum:"
            )));
        }
        if let Step::Create(topic) = step {
            if gone.contains(&topic.name) {
                return Err(at(format!(
                    "found the topic {} again; give the new one another name",
                    topic.name
                )));
            }
            new_topic(scenario, &mut topics, topic).map_err(at)?;
        }
        if let Some(topic) = step.topic()
            && !topics.contains(topic)
        {
            let known: Vec<&str> = topics.iter().copied().collect();
            return Err(at(format!(
                "found the topic {topic:?}, expected one of those that there are by then: {}",
                if known.is_empty() {
                    "none; name it in the head: topic: …".to_owned()
                } else {
                    known.join(" ")
                }
            )));
        }
        if let Step::Delete { topic } = step {
            topics.remove(topic.as_str());
            gone.insert(topic);
        }
        if let Step::Ask(ask) = step {
            let sent = ask.question.topic().and_then(|topic| values.get(topic));
            of_known(ask, |value| sent.is_some_and(|sent| sent.contains(value))).map_err(at)?;
        }
        if let Step::Produce(produce) = step {
            let sent = values.entry(&produce.topic).or_default();
            if let Some(twice) = produce.values.iter().find(|value| !sent.insert(value)) {
                return Err(at(format!(
                    "found {twice} a second time in {}; give each record a value of its own",
                    produce.topic
                )));
            }
        }
    }
    if let Some(unknown) = scenario.loses.iter().find(|topic| !topics.contains(topic.as_str())) {
        return Err((None, format!("found loses: {unknown}, expected the names of topics")));
    }
    Ok(())
}

/// Whether the records that a probe counts from were written before.
fn of_known(ask: &Ask, is_known: impl Fn(&str) -> bool) -> Result<(), String> {
    let unknown = ask.values().into_iter().find(|value| !is_known(value));
    unknown.map_or(Ok(()), |value| {
        Err(format!("found of:{value}, expected a record that was written to that log by then"))
    })
}

fn new_topic<'a>(
    scenario: &Scenario,
    topics: &mut BTreeSet<&'a str>,
    topic: &'a Topic,
) -> Result<(), String> {
    topic.replicas.iter().try_for_each(|member| known(&scenario.cluster, *member))?;
    if topic.replicas.iter().collect::<BTreeSet<_>>().len() != topic.replicas.len() {
        return Err(format!("found a node twice in the topic {}; name each once", topic.name));
    }
    if !topics.insert(&topic.name) {
        return Err(format!("found the topic {} a second time; give each a name of its own", topic.name));
    }
    Ok(())
}

impl Step {
    /// The nodes that it names by name.
    pub fn members(&self) -> Vec<Member> {
        match self {
            Self::Campaign { node, .. }
            | Self::Expire { node }
            | Self::Beat { node }
            | Self::Append { node, .. }
            | Self::Resign { node } => {
                vec![*node]
            }
            Self::Deliver(post)
            | Self::Bring(post)
            | Self::Drop(post)
            | Self::Hold(post)
            | Self::Copy(post) => post.members(),
            Self::Exchange { one, other } => vec![*one, *other],
            Self::Replicate { leader, follower, .. } | Self::Forge { leader, follower, .. } => {
                vec![*leader, *follower]
            }
            Self::Create(topic) => topic.replicas.clone(),
            Self::Ask(ask) => ask.node.member().into_iter().chain(ask.question.members()).collect(),
            Self::Expect(expectation) => expectation.members(),
            _ => self.who().into_iter().filter_map(Who::member).collect(),
        }
    }

    /// The nodes that it may name by what they are.
    fn who(&self) -> Vec<Who> {
        match self {
            Self::Kill { node }
            | Self::Crash { node }
            | Self::Stop { node }
            | Self::Start { node }
            | Self::Wipe { node }
            | Self::Isolate { node }
            | Self::Pause { node }
            | Self::Resume { node } => vec![*node],
            Self::Cut { from, to } => vec![*from, *to],
            Self::Heal { node } => node.iter().copied().collect(),
            Self::Produce(produce) => produce.to.iter().copied().collect(),
            Self::Ask(ask) => vec![ask.node],
            _ => Vec::new(),
        }
    }

    /// The topic that it names, which has to be there.
    fn topic(&self) -> Option<&str> {
        match self {
            Self::Produce(produce) => Some(&produce.topic),
            Self::Elect { topic, .. } | Self::Configure { topic, .. } | Self::Delete { topic } => Some(topic),
            Self::Ask(ask) => ask.question.topic(),
            Self::Expect(Expectation::Topic(of)) => Some(&of.topic),
            _ => None,
        }
    }

    /// What it says of a message, if it is about one.
    fn post(&self) -> Option<&Post> {
        match self {
            Self::Deliver(post)
            | Self::Bring(post)
            | Self::Drop(post)
            | Self::Hold(post)
            | Self::Copy(post)
            | Self::Expect(Expectation::Held(post) | Expectation::NotHeld { post, .. }) => Some(post),
            _ => None,
        }
    }

    fn is_of_clusters(&self) -> bool {
        if let Some(post) = self.post() {
            return post.kind.is_of_clusters() || matches!(self, Self::Expect(_));
        }
        self.topic().is_some()
            || matches!(
                self,
                Self::Stop { .. }
                    | Self::Pause { .. }
                    | Self::Resume { .. }
                    | Self::Create(_)
                    | Self::Produce(_)
                    | Self::Elect { .. }
                    | Self::Configure { .. }
                    | Self::Expect(Expectation::Topic(_) | Expectation::Controller { .. })
            )
    }

    fn is_of_quorums(&self) -> bool {
        if let Some(post) = self.post() {
            return !post.kind.is_of_clusters() || matches!(self, Self::Bring(_));
        }
        match self {
            Self::Expire { .. }
            | Self::Beat { .. }
            | Self::Campaign { .. }
            | Self::Exchange { .. }
            | Self::Append { .. }
            | Self::Replicate { .. }
            | Self::Forge { .. }
            | Self::Resign { .. }
            | Self::Settle => true,
            Self::Expect(expectation) => {
                !matches!(expectation, Expectation::Topic(_) | Expectation::Controller { .. })
            }
            _ => false,
        }
    }
}

impl Expectation {
    /// The nodes that it names.
    pub fn members(&self) -> Vec<Member> {
        match self {
            Self::Role { node, .. }
            | Self::Epoch { node, .. }
            | Self::Log { node, .. }
            | Self::LogEpochs { node, .. }
            | Self::Committed { node, .. } => vec![*node],
            Self::Follows { node, leader } => vec![*node, *leader],
            Self::Voted { node, candidate } => [Some(*node), *candidate].into_iter().flatten().collect(),
            Self::LogsAgree | Self::NoLeader => Vec::new(),
            Self::Held(post) | Self::NotHeld { post, .. } => post.members(),
            Self::Controller { node, .. } => node.iter().copied().filter_map(Who::member).collect(),
            Self::Topic(of) => of.at.iter().copied().chain(of.sight.members()).collect(),
        }
    }
}

impl Post {
    fn members(&self) -> Vec<Member> {
        vec![self.from, self.to]
    }
}

impl Sight {
    fn members(&self) -> Vec<Member> {
        match self {
            Self::Leader(who) | Self::LeaderNot(who) => who.member().into_iter().collect(),
            Self::Isr(nodes) | Self::Elr(nodes) => nodes.clone(),
            Self::IsrLacks(node) => vec![*node],
            Self::NoLeader | Self::Led | Self::Reads(_) | Self::HighWatermark(_) | Self::LogEnd(_) => {
                Vec::new()
            }
        }
    }
}
