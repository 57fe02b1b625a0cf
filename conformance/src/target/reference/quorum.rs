//! A quorum of the reference: replicas as they ship ([`highwater_quorum::Replica`]), with their logs and files on simulated disks.
//!
//! - Each node has a clock of its own, and it moves only when a node is made to beat, or its timer runs out. Clocks decide nothing but when to give up
//!   waiting, so that no two of them need agree.
//! - How long a leader may be silent is far longer than a request may be (hours, a minute), and that is longer than an election takes (a second or two): so a node that
//!   beats does not campaign, and a candidate whose timer runs out still takes answers to what it asked before.
//! - A leader takes records only once the record that begins its epoch is committed, as Kafka's controllers do.
//! - A flush is a message of a node to itself. An answer brings one batch, which is one record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::batches;
use highwater_core::quorum::{Rules, Timer};
use highwater_log::disk::{Loss, SimulatedDisk};
use highwater_quorum::{
    Config, Epoch, Input, Instant, NodeId, Offset, Output, Replica, ReplicaKey, Request, Response, RoleName,
    StateMachine, Uuid,
};

use super::probes::{forged_answer, quorum_answer, quorum_fetch, quorum_vote};
use crate::scenario::{Kind, Member, Role, Value};
use crate::target::probe::{Answer, Forgeries, Landmark, Probes, Question};
use crate::target::{
    Builder, Capability, Entry, Envelope, Fault, Lifecycle, Messages, NodeView, Progress, Quorum, Setup,
    System, Timers,
};

/// How long a leader may be silent. Far longer than all beats of a scenario together.
const PATIENCE: Duration = Duration::from_secs(10 * 3_600);

/// After so many bytes of log a snapshot is taken, and the log before it forgotten.
const SNAPSHOTS: &str = "metadata.log.max.record.bytes.between.snapshots";

/// Builds quorums of the reference.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferenceQuorum {
    rules: Rules,
}

impl ReferenceQuorum {
    /// The reference with a flaw of its quorum core.
    ///
    /// # Errors
    /// If the core has no flaw of this id.
    #[cfg(feature = "flaws")]
    pub fn with_flaw(id: &str) -> Result<Self, String> {
        let found = highwater_core::quorum::FLAWS.iter().find(|flaw| flaw.id == id);
        let flaw = found.ok_or_else(|| format!("the reference's quorum has no flaw {id}"))?;
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        Ok(Self { rules })
    }
}

impl Builder for ReferenceQuorum {
    fn name(&self) -> String {
        "reference".to_owned()
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
            C::Votes,
            C::PreVote,
            C::NoPreVote,
            C::Pull,
            C::OpeningRecord,
            C::Flushes,
            C::Announcements,
            C::ResignedAfterRestart,
            C::CheckQuorum,
            C::DirectoryIds,
            C::Searches,
            C::Probes,
            C::Forgeries,
        ]
        .into()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        let mut config = Config::new("conformance", 1, []);
        config.pre_vote = setup.pre_vote;
        (config.fetch_timeout, config.request_timeout) = (PATIENCE, PATIENCE / 600);
        config.first_election_timeout_max = None;
        config.fetch_bytes_max = 1;
        for (key, value) in &setup.config {
            let wrong = || Fault::Unsupported(format!("{key}={value} of a quorum"));
            match key.as_str() {
                SNAPSHOTS => config.snapshot_bytes = value.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        let mut world = World {
            rules: self.rules,
            config,
            seed: setup.seed,
            nodes: BTreeMap::new(),
            mail: BTreeMap::new(),
            callers: BTreeMap::new(),
            gone: BTreeSet::new(),
            probe: None,
            probed: None,
            last: 0,
        };
        for member in &setup.quorum {
            let disk = SimulatedDisk::new(setup.seed ^ u64::from(member.0));
            let node = Node { disk, replica: None, now: Instant(0), disks: 1, starts: 0 };
            world.nodes.insert(*member, node);
            let directory = world.format(*member)?;
            world.config.voters.push(ReplicaKey { id: id_of(*member), directory });
        }
        setup.quorum.iter().try_for_each(|member| world.open(*member))?;
        Ok(Box::new(world))
    }
}

/// Remembers nothing: the log is looked at.
struct Nothing;

impl StateMachine for Nothing {
    type Answer = ();

    fn apply(&mut self, _offset: Offset, _epoch: Epoch, _record: &[u8]) {}

    fn snapshot(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn restore(_from: &mut dyn Read) -> io::Result<Self> {
        Ok(Self)
    }
}

struct Node {
    disk: SimulatedDisk,
    replica: Option<Replica<SimulatedDisk, Nothing>>,
    now: Instant,
    /// Counts disks.
    disks: u64,
    /// Counts starts.
    starts: u64,
}

#[derive(Debug, Clone)]
enum Mail {
    Request { correlation: u64, request: Request },
    Response { correlation: u64, request: Kind, response: Response, bytes: Bytes },
    Flush,
}

struct World {
    rules: Rules,
    config: Config,
    seed: u64,
    nodes: BTreeMap<Member, Node>,
    /// By id: from, to, what.
    mail: BTreeMap<u64, (Member, Member, Mail)>,
    /// Who waits for the answer to a request, by token.
    callers: BTreeMap<u64, (Member, u64, Kind)>,
    /// Requests, by token, of whom has ended since: the answer reaches nobody.
    gone: BTreeSet<u64>,
    /// The token of the probe that is being asked, and its answer.
    probe: Option<u64>,
    probed: Option<(Response, Bytes)>,
    last: u64,
}

fn id_of(member: Member) -> NodeId {
    NodeId(member.0.into())
}

fn member_of(id: NodeId) -> Result<Member, Fault> {
    u8::try_from(id.0).map(Member).map_err(|_| Fault::Broken(format!("a node with the id {}", id.0)))
}

fn broken(error: impl std::fmt::Display) -> Fault {
    Fault::Broken(error.to_string())
}

impl World {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn node(&mut self, member: Member) -> Result<&mut Node, Fault> {
        self.nodes.get_mut(&member).ok_or_else(|| Fault::Broken(format!("there is no {member}")))
    }

    fn config_of(&self, member: Member) -> Config {
        Config { id: id_of(member), ..self.config.clone() }
    }

    fn format(&mut self, member: Member) -> Result<Uuid, Fault> {
        let config = self.config_of(member);
        let disk = self.node(member)?.disk.clone();
        Replica::<_, Nothing>::format(&config, &disk).map_err(broken)
    }

    fn open(&mut self, member: Member) -> Result<(), Fault> {
        let (config, rules) = (self.config_of(member), self.rules);
        let seed = self.seed;
        let node = self.node(member)?;
        node.starts += 1;
        let dice = seed ^ u64::from(member.0) << 8 ^ node.starts << 16;
        node.replica = Some(open(rules, config, node.disk.clone(), dice, node.now).map_err(broken)?);
        self.carry_out(member)
    }

    fn replica(&mut self, member: Member) -> Result<(&mut Replica<SimulatedDisk, Nothing>, Instant), Fault> {
        let node = self.node(member)?;
        let now = node.now;
        node.replica.as_mut().map(|replica| (replica, now)).ok_or_else(|| broken(format!("{member} is down")))
    }

    fn handle(&mut self, member: Member, input: Input) -> Result<(), Fault> {
        let (replica, now) = self.replica(member)?;
        replica.handle(now, input);
        self.carry_out(member)
    }

    fn carry_out(&mut self, member: Member) -> Result<(), Fault> {
        loop {
            let (replica, _) = self.replica(member)?;
            let Some(output) = replica.poll() else { return Ok(()) };
            match output {
                Output::Send { to, correlation, request } => {
                    let id = self.next();
                    self.mail.insert(id, (member, member_of(to)?, Mail::Request { correlation, request }));
                }
                Output::Reply { token, response, bytes } => {
                    if self.gone.remove(&token) {
                        continue;
                    }
                    if self.probe == Some(token) {
                        self.probed = Some((response, bytes));
                        continue;
                    }
                    let caller = self.callers.remove(&token);
                    let (to, correlation, request) = caller.ok_or_else(|| broken("an answer to nobody"))?;
                    let id = self.next();
                    let mail = Mail::Response { correlation, request, response, bytes };
                    self.mail.insert(id, (member, to, mail));
                }
                Output::Flush => {
                    let is_flush = |(from, _, mail): &(Member, Member, Mail)| {
                        *from == member && matches!(mail, Mail::Flush)
                    };
                    if !self.mail.values().any(is_flush) {
                        let id = self.next();
                        self.mail.insert(id, (member, member, Mail::Flush));
                    }
                }
                Output::Proposed { .. } | Output::Readable { .. } | Output::Report(_) => {}
                Output::Stopped(why) => return Err(Fault::Broken(format!("{member} stopped: {why}"))),
            }
        }
    }

    fn arrive(&mut self, from: Member, to: Member, mail: Mail) -> Result<(), Fault> {
        match mail {
            Mail::Request { correlation, request } => {
                let token = self.next();
                self.callers.insert(token, (from, correlation, kind_of(&request)));
                self.handle(to, Input::Request { token, request })
            }
            Mail::Response { correlation, response, bytes, .. } => {
                self.handle(to, Input::Response { correlation, response, bytes })
            }
            Mail::Flush => {
                let (replica, now) = self.replica(to)?;
                replica.flush(now);
                self.carry_out(to)
            }
        }
    }

    fn end(&mut self, member: Member, loss: Loss) -> Result<(), Fault> {
        let gone = &mut self.gone;
        self.callers.retain(|token, (caller, ..)| {
            let stays = *caller != member;
            if !stays {
                gone.insert(*token);
            }
            stays
        });
        let node = self.node(member)?;
        node.replica = None;
        node.disk.crash(loss);
        Ok(())
    }
}

/// Opens a replica under these rules.
#[cfg(feature = "flaws")]
fn open(
    rules: Rules,
    config: Config,
    disk: SimulatedDisk,
    seed: u64,
    now: Instant,
) -> Result<Replica<SimulatedDisk, Nothing>, highwater_quorum::OpenError> {
    Replica::open_flawed(rules, config, disk, Nothing, seed, now)
}

/// Opens a replica. There are no other rules than the protocol's.
#[cfg(not(feature = "flaws"))]
fn open(
    _rules: Rules,
    config: Config,
    disk: SimulatedDisk,
    seed: u64,
    now: Instant,
) -> Result<Replica<SimulatedDisk, Nothing>, highwater_quorum::OpenError> {
    Replica::open(config, disk, Nothing, seed, now)
}

fn kind_of(request: &Request) -> Kind {
    match request {
        Request::Vote(_) => Kind::Vote,
        Request::BeginQuorumEpoch(_) => Kind::Announcement,
        Request::EndQuorumEpoch(_) => Kind::Resignation,
        Request::Fetch(_) => Kind::Position,
        Request::FetchSnapshot(_) => Kind::Other,
    }
}

fn kind_of_answer(request: Kind) -> Kind {
    match request {
        Kind::Vote => Kind::VoteAnswer,
        Kind::Announcement => Kind::AnnouncementAnswer,
        Kind::Resignation => Kind::ResignationAnswer,
        Kind::Position => Kind::Records,
        other => other,
    }
}

impl System for World {
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

    fn probes(&mut self) -> Option<&mut dyn Probes> {
        Some(self)
    }

    fn forgeries(&mut self) -> Option<&mut dyn Forgeries> {
        Some(self)
    }
}

impl Lifecycle for World {
    fn kill(&mut self, node: Member) -> Result<(), Fault> {
        self.end(node, Loss::Nothing)
    }

    fn crash(&mut self, node: Member) -> Result<(), Fault> {
        self.end(node, Loss::Everything)
    }

    fn start(&mut self, node: Member) -> Result<(), Fault> {
        self.open(node)
    }

    fn wipe(&mut self, node: Member) -> Result<(), Fault> {
        self.end(node, Loss::Everything)?;
        let seed = self.seed;
        let at = self.node(node)?;
        at.disks += 1;
        at.disk = SimulatedDisk::new(seed ^ u64::from(node.0) ^ at.disks << 8);
        self.format(node)?;
        self.open(node)
    }
}

impl Timers for World {
    fn expire(&mut self, node: Member) -> Result<(), Fault> {
        let at = self.node(node)?;
        let replica = at.replica.as_mut().ok_or_else(|| broken(format!("{node} is down")))?;
        let timers = [Timer::Election, Timer::Fetch, Timer::CheckQuorum];
        let due = timers.into_iter().find_map(|timer| replica.quorum().deadline_of(timer));
        // An observer that knows no leader waits for none.
        let Some(due) = due else { return Ok(()) };
        at.now = due.max(at.now);
        replica.elapse(at.now);
        self.carry_out(node)
    }

    fn beat(&mut self, node: Member) -> Result<(), Fault> {
        let at = self.node(node)?;
        let replica = at.replica.as_mut().ok_or_else(|| broken(format!("{node} is down")))?;
        let elections = [Timer::Election, Timer::Fetch, Timer::CheckQuorum];
        let election = elections.into_iter().find_map(|timer| replica.quorum().deadline_of(timer));
        // A leader announces itself to the silent; others do what is due next. Either unless an election is due before.
        let due = replica.quorum().deadline_of(Timer::Beat).or_else(|| replica.deadline());
        let due = due.filter(|due| election.is_none_or(|election| *due < election));
        if let Some(due) = due {
            at.now = due.max(at.now);
            replica.elapse(at.now);
        }
        self.carry_out(node)
    }
}

impl Messages for World {
    fn pending(&mut self) -> Result<Vec<Envelope>, Fault> {
        let envelope = |(id, (from, to, mail)): (&u64, &(Member, Member, Mail))| {
            let (kind, text) = match mail {
                Mail::Request { request, .. } => (kind_of(request), told(request)),
                Mail::Response { request, response, .. } => {
                    let (epoch, _) = response.epoch_and_leader();
                    (kind_of_answer(*request), format!("epoch {epoch}"))
                }
                Mail::Flush => (Kind::Flush, String::new()),
            };
            Envelope { id: *id, kind, from: *from, to: *to, text }
        };
        Ok(self.mail.iter().map(envelope).collect())
    }

    fn deliver(&mut self, id: u64) -> Result<(), Fault> {
        let (from, to, mail) =
            self.mail.remove(&id).ok_or_else(|| broken(format!("there is no message {id}")))?;
        self.arrive(from, to, mail)
    }

    fn lose(&mut self, id: u64) -> Result<(), Fault> {
        self.mail.remove(&id).map(drop).ok_or_else(|| broken(format!("there is no message {id}")))
    }

    fn duplicate(&mut self, id: u64) -> Result<(), Fault> {
        let (from, to, mail) =
            self.mail.get(&id).cloned().ok_or_else(|| broken(format!("there is no message {id}")))?;
        self.arrive(from, to, mail)
    }
}

impl Probes for World {
    fn ask(&mut self, node: Member, question: &Question) -> Result<Answer, Fault> {
        let key = |world: &Self, member: Option<Member>| {
            let id = id_of(member.unwrap_or(node));
            let known = world.config.voters.iter().find(|voter| voter.id == id).copied();
            known.ok_or_else(|| broken(format!("there is no voter {}", id.0)))
        };
        let request = match question {
            Question::Vote { from, epoch, last_epoch, end, pre } => {
                let (candidate, voter) = (key(self, *from)?, key(self, None)?);
                quorum_vote(candidate, voter, (*epoch, *last_epoch, *end), *pre)?
            }
            Question::QuorumFetch { reader, epoch, offset, last_epoch } => {
                quorum_fetch(key(self, *reader)?, (*epoch, *last_epoch, *offset))?
            }
            other => return Err(Fault::Unsupported(format!("{other}: a quorum has no topics"))),
        };
        let token = self.next();
        self.probe = Some(token);
        self.handle(node, Input::Request { token, request })?;
        self.probe = None;
        let answer = self.probed.take();
        let (response, bytes) = answer.ok_or_else(|| broken(format!("{node} does not answer at once")))?;
        quorum_answer(&response, &bytes)
    }

    fn landmark(
        &mut self,
        node: Member,
        _topic: Option<&str>,
        landmark: &Landmark,
    ) -> Result<Option<i64>, Fault> {
        let replica = self.node(node)?.replica.as_ref();
        let Some(status) = replica.map(Replica::status) else { return Ok(None) };
        Ok(match landmark {
            Landmark::Epoch => Some(status.epoch.into()),
            Landmark::Start => Some(status.log_start),
            Landmark::End => Some(status.log_end),
            Landmark::EpochOf(value) | Landmark::OffsetOf(value) => {
                let is_offset = matches!(landmark, Landmark::OffsetOf(_));
                let view = self.view(node)?;
                view.and_then(|view| {
                    let at = view.log.iter().position(|entry| entry.value.as_ref() == Some(value))?;
                    let number = if is_offset { view.log_start + at as u64 } else { view.log[at].epoch };
                    i64::try_from(number).ok()
                })
            }
            Landmark::PartitionEpoch | Landmark::BrokerEpoch(_) => None,
        })
    }
}

impl Forgeries for World {
    fn forge(&mut self, fetch: u64, records: &[(Value, u64)]) -> Result<(), Fault> {
        let (follower, leader, mail) =
            self.mail.remove(&fetch).ok_or_else(|| broken(format!("there is no message {fetch}")))?;
        let Mail::Request { correlation, request: Request::Fetch(asked) } = mail else {
            return Err(broken(format!("message {fetch} is no fetch")));
        };
        let (response, bytes) = forged_answer(&asked, id_of(leader), records)?;
        self.handle(follower, Input::Response { correlation, response, bytes })
    }
}

/// A request in a few words.
fn told(request: &Request) -> String {
    match request {
        Request::Vote(vote) => {
            let name = if vote.pre_vote { "pre-vote, epoch" } else { "epoch" };
            format!("{name} {}, log end {}@{}", vote.epoch, vote.last_offset, vote.last_epoch)
        }
        Request::BeginQuorumEpoch(begin) => format!("epoch {}", begin.epoch),
        Request::EndQuorumEpoch(end) => format!("epoch {}", end.epoch),
        Request::Fetch(fetch) => {
            format!("epoch {}, from {}@{}", fetch.epoch, fetch.offset, fetch.last_epoch)
        }
        Request::FetchSnapshot(fetch) => format!("snapshot {}@{}", fetch.snapshot.end, fetch.snapshot.epoch),
    }
}

impl Quorum for World {
    fn append(&mut self, node: Member, value: &Value) -> Result<(), Fault> {
        let (replica, _) = self.replica(node)?;
        let status = replica.status();
        if !status.serves {
            let why = match status.role {
                RoleName::Leader => {
                    "it leads, but the record that begins its epoch is not committed yet".to_owned()
                }
                role => format!("it does not lead, it is {role:?}"),
            };
            return Err(Fault::Refused(why));
        }
        let token = self.next();
        self.handle(node, Input::Propose { token, record: Bytes::from(value.clone()) })
    }

    fn resign(&mut self, node: Member) -> Result<(), Fault> {
        self.handle(node, Input::Resign)
    }

    fn view(&mut self, node: Member) -> Result<Option<NodeView>, Fault> {
        let Some(replica) = self.node(node)?.replica.as_ref() else { return Ok(None) };
        let status = replica.status();
        let bytes = replica.log().read(status.log_start, status.log_end, usize::MAX).map_err(broken)?;
        let mut log = Vec::new();
        for batch in batches(&bytes) {
            let batch = batch.map_err(broken)?;
            let epoch = number(batch.header().leader_epoch)?;
            for record in batch.records().map_err(broken)? {
                let record = record.map_err(broken)?;
                let value = (!batch.header().is_control())
                    .then(|| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
                log.push(Entry { epoch, value });
            }
        }
        let voted = replica.quorum().election().voted;
        Ok(Some(NodeView {
            role: match status.role {
                RoleName::Leader => Role::Leader,
                RoleName::Follower => Role::Follower,
                RoleName::Candidate | RoleName::Prospective => Role::Candidate,
                RoleName::Unattached | RoleName::Voted | RoleName::Resigned => Role::Unattached,
                RoleName::Observer => Role::Observer,
            },
            epoch: number(status.epoch)?,
            leader: status.leader.map(member_of).transpose()?,
            voted: voted.map(|candidate| member_of(candidate.id)).transpose()?,
            log_start: number(status.log_start)?,
            log,
            committed: number(replica.quorum().high_watermark().unwrap_or(0))?,
        }))
    }

    fn progress(&mut self, node: Member) -> Result<Option<Progress>, Fault> {
        let Some(replica) = self.node(node)?.replica.as_ref() else { return Ok(None) };
        let status = replica.status();
        Ok(Some(Progress {
            snapshot: number(replica.quorum().snapshot().map_or(0, |snapshot| snapshot.end))?,
            applied: number(status.applied)?,
            committed: number(status.committed)?,
        }))
    }
}

fn number(found: impl TryInto<u64> + std::fmt::Display + Copy) -> Result<u64, Fault> {
    found.try_into().map_err(|_| broken(format!("a negative number, {found}")))
}
