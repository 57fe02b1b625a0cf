//! Several cores, their disks and a network, in memory: the driver that the tests share.
//!
//! Nothing happens by itself but what a core's effects demand: messages wait in the network until they are delivered or dropped,
//! and timers run out when they are told to. After each step the claims of `specs/kraft.md` are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use highwater_core::quorum::{
    Config, Effect, ElectionState, FetchResponse, FetchSnapshotResponse, Input, OpenError, Quorum,
    ReplicaKey, Request, Response, RoleName, Rules, SnapshotId, Timer,
};
use highwater_core::{
    Dice, Epoch, EpochCache, EpochStart, Extent, Instant, LogView, NO_EPOCH, NodeId, Offset, Token, Uuid,
};

use crate::show;

/// A record, which is as long as its value: no two are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: Epoch,
    pub(crate) value: String,
}

/// What outlives a crash, but for records beyond `flushed`.
#[derive(Debug, Clone, Default)]
struct Disk {
    saved: ElectionState,
    /// All records from offset 0 on, also those that the log has forgotten.
    records: Vec<Record>,
    start: Offset,
    flushed: Offset,
    snapshot: Option<(SnapshotId, Vec<Record>)>,
}

/// A node: its core while it is up, and its disk.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) config: Config,
    pub(crate) quorum: Option<Quorum>,
    disk: Disk,
    /// What of a snapshot was fetched so far.
    fetched: Vec<Record>,
    /// Whether flushes are done only when told to.
    pub(crate) slow_disk: bool,
    flush: Option<Offset>,
    /// Who waits for which answer.
    asked: BTreeMap<Token, (NodeId, Request)>,
}

/// A message in flight.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Request(Request),
    Response { request: Request, response: Response, records: Vec<Record> },
}

/// What went wrong: which claim, and how.
pub(crate) type Violation = String;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) rules: Rules,
    pub(crate) members: BTreeMap<NodeId, Member>,
    pub(crate) network: Vec<Envelope>,
    pub(crate) isolated: BTreeSet<NodeId>,
    /// How many records an answer to a fetch may carry.
    pub(crate) batch: usize,
    /// What happened, for transcripts; nothing is written if it is none.
    pub(crate) story: Option<String>,
    /// Who was seen to lead which epoch.
    leaders: BTreeMap<Epoch, NodeId>,
    /// What was ever committed.
    pub(crate) committed: Vec<Record>,
    seen: BTreeMap<NodeId, Offset>,
    tokens: Token,
    values: u32,
}

impl World {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            now: Instant(0),
            rules,
            members: BTreeMap::new(),
            network: Vec::new(),
            isolated: BTreeSet::new(),
            batch: usize::MAX,
            story: None,
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            seen: BTreeMap::new(),
            tokens: 0,
            values: 0,
        }
    }

    /// Adds a node with a blank disk, and starts it.
    pub(crate) fn add(&mut self, config: Config) {
        let id = config.me.id;
        let member = Member {
            config,
            quorum: None,
            disk: Disk::default(),
            fetched: Vec::new(),
            slow_disk: false,
            flush: None,
            asked: BTreeMap::new(),
        };
        self.members.insert(id, member);
        self.start(id).expect("a blank disk is in order");
    }

    pub(crate) fn core(&self, id: NodeId) -> Option<&Quorum> {
        self.members.get(&id)?.quorum.as_ref()
    }

    pub(crate) fn start(&mut self, id: NodeId) -> Result<(), OpenError> {
        let (now, rules) = (self.now, self.rules);
        let member = self.members.get_mut(&id).expect("a member");
        let seed = u64::from(id.0.unsigned_abs());
        let snapshot = member.disk.snapshot.as_ref().map(|(snapshot, _)| *snapshot);
        let log = member.disk.view();
        let quorum = Quorum::open(
            member.config.clone(),
            rules,
            member.disk.saved,
            log,
            snapshot,
            Dice::new(seed),
            now,
        )?;
        self.tell(format!("{id} starts as {}", show::role(&quorum)));
        self.member(id).quorum = Some(quorum);
        self.carry_out(id, None);
        Ok(())
    }

    /// Stops a node. What it had not flushed is gone.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let member = self.members.get_mut(&id).expect("a member");
        let kept = usize::try_from(member.disk.flushed).expect("an offset");
        let lost = member.disk.records.split_off(kept);
        member.quorum = None;
        member.asked.clear();
        member.fetched.clear();
        member.flush = None;
        self.seen.remove(&id);
        if lost.is_empty() {
            self.tell(format!("{id} stops"));
        } else {
            self.tell(format!("{id} stops, losing {}", show::records(&lost, member_end(kept))));
        }
    }

    /// Replaces the disk of a stopped node by a blank one.
    pub(crate) fn wipe(&mut self, id: NodeId) {
        let member = self.member(id);
        member.disk = Disk::default();
        member.config.me.directory.0 += 100;
    }

    pub(crate) fn expire(&mut self, id: NodeId, timer: Timer) {
        let now = self.now;
        self.act(id, None, |quorum| quorum.expire(now, timer));
    }

    pub(crate) fn elapse(&mut self, id: NodeId) {
        let now = self.now;
        self.act(id, None, |quorum| quorum.elapse(now));
    }

    pub(crate) fn input(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        self.act(id, None, |quorum| quorum.handle(now, input));
    }

    /// Does the flush that a node with a slow disk waits for.
    pub(crate) fn flush(&mut self, id: NodeId) {
        let member = self.member(id);
        if member.flush.take().is_some() {
            member.disk.flushed = member.disk.end();
            let through = member.disk.flushed;
            self.input(id, Input::Flushed { through });
        }
    }

    /// Appends a record at a leader. Whether it leads.
    pub(crate) fn append(&mut self, id: NodeId, value: Option<&str>) -> bool {
        self.values += 1;
        let value = value.map_or_else(|| format!("v{}", self.values), str::to_owned);
        let now = self.now;
        let Some(quorum) = self.member(id).quorum.as_mut() else { return false };
        let epoch = quorum.epoch();
        let Ok(extent) = quorum.append(now, epoch, 1) else { return false };
        let record = Record { epoch, value };
        self.tell(format!("{id} appends {}", show::records(std::slice::from_ref(&record), extent.base)));
        self.member(id).disk.records.push(record);
        self.carry_out(id, None);
        true
    }

    /// The state machine of a node takes a snapshot.
    pub(crate) fn take_snapshot(&mut self, id: NodeId, end: Offset) {
        let member = self.member(id);
        let records = member.disk.records[..usize::try_from(end).expect("an offset")].to_vec();
        let epoch = records.last().expect("a record").epoch;
        let snapshot = SnapshotId { end, epoch };
        member.disk.snapshot = Some((snapshot, records));
        self.input(id, Input::Snapshot(snapshot));
    }

    pub(crate) fn forget_before(&mut self, id: NodeId, start: Offset) {
        let member = self.member(id);
        if let Some(quorum) = &mut member.quorum {
            member.disk.start = quorum.forget_before(start);
            member.disk.flushed = quorum.log().flushed();
        }
        let start = member.disk.start;
        self.tell(format!("{id} log starts at {start}"));
    }

    /// Delivers a message of the network, by its place in it.
    pub(crate) fn deliver(&mut self, index: usize) {
        let envelope = self.network.remove(index);
        self.hand_over(envelope);
    }

    /// Delivers a message that stays in flight.
    pub(crate) fn duplicate(&mut self, index: usize) {
        let envelope = self.network[index].clone();
        self.hand_over(envelope);
    }

    /// Loses a message of the network. Its sender learns that, if it is a request.
    pub(crate) fn lose(&mut self, index: usize, tell_sender: bool) {
        let envelope = self.network.remove(index);
        self.tell(show::envelope(&envelope, "-x"));
        if let (true, Body::Request(request)) = (tell_sender, envelope.body) {
            self.input(envelope.from, Input::Failed { to: envelope.to, request });
        }
    }

    fn hand_over(&mut self, envelope: Envelope) {
        let Envelope { from, to, body } = &envelope;
        let (from, to) = (*from, *to);
        let cut_off = self.isolated.contains(&from) || self.isolated.contains(&to);
        if cut_off || self.members.get(&to).is_none_or(|member| member.quorum.is_none()) {
            self.tell(show::envelope(&envelope, "-x"));
            return;
        }
        self.tell(show::envelope(&envelope, "->"));
        match body.clone() {
            Body::Request(request) => {
                self.tokens += 1;
                let token = self.tokens;
                self.member(to).asked.insert(token, (from, request.clone()));
                self.input(to, Input::Request { token, request });
            }
            Body::Response { request, response, records } => {
                let now = self.now;
                self.act(to, Some(&records), |quorum| {
                    quorum.handle(now, Input::Response { from, request, response });
                });
            }
        }
    }

    /// Lets a core do something, and carries out what it wants.
    fn act(&mut self, id: NodeId, came: Option<&[Record]>, action: impl FnOnce(&mut Quorum)) {
        let Some(quorum) = self.member(id).quorum.as_mut() else { return };
        let before = show::role(quorum);
        action(quorum);
        let after = show::role(quorum);
        if before != after {
            self.tell(format!("  {id} is {after}"));
        }
        self.carry_out(id, came);
    }

    fn carry_out(&mut self, id: NodeId, came: Option<&[Record]>) {
        while let Some(effect) = self.member(id).quorum.as_mut().and_then(Quorum::poll) {
            self.carry_out_one(id, came, effect);
        }
        let member = self.member(id);
        if !member.slow_disk && member.flush.is_some() {
            self.flush(id);
        }
    }

    fn carry_out_one(&mut self, id: NodeId, came: Option<&[Record]>, effect: Effect) {
        if let Some(told) = show::effect(&effect) {
            self.tell(format!("  {id} {told}"));
        }
        let came = || came.expect("an answer is being handled");
        let member = self.members.get_mut(&id).expect("a member");
        match effect {
            Effect::SaveElection(saved) => member.disk.saved = saved,
            Effect::Truncate { end } => {
                member.disk.records.truncate(usize::try_from(end).expect("an offset"));
                member.disk.flushed = member.disk.flushed.min(end);
                member.flush = None;
            }
            Effect::AppendLeaderChange { extent, leader, .. } => {
                assert_eq!(extent.base, member.disk.end(), "{id} appends at the end of its log");
                let value = format!("leader={leader}");
                member.disk.records.push(Record { epoch: extent.epoch, value });
            }
            Effect::AppendFetched { end } => {
                let records = came().to_vec();
                self.tell(format!(
                    "  {id} appends {}",
                    show::records(&records, self.members[&id].disk.end())
                ));
                let member = self.member(id);
                member.disk.records.extend(records);
                assert_eq!(end, member.disk.end(), "{id} appends all that came");
            }
            Effect::Flush { through } => member.flush = Some(through),
            Effect::WriteSnapshot { snapshot, position, complete } => {
                assert_eq!(position, member.fetched.len() as u64, "{id} writes parts in order");
                member.fetched.extend_from_slice(came());
                if complete {
                    member.disk.snapshot = Some((snapshot, std::mem::take(&mut member.fetched)));
                    self.input(id, Input::Snapshot(snapshot));
                }
            }
            Effect::RestartFromSnapshot(snapshot) => {
                let (known, records) = member.disk.snapshot.clone().expect("a complete snapshot");
                assert_eq!(known, snapshot, "{id} restarts from its snapshot");
                member.disk.records = records;
                (member.disk.start, member.disk.flushed) = (snapshot.end, snapshot.end);
                member.fetched.clear();
            }
            Effect::Send { to, request } => {
                if let Request::FetchSnapshot(part) = &request
                    && part.position == 0
                {
                    member.fetched.clear();
                }
                self.network.push(Envelope { from: id, to, body: Body::Request(request) });
            }
            Effect::Reply { token, response } => {
                let (to, request) = member.asked.remove(&token).expect("a request is answered once");
                let (response, records) = member.disk.attach(response, self.batch);
                let body = Body::Response { request, response, records };
                self.network.push(Envelope { from: id, to, body });
            }
            Effect::Committed { .. } | Effect::Lead { .. } | Effect::Unlead { .. } => {}
        }
    }

    pub(crate) fn member(&mut self, id: NodeId) -> &mut Member {
        self.members.get_mut(&id).expect("a member")
    }

    fn tell(&mut self, line: String) {
        if let Some(story) = &mut self.story {
            writeln!(story, "{line}").expect("a string takes all");
        }
    }
}

/// What can be seen.
impl World {
    /// A line for each node.
    pub(crate) fn status(&self) -> String {
        let mut status = String::new();
        for (id, member) in &self.members {
            let disk = &member.disk;
            let start = usize::try_from(disk.start).expect("an offset");
            let log = show::records(&disk.records[start..], disk.start);
            match &member.quorum {
                Some(quorum) => {
                    let high_watermark = quorum.high_watermark().unwrap_or(0);
                    writeln!(status, "{id} {}, hw={high_watermark} {log}", show::role(quorum))
                }
                None => writeln!(status, "{id} is down {log}"),
            }
            .expect("a string takes all");
        }
        status
    }
}

/// The claims.
impl World {
    /// Checks every claim; to be called after each step.
    pub(crate) fn check(&mut self) -> Result<(), Violation> {
        let up: Vec<NodeId> =
            self.members.iter().filter(|(_, member)| member.quorum.is_some()).map(|(id, _)| *id).collect();
        for &id in &up {
            self.check_node(id)?;
        }
        for (index, &left) in up.iter().enumerate() {
            for &right in &up[index + 1..] {
                self.check_log_matching(left, right)?;
            }
        }
        self.check_committed_durable()
    }

    fn check_node(&mut self, id: NodeId) -> Result<(), Violation> {
        let member = &self.members[&id];
        let quorum = member.quorum.as_ref().expect("it is up");
        let disk = &member.disk;
        if *quorum.log() != disk.view_unflushed(quorum.log().flushed()) {
            return Err(format!("log-view: {id} has {:?} where the log is {:?}", quorum.log(), disk.view()));
        }
        if quorum.log().flushed() > disk.flushed {
            return Err(format!("log-view: {id} believes more to be flushed than is"));
        }
        if quorum.log().last_epoch() > quorum.epoch() {
            return Err(format!("epoch: {id} has records of a later epoch than its own"));
        }
        if self.rules == Rules::default() && quorum.election() != disk.saved {
            return Err(format!("durable: {id} is {:?}, saved is {:?}", quorum.election(), disk.saved));
        }
        if quorum.role() == RoleName::Leader {
            let known = *self.leaders.entry(quorum.epoch()).or_insert(id);
            if known != id {
                return Err(format!("election-safety: {known} and {id} lead epoch {}", quorum.epoch()));
            }
            if !quorum.is_voter() {
                return Err(format!("leader-is-voter: {id} leads"));
            }
        }
        let high_watermark = quorum.high_watermark().unwrap_or(0);
        let seen = self.seen.insert(id, high_watermark).unwrap_or(0);
        if high_watermark < seen {
            return Err(format!("high-watermark-monotone: {id} from {seen} to {high_watermark}"));
        }
        let passed = usize::try_from(high_watermark).expect("an offset");
        if passed > disk.records.len() {
            return Err(format!("state-machine-safety: {id} has lost what it held for committed"));
        }
        let shared = passed.min(self.committed.len());
        if disk.records[..shared] != self.committed[..shared] {
            return Err(format!("state-machine-safety: {id} holds something else for committed"));
        }
        if passed > self.committed.len() {
            self.committed = disk.records[..passed].to_vec();
        }
        if quorum.role() == RoleName::Leader && !disk.records.starts_with(&self.committed) {
            let newest = self.leaders.keys().max() == Some(&quorum.epoch());
            if newest {
                return Err(format!("leader-completeness: {id} leads without what was committed"));
            }
        }
        Ok(())
    }

    fn check_log_matching(&self, left: NodeId, right: NodeId) -> Result<(), Violation> {
        let (left_log, right_log) = (&self.members[&left].disk.records, &self.members[&right].disk.records);
        let same = left_log.iter().zip(right_log).rposition(|(left, right)| left.epoch == right.epoch);
        match same {
            Some(last) if left_log[..=last] != right_log[..=last] => {
                Err(format!("log-matching: {left} and {right} differ below {last}"))
            }
            _ => Ok(()),
        }
    }

    fn check_committed_durable(&self) -> Result<(), Violation> {
        let voters = self.members.values().next().map_or(0, |member| member.config.voters.len());
        let (mut intact, mut holders) = (0, 0);
        for member in self.members.values().filter(|member| member.config.voters.contains(&member.config.me))
        {
            let durable = &member.disk.records[..usize::try_from(member.disk.flushed).expect("an offset")];
            intact += 1;
            holders += usize::from(durable.starts_with(&self.committed));
        }
        // A disk that is lost takes its copy along.
        if intact < voters || self.committed.is_empty() || holders * 2 > voters {
            return Ok(());
        }
        Err(format!("committed-durable: fewer than a majority hold all {} records", self.committed.len()))
    }
}

impl Disk {
    fn end(&self) -> Offset {
        member_end(self.records.len())
    }

    fn view(&self) -> LogView {
        let start = usize::try_from(self.start).expect("an offset");
        let base_epoch = if start == 0 { NO_EPOCH } else { self.records[start - 1].epoch };
        let mut starts: Vec<EpochStart> = Vec::new();
        for (offset, record) in self.records.iter().enumerate().skip(start) {
            if starts.last().is_none_or(|last| last.epoch < record.epoch) {
                starts.push(EpochStart { epoch: record.epoch, start: member_end(offset) });
            }
        }
        let epochs = EpochCache::from_starts(starts).expect("epochs grow");
        LogView::recovered(self.start, self.end(), base_epoch, epochs).expect("a log in order")
    }

    /// The same, flushed only so far.
    fn view_unflushed(&self, flushed: Offset) -> LogView {
        let whole = self.view();
        if flushed >= whole.end() {
            return whole;
        }
        let mut view = LogView::empty_from(whole.start(), whole.base_epoch());
        for extent in whole.extents(whole.start(), whole.end()) {
            view.append(extent).expect("in order");
        }
        view.flush_to(flushed);
        view
    }

    /// Reads what an answer carries.
    fn attach(&self, response: Response, batch: usize) -> (Response, Vec<Record>) {
        match response {
            Response::Fetch(response) => {
                let mut records = Vec::new();
                let mut extents = Vec::new();
                for extent in &response.records {
                    let end = extent.end.min(extent.base + member_end(batch.min(1 << 30) - records.len()));
                    if end > extent.base {
                        extents.push(Extent { end, ..*extent });
                        records.extend_from_slice(&self.records[extent.base as usize..end as usize]);
                    }
                }
                (Response::Fetch(FetchResponse { records: extents, ..response }), records)
            }
            Response::FetchSnapshot(response) if response.error.is_none() => {
                let (_, whole) = self.snapshot.as_ref().expect("the snapshot that is served");
                let rest = &whole[response.position as usize..];
                let part = &rest[..rest.len().min(2)];
                let (size, length) = (whole.len() as u64, part.len() as u64);
                (Response::FetchSnapshot(FetchSnapshotResponse { size, length, ..response }), part.to_vec())
            }
            response => (response, Vec::new()),
        }
    }
}

fn member_end(length: usize) -> Offset {
    Offset::try_from(length).expect("a short log")
}

/// `count` voters, n1 and on, and so many observers after them.
pub(crate) fn cluster(rules: Rules, voters: i32, observers: i32, configure: impl Fn(&mut Config)) -> World {
    let mut world = World::new(rules);
    let key = |id: i32| ReplicaKey { id: NodeId(id), directory: Uuid(id.unsigned_abs().into()) };
    let set: Vec<ReplicaKey> = (1..=voters).map(key).collect();
    for id in 1..=voters + observers {
        let mut config = Config::timeless(key(id), set.clone());
        configure(&mut config);
        world.add(config);
    }
    world
}
