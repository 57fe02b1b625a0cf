//! A coordinator, its log, and the clients of its groups.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use highwater_core::group::{
    Config, Effect, GroupRecord, GroupRequest, GroupResponse, Groups, LoadError, Loaded,
};
use highwater_core::partition::PartitionError;
use highwater_core::{Dice, Instant, Token};

use crate::tell::{self, Names};

/// The time of day at the beginning, in milliseconds since 1970.
pub(crate) const DAY_ONE: i64 = 1_700_000_000_000;

/// A key and a value.
pub(crate) type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// A coordinator and what is around it.
pub(crate) struct World {
    pub(crate) core: Groups,
    pub(crate) now: Instant,
    /// What is in the log.
    pub(crate) log: Vec<KeyValue>,
    /// How much of it is committed.
    pub(crate) committed: usize,
    /// Asked for, and not in the log yet.
    pub(crate) asked: VecDeque<(u64, Vec<GroupRecord>)>,
    /// In the log, and not committed yet: the write, and where it ends.
    pub(crate) appended: VecDeque<(u64, usize)>,
    /// Writes wait to be told what came of them.
    pub(crate) holds: bool,
    /// Counts take-overs.
    pub(crate) epoch: i32,
    config: Config,
    next_token: Token,
    /// Who waits, and for what: the client's name, the request.
    pub(crate) waiting: BTreeMap<Token, (String, GroupRequest)>,
    /// Answers that nobody has looked at yet.
    pub(crate) answers: VecDeque<(String, GroupRequest, GroupResponse)>,
    pub(crate) names: Names,
    pub(crate) transcript: Option<Vec<String>>,
    /// A request was answered that nobody waits for.
    pub(crate) answered_twice: bool,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant(0);
        let mut world = Self {
            core: Groups::open(config.clone(), Dice::new(0), now),
            now,
            log: Vec::new(),
            committed: 0,
            asked: VecDeque::new(),
            appended: VecDeque::new(),
            holds: false,
            epoch: 0,
            config,
            next_token: 0,
            waiting: BTreeMap::new(),
            answers: VecDeque::new(),
            names: Names::default(),
            transcript: None,
            answered_twice: false,
        };
        world.core.set_clock(now, DAY_ONE);
        world.core.lead(now, 0);
        world
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce(&mut Names) -> String) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(line(&mut self.names));
        }
    }

    pub(crate) fn ask(&mut self, who: &str, request: GroupRequest) {
        let token = self.next_token;
        self.next_token += 1;
        self.waiting.insert(token, (who.into(), request.clone()));
        self.core.handle(self.now, token, request);
        self.settle();
    }

    /// Carries out effects until there are none.
    pub(crate) fn settle(&mut self) {
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::Append { write, records, .. } => {
                    self.tell(|names| tell::append(names, write, &records));
                    self.asked.push_back((write, records));
                    if !self.holds {
                        self.append(None);
                        self.commit();
                    }
                }
                Effect::Reply { token, response } => match self.waiting.remove(&token) {
                    Some((who, request)) => {
                        self.tell(|names| tell::response(names, &who, &response));
                        self.answers.push_back((who, request, response));
                    }
                    None => self.answered_twice = true,
                },
            }
        }
    }

    /// The oldest write is appended, or refused.
    pub(crate) fn append(&mut self, refusal: Option<PartitionError>) {
        let Some((write, records)) = self.asked.pop_front() else { return };
        if let Some(error) = refusal {
            self.core.written(self.now, write, Err(error));
            self.settle();
            return;
        }
        self.log.extend(records.iter().map(|record| (record.encode_key(), record.encode_value())));
        self.appended.push_back((write, self.log.len()));
    }

    /// The oldest write in the log is committed.
    pub(crate) fn commit(&mut self) {
        self.commit_as(None);
    }

    /// The oldest write in the log is committed, perhaps by too few.
    pub(crate) fn commit_as(&mut self, error: Option<PartitionError>) {
        let Some((write, end)) = self.appended.pop_front() else { return };
        self.committed = self.committed.max(end);
        self.core.written(self.now, write, error.map_or(Ok(end as i64), Err));
        self.settle();
    }

    /// A write in the log is not heard of any more.
    pub(crate) fn time_out(&mut self, index: usize) {
        if let Some((write, _)) = self.appended.remove(index) {
            self.core.written(self.now, write, Err(PartitionError::RequestTimedOut));
            self.settle();
        }
    }

    /// Time passes, from deadline to deadline.
    pub(crate) fn elapse(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.core.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.core.elapse(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Another broker takes over, with this much of the log, which must be all that is committed. What is in there is committed with it.
    pub(crate) fn fail_over(&mut self, keep: usize) -> Result<Loaded, LoadError> {
        assert!(keep >= self.committed);
        self.core.unlead(self.now);
        self.settle();
        self.log.truncate(keep);
        self.committed = keep;
        self.asked.clear();
        self.appended.clear();
        self.epoch += 1;
        let (core, loaded) = self.fresh()?;
        self.core = core;
        Ok(loaded)
    }

    /// A coordinator that knows nothing but the log, and leads.
    pub(crate) fn fresh(&self) -> Result<(Groups, Loaded), LoadError> {
        let mut core = Groups::open(self.config.clone(), Dice::new(self.epoch as u64), self.now);
        core.set_clock(self.now, DAY_ONE + self.now.0 as i64 / 1000);
        core.begin_load(self.now);
        let loaded = core.load(self.log.iter().map(|(key, value)| (Some(&key[..]), value.as_deref())))?;
        core.lead(self.now, self.epoch);
        Ok((core, loaded))
    }
}

/// Asks a coordinator something that it answers at once.
pub(crate) fn look(core: &mut Groups, now: Instant, request: GroupRequest) -> GroupResponse {
    core.handle(now, Token::MAX, request);
    match core.poll() {
        Some(Effect::Reply { token: Token::MAX, response }) => response,
        other => panic!("an answer, not {other:?}"),
    }
}

/// The ids of all groups.
pub(crate) fn group_ids(core: &mut Groups, now: Instant) -> BTreeSet<String> {
    match look(core, now, GroupRequest::List(Default::default())) {
        GroupResponse::List(list) => list.groups.into_iter().map(|group| group.group_id).collect(),
        other => panic!("a list, not {other:?}"),
    }
}
