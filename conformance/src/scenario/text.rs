//! Scenarios as text: one line a step, `#` begins a comment.

use std::fmt;
use std::str::FromStr;

use super::{Content, Demand, Expectation, Kind, Line, Member, Post, Role, Scenario, Step};
use crate::target::Capability;

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What was found there, what was expected, and what to do.
    pub because: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.because)
    }
}

impl std::error::Error for ParseError {}

/// The keys of the head.
pub const HEAD: [&str; 8] = ["title", "clauses", "source", "demand", "needs", "kills", "quorum", "pre-vote"];

/// The words that steps begin with, each with how it goes on.
pub const VERBS: [(&str, &str); 18] = [
    ("append", "append NODE VALUE [refused]"),
    ("campaign", "campaign NODE [loses]"),
    ("crash", "crash NODE"),
    ("cut", "cut NODE -> NODE, or cut NODE -- NODE for both ways"),
    ("deliver", "deliver KIND NODE -> NODE"),
    ("drop", "drop KIND NODE -> NODE"),
    ("duplicate", "duplicate KIND NODE -> NODE"),
    (
        "expect",
        "expect NODE [not] leader|follower|candidate|unattached|observer, NODE follows NODE, NODE epoch N, NODE voted NODE|nobody, \
         NODE log|committed is|has|lacks VALUE…, logs agree, or no leader",
    ),
    ("expire", "expire NODE"),
    ("heal", "heal [NODE]"),
    ("isolate", "isolate NODE"),
    ("kill", "kill NODE"),
    ("replicate", "replicate LEADER -> FOLLOWER [until VALUE]"),
    ("resign", "resign NODE"),
    ("restart", "restart NODE, which is kill and start"),
    ("settle", "settle"),
    ("start", "start NODE"),
    ("wipe", "wipe NODE"),
];

/// Reads a scenario.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario::default();
    let mut in_head = true;
    for (number, full) in (1..).zip(text.lines()) {
        let line = full.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let at = |because: String| ParseError { line: number, because };
        let head = line.split_once(':').filter(|(key, _)| !key.contains(char::is_whitespace));
        match head {
            Some((key, value)) if in_head => {
                take_head(&mut scenario, key, value.trim()).map_err(at)?;
                continue;
            }
            _ => in_head = false,
        }
        for part in line.split(';') {
            let mut words = Words { words: part.split_whitespace().collect(), next: 0 };
            let steps = step(&mut words).map_err(at)?;
            scenario.steps.extend(steps.into_iter().map(|step| Line { line: number, step }));
        }
    }
    let last = text.lines().count().max(1);
    check(&scenario).map_err(|(line, because)| ParseError { line: line.unwrap_or(last), because })?;
    Ok(scenario)
}

/// What no single line shows.
pub(super) fn check(scenario: &Scenario) -> Result<(), (Option<usize>, String)> {
    if scenario.title.is_empty() {
        return Err((None, "no title; say in a sentence what the scenario shows: title: …".to_owned()));
    }
    if scenario.quorum.is_empty() {
        return Err((None, "no nodes; name them before the first step: quorum: n1 n2 n3".to_owned()));
    }
    for line in &scenario.steps {
        for member in line.step.members() {
            if !scenario.quorum.contains(&member) {
                let known: Vec<String> = scenario.quorum.iter().map(Member::to_string).collect();
                return Err((
                    Some(line.line),
                    format!("found {member}, expected one of {}", known.join(" ")),
                ));
            }
        }
    }
    Ok(())
}

fn take_head(scenario: &mut Scenario, key: &str, value: &str) -> Result<(), String> {
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
        "quorum" => {
            scenario.quorum = words().iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
            let mut sorted = scenario.quorum.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() != scenario.quorum.len() {
                return Err(format!("found a node twice in {value:?}; name each once"));
            }
        }
        "pre-vote" => {
            scenario.pre_vote = match value {
                "on" => Some(true),
                "off" => Some(false),
                other => return Err(format!("found pre-vote: {other}, expected on or off")),
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
                "found {other}:, expected title, clauses, source, demand, needs, kills, quorum or pre-vote"
            ));
        }
    }
    Ok(())
}

/// The words of a step, one after another.
struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    fn maybe(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next).copied();
        self.next += usize::from(word.is_some());
        word
    }

    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.maybe().ok_or_else(|| format!("the step ends where {what} was expected"))
    }

    fn node(&mut self) -> Result<Member, String> {
        self.word("the name of a node")?.parse()
    }

    fn exactly(&mut self, expected: &str) -> Result<(), String> {
        match self.word(expected)? {
            found if found == expected => Ok(()),
            found => Err(format!("found {found:?}, expected {expected:?}")),
        }
    }

    /// `->`, or nothing but the end.
    fn arrow(&mut self) -> Result<(Member, Member), String> {
        let from = self.node()?;
        self.exactly("->")?;
        Ok((from, self.node()?))
    }

    fn values(&mut self) -> Vec<String> {
        let values = self.words[self.next..].iter().map(|word| (*word).to_owned()).collect();
        self.next = self.words.len();
        values
    }

    /// Whether the last word is this.
    fn flag(&mut self, word: &str) -> bool {
        let is_there = self.words.get(self.next) == Some(&word);
        self.next += usize::from(is_there);
        is_there
    }
}

/// The steps of a line's part: two for a word that stands for two.
fn step(words: &mut Words<'_>) -> Result<Vec<Step>, String> {
    let Some(verb) = words.maybe() else {
        return Err("found nothing before or behind a ';', expected a step".to_owned());
    };
    let Some((_, usage)) = VERBS.iter().find(|(known, _)| *known == verb) else {
        let known: Vec<&str> = VERBS.iter().map(|(verb, _)| *verb).collect();
        return Err(format!("found {verb:?}, expected a step: {}", known.join(", ")));
    };
    let usage = |because: String| format!("{because}; write: {usage}");
    let steps = steps_of(verb, words).map_err(usage)?;
    match words.maybe() {
        None => Ok(steps),
        Some(more) => Err(usage(format!("found {more:?}, expected the end of the step"))),
    }
}

fn steps_of(verb: &str, words: &mut Words<'_>) -> Result<Vec<Step>, String> {
    let one = match verb {
        "kill" => Step::Kill { node: words.node()? },
        "crash" => Step::Crash { node: words.node()? },
        "start" => Step::Start { node: words.node()? },
        "restart" => {
            let node = words.node()?;
            return Ok(vec![Step::Kill { node }, Step::Start { node }]);
        }
        "wipe" => Step::Wipe { node: words.node()? },
        "cut" => {
            let from = words.node()?;
            let both = match words.word("-> or --")? {
                "->" => false,
                "--" => true,
                other => return Err(format!("found {other:?}, expected \"->\" or \"--\"")),
            };
            let to = words.node()?;
            let mut cuts = vec![Step::Cut { from, to }];
            if both {
                cuts.push(Step::Cut { from: to, to: from });
            }
            return Ok(cuts);
        }
        "isolate" => Step::Isolate { node: words.node()? },
        "heal" => Step::Heal { node: words.maybe().map(Member::from_str).transpose()? },
        "expire" => Step::Expire { node: words.node()? },
        "campaign" => Step::Campaign { node: words.node()?, loses: words.flag("loses") },
        "deliver" => Step::Deliver(post(words)?),
        "drop" => Step::Drop(post(words)?),
        "duplicate" => Step::Duplicate(post(words)?),
        "append" => {
            let (node, value) = (words.node()?, words.word("a value")?.to_owned());
            Step::Append { node, value, refused: words.flag("refused") }
        }
        "replicate" => {
            let (leader, follower) = words.arrow()?;
            let until = words.flag("until").then(|| words.word("a value").map(str::to_owned)).transpose()?;
            Step::Replicate { leader, follower, until }
        }
        "resign" => Step::Resign { node: words.node()? },
        "settle" => Step::Settle,
        _ => Step::Expect(expectation(words)?),
    };
    Ok(vec![one])
}

fn post(words: &mut Words<'_>) -> Result<Post, String> {
    let word = words.word("the kind of a message")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        format!("found {word:?}, expected the kind of a message: {}", known.join(", "))
    })?;
    let (from, to) = words.arrow()?;
    Ok(Post { kind, from, to })
}

fn expectation(words: &mut Words<'_>) -> Result<Expectation, String> {
    if words.flag("logs") {
        return words.exactly("agree").map(|()| Expectation::LogsAgree);
    }
    if words.flag("no") {
        return words.exactly("leader").map(|()| Expectation::NoLeader);
    }
    let node = words.node()?;
    let not = words.flag("not");
    let word = words.word("what is expected of it")?;
    if let Some(role) = Role::ALL.into_iter().find(|role| role.word() == word) {
        return Ok(Expectation::Role { node, role, not });
    }
    if not {
        return Err(format!("found not {word}, expected a role behind not"));
    }
    Ok(match word {
        "follows" => Expectation::Follows { node, leader: words.node()? },
        "epoch" => {
            let word = words.word("a number")?;
            let epoch = word.parse().map_err(|_| format!("found epoch {word}, expected a number"))?;
            Expectation::Epoch { node, epoch }
        }
        "voted" if words.flag("nobody") => Expectation::Voted { node, candidate: None },
        "voted" => Expectation::Voted { node, candidate: Some(words.node()?) },
        "log" => Expectation::Log { node, content: content(words)? },
        "committed" => Expectation::Committed { node, content: content(words)? },
        other => {
            return Err(format!("found {other:?}, expected a role, follows, epoch, voted, log or committed"));
        }
    })
}

fn content(words: &mut Words<'_>) -> Result<Content, String> {
    let word = words.word("is, has or lacks")?;
    let values = words.values();
    match word {
        "is" => Ok(Content::Is(values)),
        "has" | "lacks" if values.is_empty() => {
            Err(format!("found nothing behind {word}, expected a value or more"))
        }
        "has" => Ok(Content::Has(values)),
        "lacks" => Ok(Content::Lacks(values)),
        other => Err(format!("found {other:?}, expected is, has or lacks")),
    }
}

// ---- and back ----

impl Step {
    /// The nodes that it names.
    pub fn members(&self) -> Vec<Member> {
        match self {
            Self::Kill { node }
            | Self::Crash { node }
            | Self::Start { node }
            | Self::Wipe { node }
            | Self::Isolate { node }
            | Self::Expire { node }
            | Self::Campaign { node, .. }
            | Self::Append { node, .. }
            | Self::Resign { node } => vec![*node],
            Self::Cut { from, to } => vec![*from, *to],
            Self::Heal { node } => node.iter().copied().collect(),
            Self::Deliver(post) | Self::Drop(post) | Self::Duplicate(post) => vec![post.from, post.to],
            Self::Replicate { leader, follower, .. } => vec![*leader, *follower],
            Self::Settle => Vec::new(),
            Self::Expect(expectation) => expectation.members(),
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
            | Self::Committed { node, .. } => vec![*node],
            Self::Follows { node, leader } => vec![*node, *leader],
            Self::Voted { node, candidate } => [Some(*node), *candidate].into_iter().flatten().collect(),
            Self::LogsAgree | Self::NoLeader => Vec::new(),
        }
    }
}

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
        let nodes: Vec<String> = self.quorum.iter().map(Member::to_string).collect();
        writeln!(f, "quorum: {}", list(&nodes))?;
        if let Some(pre_vote) = self.pre_vote {
            writeln!(f, "pre-vote: {}", if pre_vote { "on" } else { "off" })?;
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
            Self::Campaign { node, loses } => write!(f, "campaign {node}{}", word(*loses, " loses")),
            Self::Deliver(post) => write!(f, "deliver {post}"),
            Self::Drop(post) => write!(f, "drop {post}"),
            Self::Duplicate(post) => write!(f, "duplicate {post}"),
            Self::Append { node, value, refused } => {
                write!(f, "append {node} {value}{}", word(*refused, " refused"))
            }
            Self::Replicate { leader, follower, until } => {
                write!(f, "replicate {leader} -> {follower}")?;
                until.as_ref().map_or(Ok(()), |value| write!(f, " until {value}"))
            }
            Self::Resign { node } => write!(f, "resign {node}"),
            Self::Settle => write!(f, "settle"),
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
            Self::Committed { node, content } => write!(f, "{node} committed {content}"),
            Self::LogsAgree => write!(f, "logs agree"),
            Self::NoLeader => write!(f, "no leader"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "title: t\nquorum: n1 n2 n3\n";

    fn error(steps: &str) -> String {
        parse(&format!("{HEAD}{steps}")).expect_err("it makes no sense").to_string()
    }

    #[test]
    fn every_step_reads_as_it_is_written() {
        let steps = "kill n1\ncrash n1\nstart n1\nwipe n1\ncut n1 -> n2\nisolate n3\nheal\nheal n2\nexpire n1\ncampaign n1\n\
            campaign n2 loses\ndeliver vote n1 -> n2\ndrop vote-answer n2 -> n1\nduplicate records n1 -> n3\nappend n1 x\n\
            append n2 y refused\nreplicate n1 -> n2\nreplicate n1 -> n2 until x\nresign n1\nsettle\nexpect n1 leader\n\
            expect n1 not leader\nexpect n2 follows n1\nexpect n1 epoch 3\nexpect n1 voted n2\nexpect n1 voted nobody\n\
            expect n1 log is x y\nexpect n1 log is\nexpect n2 committed has x\nexpect n2 log lacks x y\nexpect logs agree\n\
            expect no leader\n";
        let head = "title: t\nclauses: kraft/commit/1 isr/ack/1\nsource: KIP-595\ndemand: should\nneeds: pull\nkills: A01\n\
            quorum: n1 n2 n3\npre-vote: on\n\n";
        let scenario = parse(&format!("{head}{steps}")).expect("it makes sense");
        assert_eq!(scenario.to_string(), format!("{head}{steps}"));
        assert_eq!(scenario.steps.last().map(|line| line.line), Some(41));
        let json = serde_json::to_string(&scenario).expect("it can be written");
        assert_eq!(serde_json::from_str::<Scenario>(&json).expect("it can be read"), scenario, "{json}");
    }

    #[test]
    fn words_that_stand_for_two_steps_are_two_steps() {
        let scenario = parse(&format!("{HEAD}restart n1; cut n1 -- n2  # both\n")).expect("it makes sense");
        let steps: Vec<String> = scenario.steps.iter().map(|line| line.step.to_string()).collect();
        assert_eq!(steps, ["kill n1", "start n1", "cut n1 -> n2", "cut n2 -> n1"]);
    }

    #[test]
    fn errors_name_line_and_cure() {
        assert_eq!(
            error("campain n1"),
            "line 3: found \"campain\", expected a step: append, campaign, crash, cut, deliver, drop, duplicate, expect, expire, heal, \
             isolate, kill, replicate, resign, restart, settle, start, wipe"
        );
        assert_eq!(
            error("\nkill"),
            "line 4: the step ends where the name of a node was expected; write: kill NODE"
        );
        assert_eq!(
            error("kill n1 n2"),
            "line 3: found \"n2\", expected the end of the step; write: kill NODE"
        );
        assert_eq!(error("kill n4"), "line 3: found n4, expected one of n1 n2 n3");
        assert!(
            error("deliver letter n1 -> n2")
                .contains("found \"letter\", expected the kind of a message: vote,")
        );
        assert!(error("expect n1 log has").contains("found nothing behind has, expected a value or more"));
        assert!(error("cut n1 n2").contains("found \"n2\", expected \"->\" or \"--\""));
        let bad = |text: &str| parse(text).expect_err("it makes no sense").to_string();
        assert!(bad("quorum: n1\nsettle\n").contains("line 2: no title"));
        assert!(bad("title: t\nquorum: n1 n1\n").contains("line 2: found a node twice"));
        assert!(bad("title: t\nsettle\n").contains("no nodes; name them"));
        assert!(bad("titel: t\n").contains("line 1: found titel:, expected title, clauses"));
    }
}
