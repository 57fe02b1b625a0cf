//! One voter: the core as it ships, its disk, and a driver that carries out what the core wants.

use highwater_core::quorum::{
    Config, Effect, ElectionState, FetchResponse, Input, Quorum, ReplicaKey, Request, Response, Rules, Timer,
};
use highwater_core::{Dice, Epoch, EpochCache, EpochStart, Extent, Instant, LogView, NO_EPOCH, NodeId, Uuid};
use highwater_model::kraft::state::{Log, record, record_epoch};

use super::message::{Body, Message};

/// The only moment there is: timers run out when the search says so.
const NOW: Instant = Instant(0);

/// A voter.
///
/// - `log`, as far as `flushed`, and `election` are on disk; all else goes with the process.
/// - `core.log()` has the shape of `log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Voter {
    /// The index of the voter: a core's hash leaves out who it is.
    pub(crate) index: u8,
    pub(crate) core: Quorum,
    pub(crate) election: ElectionState,
    pub(crate) log: Log,
    /// Records below survive a crash.
    pub(crate) flushed: u8,
    /// A flush is under way, and when it is done, records below survive a crash.
    pub(crate) flushing: Option<u8>,
    /// A fetch that the core wants sent, and that has not left yet: whom it goes to, and what it says.
    pub(crate) waiting: Option<(u8, Request)>,
    /// The directory that holds the log; another one once the disk was lost.
    pub(crate) directory: u8,
}

/// What can happen to a voter, apart from messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A timer runs out.
    Expire(Timer),
    /// The flush under way is done.
    Flushed,
    /// The fetch that waits is sent.
    Transmit,
    /// A client's record of this value arrives.
    Append(u8),
    /// The node is to stop leading.
    Resign,
    /// It stops and starts again, with this many records.
    Restart {
        /// How many: at least those that are flushed.
        kept: u8,
        /// Whether that is not all.
        lost: bool,
    },
    /// It comes back with a blank disk.
    Wipe,
}

/// What every voter of a search has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) voters: u8,
    pub(crate) pre_vote: bool,
    /// Whether the driver is thrifty: see [`Bounds::thrift`](super::Bounds::thrift).
    pub(crate) thrift: bool,
    /// Whether a flush is done at once.
    pub(crate) flushes_at_once: bool,
    pub(crate) rules: Rules,
}

impl Event {
    /// A small number of its own, above 0.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Flushed => 1,
            Self::Resign => 2,
            Self::Wipe => 5,
            Self::Transmit => 6,
            Self::Expire(timer) => 16 + timer as u64,
            Self::Append(value) => 32 + u64::from(value),
            Self::Restart { kept, .. } => 64 + u64::from(kept),
        }
    }
}

/// The node id of the voter with this index.
pub(crate) fn id_of(index: u8) -> NodeId {
    NodeId(i32::from(index) + 1)
}

/// The index of the voter with this node id.
pub(crate) fn index_of(id: NodeId) -> u8 {
    u8::try_from(id.0 - 1).expect("ids are those of a few voters")
}

/// The key of a voter on its first directory, its second, …
pub(crate) fn key_of(index: u8, directory: u8) -> ReplicaKey {
    ReplicaKey { id: id_of(index), directory: Uuid(0x100 + u128::from(index) * 0x10 + u128::from(directory)) }
}

/// The epoch as the model counts it, in which none is 0.
pub(crate) fn small_epoch(epoch: Epoch) -> u8 {
    u8::try_from(epoch.max(0)).expect("epochs are bounded")
}

/// An offset as the model counts it.
pub(crate) fn small(offset: i64) -> u8 {
    u8::try_from(offset).expect("logs are bounded, and no offset is negative")
}

impl Group {
    /// A voter that was never started before, and what it says as it starts.
    pub(crate) fn first(&self, index: u8) -> (Voter, Vec<Said>) {
        self.open(index, 0, ElectionState::default(), Log::default())
    }

    /// A voter as it starts over what is on its disk.
    fn open(&self, index: u8, directory: u8, election: ElectionState, log: Log) -> (Voter, Vec<Said>) {
        let voters = (0..self.voters).map(|other| key_of(other, 0)).collect();
        let timeless = Config::timeless(key_of(index, directory), voters);
        let fetch_max_wait_ms = if self.thrift { 0 } else { timeless.fetch_max_wait_ms };
        let config = Config { pre_vote: self.pre_vote, fetch_max_wait_ms, ..timeless };
        let view = shape(log);
        let core = Quorum::open(config, self.rules, election, view, None, Dice::new(0), NOW)
            .expect("what a driver saved can be opened");
        let flushed = log.len();
        let mut voter =
            Voter { index, core, election, log, flushed, flushing: None, waiting: None, directory };
        let said = self.carry_out(&mut voter, Log::default());
        (voter, said)
    }

    /// The voter after `event`, and what it said.
    pub(crate) fn happen(&self, voter: &Voter, event: Event) -> (Voter, Vec<Said>) {
        let mut after = voter.clone();
        match event {
            Event::Expire(timer) => after.core.expire(NOW, timer),
            Event::Transmit => {
                let (to, request) = after.waiting.take().expect("only what waits is sent");
                return (after, vec![Said::Ask { to, request }]);
            }
            Event::Flushed => {
                assert!(after.flush(), "only a flush that was begun is done");
            }
            Event::Append(value) => {
                let epoch = after.core.epoch();
                let Ok(extent) = after.core.append(NOW, epoch, 1) else { return (after, Vec::new()) };
                after.append(extent, record(small_epoch(epoch), value));
            }
            Event::Resign => after.core.handle(NOW, Input::Resign),
            Event::Restart { kept, .. } => {
                return self.open(voter.index, voter.directory, voter.election, voter.log.prefix(kept));
            }
            Event::Wipe => {
                return self.open(voter.index, voter.directory + 1, ElectionState::default(), Log::default());
            }
        }
        let said = self.carry_out(&mut after, Log::default());
        (after, said)
    }

    /// The voter after `message` arrived, whose name is `token`, and what it said.
    pub(crate) fn hear(&self, voter: &Voter, token: u64, message: &Message) -> (Voter, Vec<Said>) {
        let mut after = voter.clone();
        let (input, arrived) = match message.body.clone() {
            Body::Request(request) => (Input::Request { token, request }, Log::default()),
            Body::Answer { request, response, records } => {
                (Input::Response { from: id_of(message.from), request, response }, records)
            }
        };
        after.core.handle(NOW, input);
        let said = self.carry_out(&mut after, arrived);
        (after, said)
    }

    fn carry_out(&self, voter: &mut Voter, arrived: Log) -> Vec<Said> {
        // One that is under way already is done in its own time.
        let at_once = self.flushes_at_once && voter.flushing.is_none();
        let mut said = voter.carry_out(arrived, self.thrift);
        while at_once && voter.flush() {
            said.extend(voter.carry_out(Log::default(), self.thrift));
        }
        // A leader that repeats itself at once has nobody to remember who was silent.
        if self.thrift && voter.core.timers().any(|timer| timer == Timer::Beat) {
            voter.core.expire(NOW, Timer::Beat);
            said.extend(voter.carry_out(Log::default(), true));
        }
        if !voter.core.is_fetching() {
            voter.waiting = None;
        }
        said
    }
}

/// What a voter says.
#[derive(Debug)]
pub(crate) enum Said {
    /// A request.
    Ask {
        /// Whom.
        to: u8,
        /// What.
        request: Request,
    },
    /// The answer to the request of this name.
    Answer {
        /// The name of the message that brought the request.
        token: u64,
        /// What.
        response: Response,
        /// The records that go with it.
        records: Log,
    },
}

impl Voter {
    /// Carries out what the core wants, in order. `arrived` are the records that came with what is being handled. With `waits` a
    /// follower's fetch is not sent yet.
    fn carry_out(&mut self, arrived: Log, waits: bool) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::SaveElection(election) => self.election = election,
                Effect::Truncate { end } => {
                    self.log = self.log.prefix(small(end));
                    self.flushed = self.flushed.min(self.log.len());
                    // What was being flushed of what is cut off is nobody's any more.
                    self.flushing = self.flushing.map(|through| through.min(self.log.len()));
                }
                Effect::AppendLeaderChange { extent, leader, .. } => {
                    assert_eq!(leader, id_of(self.index), "a LeaderChange record names its writer");
                    self.append(extent, record(small_epoch(extent.epoch), 0));
                }
                Effect::AppendFetched { end } => {
                    for record in arrived.records() {
                        self.log = self.log.with(record);
                    }
                    assert_eq!(small(end), self.log.len(), "all that came is appended");
                }
                Effect::Flush { through } => {
                    self.flushing = Some(self.flushing.unwrap_or(0).max(small(through).min(self.log.len())));
                }
                Effect::Send { to, request: request @ Request::Fetch(_) }
                    if waits && self.core.is_fetching() =>
                {
                    self.waiting = Some((index_of(to), request));
                }
                Effect::Send { to, mut request } => {
                    // Their order only says how long each waits, and there is no time.
                    if let Request::EndQuorumEpoch(end) = &mut request {
                        end.successors.sort_unstable();
                    }
                    said.push(Said::Ask { to: index_of(to), request });
                }
                Effect::Reply { token, response } => {
                    let (response, records) = self.fill(response);
                    said.push(Said::Answer { token, response, records });
                }
                Effect::Committed { high_watermark } => {
                    assert!(small(high_watermark) <= self.log.len(), "only what is there is committed");
                }
                Effect::Lead { .. } | Effect::Unlead { .. } => {}
                Effect::WriteSnapshot { .. } | Effect::RestartFromSnapshot(_) => {
                    unreachable!("nobody has a snapshot")
                }
            }
        }
        // Clones compare equal whatever the queue of effects once held.
        debug_assert_eq!(small(self.core.log().end()), self.log.len(), "the core knows the log's end");
        said
    }

    /// Finishes the flush that is under way, if one is.
    fn flush(&mut self) -> bool {
        let Some(through) = self.flushing.take() else { return false };
        self.flushed = self.flushed.max(through);
        self.core.handle(NOW, Input::Flushed { through: through.into() });
        true
    }

    fn append(&mut self, extent: Extent, record: u8) {
        assert_eq!((extent.base, extent.end), (self.log.len().into(), i64::from(self.log.len()) + 1));
        assert_eq!(small_epoch(extent.epoch), record_epoch(record));
        self.log = self.log.with(record);
    }

    /// An answer with the first of the records that it may bring.
    fn fill(&self, response: Response) -> (Response, Log) {
        let Response::Fetch(mut fetched) = response else { return (response, Log::default()) };
        let mut records = Log::default();
        if let Some(first) = fetched.records.first().copied() {
            let offset = small(first.base);
            let found = self.log.get(offset);
            assert_eq!(i32::from(record_epoch(found)), first.epoch, "the core knows the epochs of the log");
            records = records.with(found);
            let sent = Extent { end: first.base + 1, ..first };
            fetched = FetchResponse { records: vec![sent], ..fetched };
        }
        (Response::Fetch(fetched), records)
    }
}

/// What a core is told of a log that was found on disk.
fn shape(log: Log) -> LogView {
    let mut starts: Vec<EpochStart> = Vec::new();
    for (offset, record) in (0..).zip(log.records()) {
        let epoch = Epoch::from(record_epoch(record));
        if starts.last().is_none_or(|last| last.epoch < epoch) {
            starts.push(EpochStart { epoch, start: offset });
        }
    }
    let epochs = EpochCache::from_starts(starts).expect("a log's epochs only grow");
    LogView::recovered(0, log.len().into(), NO_EPOCH, epochs).expect("made of the log itself")
}
