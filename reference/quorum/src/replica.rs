//! A member of a quorum without its network and without a clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{self, BatchBuilder};
use highwater_core::quorum::{self, Quorum, Request, Rules, SnapshotId};
use highwater_core::{Dice, Epoch, Instant, NO_EPOCH, NodeId, Offset, Token, Uuid};
use highwater_log::disk::Disk;
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::quorum_state;
use highwater_log::files::snapshot::{self, SnapshotReader};
use highwater_log::{DataDirectory, Flushed, Flusher, Log, LogConfig, METADATA};

use crate::config::{Config, Fatal, OpenError};
use crate::log::{Left, LogSettings, QuorumLog};
use crate::machine::StateMachine;
use crate::message::{Committed, Input, Output, ProposeError, Status};
use crate::waiting::{Outstanding, Waiter, Waiting};

/// How many bytes of the log are applied at a time.
const APPLY_BYTES: usize = 1 << 20;

/// A batch of proposals holds about so many bytes at most.
const BATCH_BYTES: usize = 1 << 20;

/// A record of a snapshot holds so many bytes of the state.
const SNAPSHOT_RECORD: usize = 32 << 10;

/// A member of a quorum: the quorum core, its log on a disk, and the state machine that the log adds up to.
///
/// Inputs and the time go in ([`Replica::handle`], [`Replica::elapse`]); what is wanted comes out of [`Replica::poll`], which has to be called until
/// there is nothing left. Proposals that come between two polls go into the log as one batch, and through one flush.
///
/// - `applied <= committed <=` the end of the log, except while a snapshot is being loaded.
/// - The machine is what the records below `applied` add up to.
/// - Every proposal and every read ends in exactly one output.
/// - After [`Output::Stopped`] nothing happens any more.
#[derive(Debug)]
pub struct Replica<D: Disk, S: StateMachine> {
    config: Config,
    settings: LogSettings,
    log: QuorumLog<D>,
    directory: DataDirectory<D>,
    machine: S,
    now: Instant,
    applied: Offset,
    /// The epoch of the last record below `applied`.
    applied_epoch: Epoch,
    /// Its timestamp.
    applied_ms: i64,
    serves: bool,
    proposals: Vec<(Token, Bytes)>,
    reads: Vec<Token>,
    waiting: Waiting,
    outstanding: Outstanding,
    outputs: VecDeque<Output<S::Answer>>,
    stopped: bool,
}

impl<D: Disk, S: StateMachine> Replica<D, S> {
    /// Makes a blank disk that of this member, and says which id its directory has. One that is this member's already is left alone.
    ///
    /// To be done once, by whoever sets a member up: a member that formats whatever is blank by itself forgets its votes with its disk.
    ///
    /// # Errors
    /// If it is another's.
    pub fn format(config: &Config, disk: &D) -> Result<Uuid, OpenError> {
        let directory_id = Some(Uuid(uuid::Uuid::new_v4().as_u128()));
        let cluster_id = config.cluster_id.clone();
        DataDirectory::format(disk, &MetaProperties { cluster_id, node_id: config.id, directory_id })?;
        Ok(meta_properties::load(disk)?.and_then(|found| found.directory_id).unwrap_or_default())
    }

    /// Opens the disk of this member. The state machine is `blank`, unless there is a snapshot. `seed` should differ from start to start.
    ///
    /// # Errors
    /// If the disk was not formatted or is another's, if what is on it is damaged, or does not fit the settings. What it says is what to do.
    pub fn open(config: Config, disk: D, blank: S, seed: u64, now: Instant) -> Result<Self, OpenError> {
        Self::open_under(Rules::default(), config, disk, blank, seed, now)
    }

    /// The same under other rules than those of the protocol: for the suite's own tests.
    ///
    /// # Errors
    /// As [`Replica::open`].
    #[cfg(feature = "flaws")]
    pub fn open_flawed(
        rules: Rules,
        config: Config,
        disk: D,
        blank: S,
        seed: u64,
        now: Instant,
    ) -> Result<Self, OpenError> {
        Self::open_under(rules, config, disk, blank, seed, now)
    }

    fn open_under(
        rules: Rules,
        config: Config,
        disk: D,
        blank: S,
        seed: u64,
        now: Instant,
    ) -> Result<Self, OpenError> {
        check(&config)?;
        let election = quorum_state::load(&disk, METADATA)?.unwrap_or_default();
        let latest = snapshot::list(&disk, METADATA)?.into_iter().max();
        // Before the log is opened, so that a damaged snapshot is refused before anything is mended.
        let loaded = latest.map(|id| load_snapshot(&disk, id)).transpose()?;
        let (machine, contained) = match &loaded {
            Some((state, contained)) => (restore(latest, state)?, *contained),
            None => (blank, -1),
        };
        let directory = DataDirectory::open(&disk, &config.cluster_id, config.id)?;
        let directory_id = directory.properties().directory_id.unwrap_or_default();
        let mut recorded = directory.recorded(METADATA);
        recorded.base = latest.map(|snapshot| (snapshot.end, snapshot.epoch));
        let kept =
            LogConfig { segment_bytes: config.segment_bytes, segment_ms: None, ..LogConfig::default() };
        let (log, recovery) = Log::open(&disk, METADATA, kept, recorded)?;
        let settings = config.of_log();
        let mut dice = Dice::new(seed);
        let outstanding = Outstanding::from(dice.roll() >> 16);
        let view = log.view().clone();
        let core = config.of_core(directory_id);
        let core = Quorum::open(core, rules, election, view, latest, dice, now)
            .map_err(|error| OpenError { place: METADATA.to_owned(), message: error.to_string() })?;
        let mut replica = Self {
            log: QuorumLog::new(settings, disk, core, log),
            config,
            settings,
            directory,
            machine,
            now,
            applied: latest.map_or(0, |snapshot| snapshot.end),
            applied_epoch: latest.map_or(NO_EPOCH, |snapshot| snapshot.epoch),
            applied_ms: contained,
            serves: false,
            proposals: Vec::new(),
            reads: Vec::new(),
            waiting: Waiting::default(),
            outstanding,
            outputs: VecDeque::new(),
            stopped: false,
        };
        if let Some(cut) = recovery.cut {
            let (file, position, bytes, found) = (cut.file, cut.position, cut.bytes, cut.found);
            let what = format!("cut {bytes} bytes off {file} from byte {position} on: {found}");
            replica.outputs.push_back(Output::Report(what));
        }
        replica.log.drain(now)?;
        replica.settle()?;
        Ok(replica)
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.step(now, |replica| replica.take(input));
    }

    /// Lets time pass: what is due is done.
    pub fn elapse(&mut self, now: Instant) {
        self.step(now, |replica| {
            replica.log.elapse(now)?;
            while let Some((to, request)) = replica.outstanding.pop_due(now) {
                replica.log.handle(now, quorum::Input::Failed { to, request })?;
            }
            Ok(())
        });
    }

    /// When [`Replica::elapse`] has something to do, at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.log.core().deadline(), self.outstanding.deadline()];
        deadlines.into_iter().flatten().min().filter(|_| !self.stopped)
    }

    /// The next that is wanted.
    pub fn poll(&mut self) -> Option<Output<S::Answer>> {
        if self.outputs.is_empty() && !(self.proposals.is_empty() && self.reads.is_empty()) {
            self.step(self.now, Self::append);
        }
        self.outputs.pop_front()
    }

    /// Does the flush that was asked for.
    pub fn flush(&mut self, now: Instant) {
        self.step(now, |replica| replica.log.flush(now));
    }

    /// What flushes the log on another thread; nothing if there is nothing to flush. What it did belongs into [`Replica::flushed`].
    pub fn flusher(&mut self) -> Option<Flusher<D>> {
        let mut flusher = None;
        self.step(self.now, |replica| {
            flusher = replica.log.flusher()?;
            match flusher {
                Some(_) => Ok(()),
                // A snapshot has flushed it, of which the core, which waits, has not heard.
                None => replica.log.flush(replica.now),
            }
        });
        flusher
    }

    /// Takes what a flusher did.
    pub fn flushed(&mut self, now: Instant, flushed: Flushed) {
        self.step(now, |replica| replica.log.flushed(now, flushed));
    }

    /// The state, as far as it is applied here: of a follower, what was in force a while ago.
    pub fn machine(&self) -> &S {
        &self.machine
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let core = self.log.core();
        Status {
            id: self.config.id,
            role: core.role(),
            epoch: core.epoch(),
            leader: core.leader(),
            serves: self.serves,
            committed: self.log.committed(),
            applied: self.applied,
            log_start: core.log().start(),
            log_end: core.log().end(),
        }
    }

    /// The quorum core, to be looked at.
    pub fn quorum(&self) -> &Quorum {
        self.log.core()
    }

    /// Its log, to be looked at.
    pub fn log(&self) -> &Log<D> {
        self.log.log()
    }

    /// Closes all in good order: the next start need not look through the log.
    ///
    /// # Errors
    /// If the disk fails. Nothing is lost by that, nor by not calling this.
    pub fn close(mut self) -> Result<(), OpenError> {
        if self.stopped {
            return Ok(());
        }
        self.log.log_mut().flush()?;
        self.log.log_mut().close_files()?;
        self.directory.checkpoint([(self.log.log(), self.log.committed())])?;
        Ok(self.directory.close(None)?)
    }

    // ---- steps ----

    fn step(&mut self, now: Instant, act: impl FnOnce(&mut Self) -> Result<(), Fatal>) {
        if self.stopped {
            return;
        }
        self.now = now;
        if let Err(Fatal(why)) = act(self).and_then(|()| self.settle()) {
            // What it had not said yet is not said, but those who wait are told.
            self.outputs.clear();
            self.give_up(ProposeError::Stopped);
            self.outputs.push_back(Output::Stopped(why));
            self.stopped = true;
        }
    }

    fn take(&mut self, input: Input) -> Result<(), Fatal> {
        match input {
            Input::Request { token, request } => {
                self.log.handle(self.now, quorum::Input::Request { token, request })
            }
            Input::Response { correlation, response, bytes } => match self.outstanding.settle(correlation) {
                Some((to, request)) => self.log.answered(self.now, to, request, response, bytes),
                None => Ok(()),
            },
            Input::Failed { correlation } => match self.outstanding.settle(correlation) {
                Some((to, request)) => self.log.handle(self.now, quorum::Input::Failed { to, request }),
                None => Ok(()),
            },
            Input::Propose { token, record } => {
                let max = self.config.record_bytes_max;
                let refused = match self.refusal() {
                    None if record.len() > max => Some(ProposeError::TooLong { found: record.len(), max }),
                    refused => refused,
                };
                match refused {
                    None => self.proposals.push((token, record)),
                    Some(error) => self.outputs.push_back(Output::Proposed { token, result: Err(error) }),
                }
                Ok(())
            }
            Input::Read { token } => {
                match self.refusal() {
                    None => self.reads.push(token),
                    Some(error) => self.outputs.push_back(Output::Readable { token, result: Err(error) }),
                }
                Ok(())
            }
            Input::Resign => self.log.handle(self.now, quorum::Input::Resign),
        }
    }

    /// Why nothing can be proposed at present.
    fn refusal(&self) -> Option<ProposeError> {
        if !self.serves {
            return Some(self.not_leader());
        }
        let max = self.config.waiting_max;
        let wait = self.waiting.count() + self.proposals.len() + self.reads.len();
        (wait >= max).then_some(ProposeError::Busy { max })
    }

    fn not_leader(&self) -> ProposeError {
        // Itself, if its epoch's first record is not committed yet: no use to say so.
        let leader = self.log.core().leader().filter(|leader| *leader != self.config.id);
        ProposeError::NotLeader { leader }
    }

    /// Appends what was proposed since the last time. Reads wait for the last record; if there is none, for one without a value, which says nothing.
    fn append(&mut self) -> Result<(), Fatal> {
        let mut proposals = std::mem::take(&mut self.proposals).into_iter().peekable();
        loop {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some((token, record)) =
                proposals.next_if(|(_, record)| bytes == 0 || bytes + record.len() <= BATCH_BYTES)
            {
                bytes += record.len() + 1;
                batch.push((token, record));
            }
            let is_last = proposals.peek().is_none();
            if batch.is_empty() && self.reads.is_empty() {
                return Ok(());
            }
            let reads = if is_last { std::mem::take(&mut self.reads) } else { Vec::new() };
            self.append_batch(&batch, &reads)?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn append_batch(&mut self, batch: &[(Token, Bytes)], reads: &[Token]) -> Result<(), Fatal> {
        let timestamp = self.settings.timestamp_ms(self.now);
        let count = u32::try_from(batch.len().max(1)).unwrap_or(u32::MAX);
        // Who waits is noted before anything that follows can answer them.
        let (base, epoch) = (self.log.core().log().end(), self.log.core().epoch());
        for ((token, _), offset) in batch.iter().zip(base..) {
            self.waiting.push(offset, epoch, Waiter::Proposal(*token));
        }
        for token in reads {
            self.waiting.push(base + Offset::from(count) - 1, epoch, Waiter::Read(*token));
        }
        let appended = self.log.append(self.now, epoch, count, |extent| {
            let mut builder = BatchBuilder::new(extent.base, extent.epoch);
            for (_, record) in batch {
                builder.record(timestamp, None, Some(record));
            }
            if batch.is_empty() {
                builder.record(timestamp, None, None);
            }
            builder.build()
        })?;
        if appended.is_none() {
            // It serves as long as it leads, so this is not to be.
            self.give_up(self.not_leader());
        }
        Ok(())
    }

    /// Does what follows from a step.
    fn settle(&mut self) -> Result<(), Fatal> {
        loop {
            while let Some(left) = self.log.poll() {
                self.carry_out(left)?;
            }
            self.apply_committed()?;
            if !self.take_snapshot_if_due()? {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, left: Left) -> Result<(), Fatal> {
        match left {
            Left::Send(to, request) => {
                let wait = match &request {
                    Request::Fetch(fetch) => Duration::from_millis(fetch.max_wait_ms.into()),
                    _ => Duration::ZERO,
                };
                let deadline = self.now + (self.config.request_timeout + wait);
                let correlation = self.outstanding.send(to, request.clone(), deadline);
                self.outputs.push_back(Output::Send { to, correlation, request });
            }
            Left::Reply(token, response, bytes) => {
                self.outputs.push_back(Output::Reply { token, response, bytes });
            }
            Left::Flush => self.outputs.push_back(Output::Flush),
            Left::Committed => {}
            Left::Lead { .. } => {
                self.apply_committed()?;
                self.serves = self.log.core().is_active();
            }
            Left::Unlead => {
                self.serves = false;
                // What is known to be committed is answered as such.
                self.apply_committed()?;
                self.give_up(self.not_leader());
            }
            Left::Restarted(snapshot) => self.restarted(snapshot)?,
            Left::Report(what) => self.outputs.push_back(Output::Report(what)),
        }
        Ok(())
    }

    /// All that wait are told: `why` if nothing was done of what they wanted.
    fn give_up(&mut self, why: ProposeError) {
        for (token, _) in std::mem::take(&mut self.proposals) {
            self.outputs.push_back(Output::Proposed { token, result: Err(why) });
        }
        for token in std::mem::take(&mut self.reads) {
            self.outputs.push_back(Output::Readable { token, result: Err(why) });
        }
        for waiter in self.waiting.give_up() {
            self.outputs.push_back(match waiter {
                Waiter::Proposal(token) => Output::Proposed { token, result: Err(ProposeError::Unknown) },
                Waiter::Read(token) => Output::Readable { token, result: Err(why) },
            });
        }
    }

    // ---- the state machine ----

    fn apply_committed(&mut self) -> Result<(), Fatal> {
        while self.applied < self.log.committed() {
            let (from, to) = (self.applied, self.log.committed());
            let bytes = self.log.log().read(from, to, APPLY_BYTES)?;
            for batch in batch::batches(&bytes) {
                let batch = batch.map_err(|error| Fatal::new("applying the log", error))?;
                self.apply(&batch)?;
            }
            if self.applied == from {
                let found = format!("found nothing there at {from}, expected what is committed up to {to}");
                return Err(Fatal::new("applying the log", found));
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &batch::RecordBatch<'_>) -> Result<(), Fatal> {
        let header = *batch.header();
        let epoch = header.leader_epoch;
        if !header.is_control() {
            let records = batch.records().map_err(|error| Fatal::new("applying the log", error))?;
            for record in records {
                let record = record.map_err(|error| Fatal::new("applying the log", error))?;
                let answer = record.value.map(|value| self.machine.apply(record.offset, epoch, value));
                self.answer(record.offset, epoch, answer);
            }
        }
        self.applied = header.end_offset();
        self.applied_epoch = epoch;
        self.applied_ms = header.max_timestamp;
        Ok(())
    }

    /// Tells those who waited for this record.
    fn answer(&mut self, offset: Offset, epoch: Epoch, mut answer: Option<S::Answer>) {
        while let Some((waiter, is_it)) = self.waiting.next(offset, epoch) {
            self.outputs.push_back(match waiter {
                Waiter::Read(token) => {
                    let result = if is_it { Ok(()) } else { Err(self.not_leader()) };
                    Output::Readable { token, result }
                }
                Waiter::Proposal(token) => {
                    let answer = answer.take().filter(|_| is_it);
                    let result = answer.map(|answer| Committed { offset, answer });
                    Output::Proposed { token, result: result.ok_or(ProposeError::Unknown) }
                }
            });
        }
    }

    fn restarted(&mut self, snapshot: SnapshotId) -> Result<(), Fatal> {
        if self.applied < snapshot.end {
            let (state, contained) = load_snapshot(self.directory.disk(), snapshot)?;
            self.machine = restore(Some(snapshot), &state)?;
            self.applied = snapshot.end;
            self.applied_epoch = snapshot.epoch;
            self.applied_ms = contained;
        }
        Ok(())
    }

    fn take_snapshot_if_due(&mut self) -> Result<bool, Fatal> {
        let known = self.log.core().snapshot().map_or(0, |snapshot| snapshot.end);
        if !self.log.snapshot_is_due() || self.applied <= known {
            return Ok(false);
        }
        let mut state = Vec::new();
        if let Err(error) = self.machine.snapshot(&mut state) {
            self.log.put_off_snapshot();
            self.outputs.push_back(Output::Report(format!("no snapshot was taken: {error}")));
            return Ok(false);
        }
        let id = SnapshotId { end: self.applied, epoch: self.applied_epoch };
        let at = self.settings.timestamp_ms(self.now);
        let bytes = snapshot::encode(id, at, self.applied_ms, state.chunks(SNAPSHOT_RECORD));
        self.log.take_snapshot(self.now, id, &bytes)?;
        Ok(true)
    }
}

/// The bytes of the state that a snapshot holds, and the timestamp of the last record in it.
fn load_snapshot<D: Disk>(disk: &D, id: SnapshotId) -> Result<(Vec<u8>, i64), Fatal> {
    let name = snapshot::name(id);
    let reader = SnapshotReader::open(disk, METADATA, id)?;
    let reader =
        reader.ok_or_else(|| Fatal::new(&name, "found no such file, expected the latest snapshot"))?;
    let mut state = Vec::new();
    let contained = reader.load(|record| state.extend_from_slice(record.value.unwrap_or_default()))?;
    Ok((state, contained))
}

fn restore<S: StateMachine>(id: Option<SnapshotId>, mut state: &[u8]) -> Result<S, Fatal> {
    let name = id.map(snapshot::name).unwrap_or_default();
    S::restore(&mut state).map_err(|error| {
        Fatal::new(name, format!("found a state that the program does not understand: {error}. Start the version of the program that wrote it"))
    })
}

/// Refuses what contradicts itself.
fn check(config: &Config) -> Result<(), OpenError> {
    let refuse = |place: &str, message: String| Err(OpenError { place: place.to_owned(), message });
    let NodeId(id) = config.id;
    if id < 0 {
        return refuse("id", format!("found {id}, expected 0 or more"));
    }
    if config.fetch_wait_max * 2 >= config.fetch_timeout {
        let (found, silence) = (config.fetch_wait_max, config.fetch_timeout);
        return refuse(
            "fetch_wait_max",
            format!(
                "found {found:?}, expected less than half of fetch_timeout, which is {silence:?}: lower it"
            ),
        );
    }
    Ok(())
}
