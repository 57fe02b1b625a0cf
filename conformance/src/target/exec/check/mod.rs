//! Helps an adapter's author: tries what the adapter promises, act by act, and says of each answer whether it makes sense.
//!
//! It is no conformance test: whether elections are safe is what the cases find. It asks whether the adapter itself can be believed: roles are what
//! was done, epochs grow, a message that was delivered is gone, an id names one message for ever, what is not there is refused, a node that is down shows nothing,
//! the same seed does the same, and `build` leaves nothing of the system before.
//!
//! Every answer is judged against all that is known by then ([`Inspector`]); what is tried is in `acts`. The first breach of the protocol's form ends it, since no answer after it can be
//! related to its request.
//!
//! **Not here**: whether what is written is on a disk. A crash that loses nothing looks like one that had nothing to lose.

mod acts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::process::{Exchange, Limits, Misbehaviour, Process, shown};
use super::protocol::{Act, Error, ErrorKind, Hello, VERSION};
use super::{hello_of, typed};
use crate::scenario::{Kind, Member, Role};
use crate::target::{Capability, Envelope, NodeView};

/// So many flushes follow one upon another at most.
const FLUSHES_MAX: usize = 20;

/// What was found out about an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What the adapter calls its system; nothing if it did not get to say so.
    pub name: Option<String>,
    /// What it promises.
    pub capabilities: BTreeSet<Capability>,
    /// Each act.
    pub findings: Vec<Finding>,
    /// What ended the check early.
    pub broke: Option<String>,
}

/// An act, its answer, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What was being tried.
    pub part: &'static str,
    /// The line sent.
    pub sent: String,
    /// The line that came.
    pub came: String,
    /// Whether it makes sense.
    pub judgement: Judgement,
}

/// Whether an answer makes sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It does.
    Sense,
    /// It does not: what was expected.
    Nonsense(String),
}

impl Report {
    /// Whether all that was promised made sense.
    pub fn is_fine(&self) -> bool {
        self.broke.is_none() && self.wrong().count() == 0
    }

    /// What did not make sense.
    pub fn wrong(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.judgement != Judgement::Sense)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |all: &mut dyn Iterator<Item = Capability>| {
            let words: Vec<&str> = all.map(Capability::word).collect();
            if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
        };
        writeln!(
            f,
            "{}, protocol version {VERSION}",
            self.name.as_deref().unwrap_or("an adapter without a name")
        )?;
        writeln!(f, "promises:         {}", words(&mut self.capabilities.iter().copied()))?;
        let others = Capability::ALL.into_iter().filter(|one| !self.capabilities.contains(one));
        writeln!(f, "does not promise: {}", words(&mut others.into_iter()))?;
        let mut part = "";
        for finding in &self.findings {
            if finding.part != part {
                part = finding.part;
                writeln!(f, "\n{part}")?;
            }
            writeln!(f, "{finding}")?;
        }
        writeln!(f)?;
        for finding in self.wrong() {
            writeln!(f, "{finding}")?;
        }
        if let Some(broke) = &self.broke {
            writeln!(f, "BROKE OFF: {broke}")?;
        }
        let wrong = self.wrong().count();
        let sense = self.findings.len() - wrong;
        write!(f, "{} answers: {sense} make sense, {wrong} do not", self.findings.len())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, sent, came, judgement } = self;
        match judgement {
            Judgement::Sense => write!(f, "  ok     {sent}\n         {came}"),
            Judgement::Nonsense(expected) => {
                write!(f, "  WRONG  {sent}\n         {came}\n         expected {expected} ({part})")
            }
        }
    }
}

/// Starts an adapter, tries everything that it promises, and ends it.
pub fn check(command: &str, limits: Limits) -> Report {
    let mut report = Report { name: None, capabilities: BTreeSet::new(), findings: Vec::new(), broke: None };
    let process = match Process::start(command, limits) {
        Ok(process) => process,
        Err(misbehaviour) => return Report { broke: Some(misbehaviour.to_string()), ..report },
    };
    let mut inspector =
        Inspector { process, part: "hello", findings: Vec::new(), said: Vec::new(), known: Known::default() };
    let broke = inspector.greet(&mut report).and_then(|()| inspector.try_all(&report.capabilities)).err();
    report.findings = inspector.findings;
    Report { broke: broke.map(|misbehaviour| misbehaviour.to_string()), ..report }
}

/// What is known of the system that was built last.
#[derive(Default)]
struct Known {
    /// What each node was like when last seen.
    views: BTreeMap<Member, NodeView>,
    /// All messages ever under way.
    messages: BTreeMap<u64, Envelope>,
    /// Those that were, and are no more.
    gone: BTreeSet<u64>,
}

/// Asks, and judges.
struct Inspector {
    process: Process,
    part: &'static str,
    findings: Vec<Finding>,
    /// What each answer said, whole.
    said: Vec<Result<Json, Error>>,
    known: Known,
}

/// The first breach of the protocol's form ends the check.
type Tried<T> = Result<T, Misbehaviour>;

impl Inspector {
    fn greet(&mut self, report: &mut Report) -> Tried<()> {
        let exchange = self.ask(Act::Hello { versions: vec![VERSION] })?;
        match hello_of(&exchange) {
            Ok(Hello { name, capabilities, .. }) => {
                report.name = Some(name);
                report.capabilities = capabilities;
                Ok(())
            }
            Err(expected) => Err(self.process.misbehaves(&exchange.sent, exchange.came, &expected)),
        }
    }

    fn ask(&mut self, act: Act) -> Tried<Exchange> {
        let exchange = self.process.ask(act)?;
        self.said.push(exchange.answer.clone());
        self.findings.push(Finding {
            part: self.part,
            sent: exchange.sent.clone(),
            came: exchange.came.clone(),
            judgement: Judgement::Sense,
        });
        Ok(exchange)
    }

    /// Notes on the last answer what was expected instead, unless it is as it should be.
    fn judge(&mut self, is_so: bool, expected: impl Into<String>) {
        if let Some(last) = self.findings.last_mut().filter(|_| !is_so) {
            last.judgement = match std::mem::replace(&mut last.judgement, Judgement::Sense) {
                Judgement::Sense => Judgement::Nonsense(expected.into()),
                Judgement::Nonsense(earlier) => {
                    Judgement::Nonsense(format!("{earlier}; {}", expected.into()))
                }
            };
        }
    }

    /// An act that has to be done, and what came of it.
    fn get<T: DeserializeOwned>(&mut self, act: Act) -> Tried<Option<T>> {
        let exchange = self.ask(act)?;
        match exchange.answer {
            Ok(ok) => match typed(&ok) {
                Ok(result) => Ok(Some(result)),
                Err(expected) => {
                    self.judge(false, expected);
                    Ok(None)
                }
            },
            Err(_) => {
                self.judge(false, "that it is done: it was promised, and nothing stands in its way");
                Ok(None)
            }
        }
    }

    /// An act that has to be done.
    fn done(&mut self, act: Act) -> Tried<bool> {
        self.get::<()>(act).map(|done| done.is_some())
    }

    /// An act that makes no sense here.
    fn refused(&mut self, act: Act, why: &str) -> Tried<()> {
        let exchange = self.ask(act)?;
        let is_refused = exchange.answer.is_err_and(|error| error.kind == ErrorKind::Refused);
        self.judge(is_refused, format!("an error of the kind refused: {why}"));
        Ok(())
    }

    /// Another system.
    fn build(&mut self, quorum: &[Member], pre_vote: bool) -> Tried<bool> {
        self.known = Known::default();
        self.done(Act::Build { quorum: quorum.to_vec(), pre_vote, seed: 1 })
    }

    /// What is under way, judged, once all nodes have flushed what they want flushed.
    fn pending(&mut self) -> Tried<Vec<Envelope>> {
        let mut pending = self.under_way()?;
        for _ in 0..FLUSHES_MAX {
            let flush = pending.iter().find(|envelope| envelope.kind == Kind::Flush).cloned();
            let Some(flush) = flush else { break };
            self.deliver(&flush)?;
            pending = self.under_way()?;
        }
        Ok(pending)
    }

    fn under_way(&mut self) -> Tried<Vec<Envelope>> {
        let pending: Vec<Envelope> = self.get(Act::Pending)?.unwrap_or_default();
        let ids: BTreeSet<u64> = pending.iter().map(|envelope| envelope.id).collect();
        self.judge(ids.len() == pending.len(), "an id of its own for each message");
        for envelope in &pending {
            let id = envelope.id;
            self.judge(
                !self.known.gone.contains(&id),
                format!("no message {id}, which was delivered or lost before"),
            );
            let first = self.known.messages.entry(id).or_insert_with(|| envelope.clone());
            let is_same = (first.kind, first.from, first.to) == (envelope.kind, envelope.from, envelope.to);
            let was = format!(
                "message {id} to be the same {} from {} to {}",
                first.kind.word(),
                first.from,
                first.to
            );
            self.judge(is_same, was);
            self.judge(
                (envelope.from == envelope.to) == (envelope.kind == Kind::Flush),
                format!("message {id} to be to somebody else than its sender, or a flush of its own"),
            );
        }
        // What goes without having been delivered or lost went down with a node.
        let all: Vec<u64> = self.known.messages.keys().copied().collect();
        self.known.gone.extend(all.into_iter().filter(|id| !ids.contains(id)));
        Ok(pending)
    }

    /// A message arrives, and is gone.
    fn deliver(&mut self, envelope: &Envelope) -> Tried<bool> {
        let done = self.done(Act::Deliver { message: envelope.id })?;
        if done {
            self.known.gone.insert(envelope.id);
        }
        Ok(done)
    }

    /// A node that is up, judged.
    fn up(&mut self, node: Member) -> Tried<Option<NodeView>> {
        let Some(view) = self.get::<Option<NodeView>>(Act::View { node })? else { return Ok(None) };
        self.judge(view.is_some(), format!("a view of {node}, which is up"));
        let Some(view) = view else { return Ok(None) };
        let (start, end) = (view.log_start, view.log_end());
        self.judge(view.committed <= end, format!("committed to be at most {end}, where its log ends"));
        let epochs: Vec<u64> = view.log.iter().map(|entry| entry.epoch).collect();
        self.judge(epochs.is_sorted(), "epochs in the log that do not go back");
        self.judge(
            epochs.iter().all(|epoch| *epoch <= view.epoch),
            format!("no entry of a later epoch than {}, in which it is", view.epoch),
        );
        self.judge(
            view.role != Role::Leader || view.leader == Some(node),
            format!("a leader to name itself as the leader, {node}"),
        );
        self.judge(
            view.role != Role::Follower || view.leader.is_some(),
            "a follower to say whom it follows; one that knows no leader is unattached",
        );
        if let Some(before) = self.known.views.get(&node).cloned() {
            self.judge(
                view.epoch >= before.epoch,
                format!("an epoch of at least {}, in which it was", before.epoch),
            );
            self.judge(start >= before.log_start, format!("a log from {} on, or later", before.log_start));
        }
        self.known.views.insert(node, view.clone());
        Ok(Some(view))
    }

    /// A node that is down.
    fn down(&mut self, node: Member) -> Tried<()> {
        if let Some(view) = self.get::<Option<NodeView>>(Act::View { node })? {
            self.judge(view.is_none(), format!("null, since {node} is down"));
        }
        Ok(())
    }

    /// The last part: it says goodbye, and ends.
    fn leave(&mut self) -> Tried<()> {
        self.part = "bye";
        let (exchange, status) = self.process.bye()?;
        let came = format!("{}, and it ended ({status})", shown(&exchange.came));
        let is_fine = exchange.answer.is_ok() && status.success();
        self.findings.push(Finding {
            part: self.part,
            sent: exchange.sent,
            came,
            judgement: Judgement::Sense,
        });
        self.judge(is_fine, "\"ok\":null, and exit status 0");
        Ok(())
    }
}
