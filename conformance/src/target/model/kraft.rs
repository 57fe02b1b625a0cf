//! The model `kraft`, one action at a time.
//!
//! - A restart is one action there; here a node is down from the crash to the start, and takes no part.
//! - Vote requests and announcements last in the model, so that they may arrive again and again. Here each is sent once, and a leader that is made
//!   to beat announces itself anew.
//!
//! # What it has no room for
//! Four voters, three clients' records in a scenario, six records in a log, epoch 7, four fetches, answers and votes under way. No pre-vote. For whom a
//! follower voted is forgotten, since it no longer matters.

use std::collections::{BTreeMap, BTreeSet};

use highwater_model::family::Family;
use highwater_model::kraft::state::{
    LOG_MAX, Message, NODES_MAX, Node, kind, record_epoch, record_value, role,
};
use highwater_model::kraft::{Action, Bounds, Kraft, Rules, State};
use stateright::Model;

use crate::scenario::{Kind, Member, Role, Value};
use crate::target::{
    Builder, Capability, Entry, Envelope, Fault, Lifecycle, Messages, NodeView, Quorum, Setup, System, Timers,
};

/// Builds quorums of the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct KraftModel {
    rules: Rules,
}

impl KraftModel {
    /// The model with these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// The model with a flaw of its catalogue.
    ///
    /// # Errors
    /// If it has no flaw of this id.
    pub fn with_flaw(id: &str) -> Result<Self, String> {
        let found = Kraft::flaws().iter().find(|flaw| flaw.id.eq_ignore_ascii_case(id));
        let flaw =
            found.ok_or_else(|| format!("the model kraft has no flaw {id}; `highwater flaws` lists them"))?;
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        Ok(Self { rules })
    }
}

impl Builder for KraftModel {
    fn name(&self) -> String {
        "model".to_owned()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        use Capability as C;
        [
            C::Processes,
            C::LostTails,
            C::LostDisks,
            C::Timers,
            C::Messages,
            C::Quorum,
            C::Resign,
            C::NoPreVote,
            C::Pull,
            C::OpeningRecord,
            C::EagerAppends,
            C::Announcements,
            C::ResignedAfterRestart,
            C::DirectoryIds,
        ]
        .into()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        setup.without_config()?;
        let nodes = setup.quorum.len();
        if nodes > NODES_MAX {
            return Err(Fault::Unsupported(format!("{nodes} voters: the model has room for {NODES_MAX}")));
        }
        let bounds = Bounds::widest(u8::try_from(nodes).unwrap_or(u8::MAX));
        let kraft = Kraft::new(bounds, self.rules);
        let state = kraft.init_states().remove(0);
        let members = setup.quorum.clone();
        Ok(Box::new(Driven {
            kraft,
            state,
            members,
            down: BTreeSet::new(),
            values: Vec::new(),
            gone: BTreeSet::new(),
            rounds: BTreeMap::new(),
            names: BTreeMap::new(),
            last: 0,
        }))
    }
}

/// A quorum of the model in one of its states.
struct Driven {
    kraft: Kraft,
    state: State,
    members: Vec<Member>,
    /// Indices of nodes that crashed and have not come back. In the model they have not crashed yet, or have come back already: it makes no difference, since
    /// nothing happens to them.
    down: BTreeSet<u8>,
    /// The clients' values, 1 first.
    values: Vec<Value>,
    /// Of what lasts, what is under way no more.
    gone: BTreeSet<Item>,
    /// How often each leader, by epoch, has announced itself.
    rounds: BTreeMap<u8, u8>,
    names: BTreeMap<Item, u64>,
    last: u64,
}

/// What can be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Flying(Message),
    Vote { candidate: u8, voter: u8, epoch: u8 },
    Announcement { leader: u8, voter: u8, epoch: u8, round: u8 },
}

impl Driven {
    fn index(&self, node: Member) -> Result<u8, Fault> {
        let place = self.members.iter().position(|member| *member == node);
        let place = place.and_then(|place| u8::try_from(place).ok());
        place.ok_or_else(|| Fault::Broken(format!("there is no {node}")))
    }

    fn member(&self, index: usize) -> Member {
        self.members[index]
    }

    fn node(&self, index: u8) -> &Node {
        &self.state.nodes[usize::from(index)]
    }

    /// Takes an action, if it is enabled.
    fn take(&mut self, action: Action) -> bool {
        let mut enabled = Vec::new();
        self.kraft.actions(&self.state, &mut enabled);
        let may = enabled.contains(&action);
        if may && let Some(next) = self.kraft.next_state(&self.state, action) {
            self.state = next;
            // Each has a name from the beginning, by which it is known when it means nothing any more.
            for message in self.state.in_flight().collect::<Vec<_>>() {
                self.name(Item::Flying(message));
            }
        }
        may
    }

    fn name(&mut self, item: Item) -> u64 {
        *self.names.entry(item).or_insert_with(|| {
            self.last += 1;
            self.last
        })
    }

    /// Whether the model has room for what may come.
    fn has_room(&self) -> Result<(), Fault> {
        let full = |node: &Node| node.log.len() >= LOG_MAX;
        if self.state.nodes.iter().any(full) {
            return Err(Fault::Unsupported(format!(
                "more than {LOG_MAX} records: the model has no more room in a log"
            )));
        }
        if self.state.nodes.iter().any(|node| node.ballot.epoch >= 7) {
            return Err(Fault::Unsupported("epoch 8: the model has no more epochs".to_owned()));
        }
        Ok(())
    }

    fn items(&self) -> Vec<Item> {
        let count = self.members.len() as u8;
        let mut items: Vec<Item> = Vec::new();
        for from in 0..count {
            let node = self.node(from);
            for to in (0..count).filter(|to| *to != from) {
                if node.asked > 0 {
                    items.push(Item::Vote { candidate: from, voter: to, epoch: node.asked });
                }
                if node.leads() {
                    let epoch = node.ballot.epoch;
                    let round = self.rounds.get(&epoch).copied().unwrap_or(0);
                    items.push(Item::Announcement { leader: from, voter: to, epoch, round });
                }
            }
        }
        items.extend(self.state.in_flight().map(Item::Flying));
        // The model drops what would change nothing any more; here it is under way until it arrives.
        let dead = |item: &Item| matches!(item, Item::Flying(_)) && !items.contains(item);
        let dead: Vec<Item> = self.names.keys().copied().filter(dead).collect();
        items.extend(dead);
        items.retain(|item| !self.gone.contains(item));
        items
    }

    fn item(&self, id: u64) -> Result<Item, Fault> {
        let found = self.items().into_iter().find(|item| self.names.get(item) == Some(&id));
        found.ok_or_else(|| Fault::Broken(format!("there is no message {id} under way")))
    }

    fn envelope(&mut self, item: Item) -> Envelope {
        let id = self.name(item);
        let (kind, from, to, text) = match item {
            Item::Vote { candidate, voter, epoch } => {
                (Kind::Vote, usize::from(candidate), usize::from(voter), format!("epoch {epoch}"))
            }
            Item::Announcement { leader, voter, epoch, .. } => {
                (Kind::Announcement, usize::from(leader), usize::from(voter), format!("epoch {epoch}"))
            }
            Item::Flying(message) => {
                let fields = message.fields();
                let kind = match fields.kind {
                    kind::VOTE_GRANTED => Kind::VoteAnswer,
                    kind::FETCH => Kind::Position,
                    _ => Kind::Records,
                };
                (kind, fields.from, fields.to, format!("epoch {}, offset {}", fields.epoch, fields.offset))
            }
        };
        Envelope { id, kind, from: self.member(from), to: self.member(to), text }
    }

    fn arrive(&mut self, item: Item, stays: bool) -> Result<(), Fault> {
        match item {
            Item::Flying(message) if stays => {
                // A copy that would change nothing is not kept in the model's state, but its name is.
                match self.kraft.next_state(&self.state, Action::Duplicate { message }) {
                    Some(next) => self.state = next,
                    None => drop(self.take(Action::Deliver { message })),
                }
            }
            Item::Flying(message) => {
                self.names.remove(&item);
                self.take(Action::Deliver { message });
            }
            // What changes nothing is not enabled: it arrives, and is refused or known already.
            Item::Vote { candidate, voter, .. } => {
                self.take(Action::RequestVote { voter, candidate });
            }
            Item::Announcement { voter, epoch, .. } => {
                self.take(Action::BeginQuorumEpoch { voter, epoch });
            }
        }
        if !stays && !matches!(item, Item::Flying(_)) {
            self.gone.insert(item);
        }
        Ok(())
    }
}

impl System for Driven {
    fn lifecycle(&mut self) -> Option<&mut dyn Lifecycle> {
        Some(self)
    }

    fn timers(&mut self) -> Option<&mut dyn Timers> {
        Some(self)
    }

    fn messages(&mut self) -> Option<&mut dyn Messages> {
        Some(self)
    }

    fn quorum(&mut self) -> Option<&mut dyn Quorum> {
        Some(self)
    }
}

impl Lifecycle for Driven {
    fn kill(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        self.take(Action::Restart { node, lost: false });
        self.down.insert(node);
        Ok(())
    }

    fn crash(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        if !self.take(Action::Restart { node, lost: true }) {
            self.take(Action::Restart { node, lost: false });
        }
        self.down.insert(node);
        Ok(())
    }

    fn start(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        self.down.remove(&node);
        Ok(())
    }

    fn wipe(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        self.down.remove(&node);
        self.take(Action::Wipe { node });
        Ok(())
    }
}

impl Timers for Driven {
    fn expire(&mut self, node: Member) -> Result<(), Fault> {
        self.has_room()?;
        let node = self.index(node)?;
        if self.node(node).leads() {
            return Err(Fault::Unsupported("a leader's timer: in the model a leader resigns".to_owned()));
        }
        // Who is no voter does nothing when its timer runs out.
        let _ = self.take(Action::FetchTimeout { node }) || self.take(Action::ElectionTimeout { node });
        Ok(())
    }

    fn beat(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        let (leads, epoch) = (self.node(node).leads(), self.node(node).ballot.epoch);
        if leads {
            *self.rounds.entry(epoch).or_default() += 1;
        } else {
            self.take(Action::Fetch { node });
        }
        Ok(())
    }
}

impl Messages for Driven {
    fn pending(&mut self) -> Result<Vec<Envelope>, Fault> {
        let mut envelopes: Vec<Envelope> = self.items().into_iter().map(|item| self.envelope(item)).collect();
        envelopes.sort_by_key(|envelope| envelope.id);
        Ok(envelopes)
    }

    fn deliver(&mut self, id: u64) -> Result<(), Fault> {
        let item = self.item(id)?;
        self.arrive(item, false)
    }

    fn lose(&mut self, id: u64) -> Result<(), Fault> {
        let item = self.item(id)?;
        match item {
            // It is always possible that a message is lost; the model lists it only where it makes room.
            Item::Flying(message) => {
                self.names.remove(&item);
                if self.state.in_flight().any(|other| other == message)
                    && let Some(next) = self.kraft.next_state(&self.state, Action::Lose { message })
                {
                    self.state = next;
                }
            }
            lasting => {
                self.gone.insert(lasting);
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, id: u64) -> Result<(), Fault> {
        let item = self.item(id)?;
        self.arrive(item, true)
    }
}

impl Quorum for Driven {
    fn append(&mut self, node: Member, value: &Value) -> Result<(), Fault> {
        let node = self.index(node)?;
        if !self.node(node).leads() {
            return Err(Fault::Refused("it does not lead".to_owned()));
        }
        if !self.take(Action::Append { node }) {
            return Err(Fault::Unsupported("another record: the model has room for three".to_owned()));
        }
        self.values.push(value.clone());
        Ok(())
    }

    fn resign(&mut self, node: Member) -> Result<(), Fault> {
        let node = self.index(node)?;
        match self.take(Action::Resign { node }) {
            true => Ok(()),
            false => Err(Fault::Refused("it does not lead".to_owned())),
        }
    }

    fn view(&mut self, node: Member) -> Result<Option<NodeView>, Fault> {
        let index = self.index(node)?;
        if self.down.contains(&index) {
            return Ok(None);
        }
        let at = self.node(index);
        let named = |id: u8| (id > 0).then(|| self.member(usize::from(id - 1)));
        let entry = |record| {
            let value = usize::from(record_value(record)).checked_sub(1);
            Entry {
                epoch: record_epoch(record).into(),
                value: value.and_then(|place| self.values.get(place).cloned()),
            }
        };
        Ok(Some(NodeView {
            role: match at.role {
                role::LEADER => Role::Leader,
                role::FOLLOWER => Role::Follower,
                role::CANDIDATE => Role::Candidate,
                role::GONE => Role::Observer,
                _ => Role::Unattached,
            },
            epoch: at.ballot.epoch.into(),
            leader: if at.role == role::RESIGNED { None } else { named(at.leader) },
            voted: None,
            log_start: 0,
            log: at.log.records().map(entry).collect(),
            committed: at.high_watermark.into(),
        }))
    }
}
