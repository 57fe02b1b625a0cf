//! What a replica has in every role: its log, its high watermark, the metadata, and what waits for it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::leader::Progress;
use super::{
    Config, Divergence, Effect, Fence, FollowerHighWatermark, LeaderRecovery, PartitionError, PartitionFetch,
    PartitionFetched, PartitionState, Reader, Rules,
};
use crate::{Epoch, EpochEnd, Extent, LogView, NO_EPOCH, NodeId, Offset, Token};

/// The part of a partition core that outlives its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) config: Config,
    pub(super) rules: Rules,
    pub(super) log: LogView,
    pub(super) high_watermark: Offset,
    /// The newest metadata; its ISR is the committed one.
    pub(super) state: PartitionState,
    /// Brokers of the cluster, by id.
    pub(super) brokers: Vec<Broker>,
    pub(super) waiting: Vec<WaitingFetch>,
    /// What it knew of its followers when it last led. Empty by the rules.
    pub(super) former: Vec<Progress>,
    pub(super) effects: VecDeque<Effect>,
}

/// What metadata says of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Broker {
    pub(super) id: NodeId,
    pub(super) epoch: i64,
    pub(super) may_join: bool,
}

/// A fetch with nothing to answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct WaitingFetch {
    pub(super) token: Token,
    pub(super) reader: Reader,
    pub(super) fetch: PartitionFetch,
}

/// Where a fetch stands against a log.
pub(super) enum Position {
    /// What is below its offset is the same here.
    Confirmed,
    /// It is not; truncate by this.
    Diverging(EpochEnd),
    /// The offset is not in the log.
    OutOfRange,
}

/// Without what never changes: equal replicas still have equal hashes, and a search hashes less.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.config.me.hash(state);
        self.log.hash(state);
        self.high_watermark.hash(state);
        self.state.hash(state);
        self.brokers.hash(state);
        self.waiting.hash(state);
        self.former.hash(state);
        self.effects.hash(state);
    }
}

impl Replica {
    pub(super) fn in_isr(&self, id: NodeId) -> bool {
        self.state.isr.contains(&id)
    }

    pub(super) fn broker(&self, id: NodeId) -> Option<&Broker> {
        self.brokers.binary_search_by_key(&id, |broker| broker.id).ok().map(|index| &self.brokers[index])
    }

    /// `min.insync.replicas`, though never more than there are replicas.
    pub(super) fn min_isr(&self) -> usize {
        self.config.min_isr.min(self.state.replicas.len())
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Sets the high watermark, within the log.
    pub(super) fn set_high_watermark(&mut self, to: Offset) {
        let to = to.clamp(self.log.start(), self.log.end());
        if to != self.high_watermark {
            self.high_watermark = to;
            self.emit(Effect::HighWatermark(to));
            self.wake_to_high_watermark();
        }
    }

    /// An answer without records.
    pub(super) fn answer(&self, error: Option<PartitionError>) -> PartitionFetched {
        PartitionFetched {
            error,
            leader_epoch: self.state.leader_epoch,
            high_watermark: self.high_watermark,
            log_start: self.log.start(),
            diverging: None,
            records: Vec::new(),
        }
    }

    /// The check of the reader's leader epoch (KIP-320).
    pub(super) fn check_epoch(&self, epoch: Epoch) -> Option<PartitionError> {
        if epoch < 0 || epoch == self.state.leader_epoch {
            None
        } else if epoch < self.state.leader_epoch {
            Some(PartitionError::FencedLeaderEpoch)
        } else {
            Some(PartitionError::UnknownLeaderEpoch)
        }
    }

    /// Answers a consumer, which reads below `limit`.
    pub(super) fn serve(&self, fetch: &PartitionFetch, limit: Offset) -> PartitionFetched {
        let mut answer = self.answer(self.check_epoch(fetch.leader_epoch));
        if answer.error.is_some() {
            return answer;
        }
        match self.locate(fetch) {
            Position::Confirmed => answer.records = self.log.extents(fetch.offset, limit),
            Position::Diverging(end) => answer.diverging = Some(end),
            Position::OutOfRange => answer.error = Some(PartitionError::OffsetOutOfRange),
        }
        answer
    }

    /// Compares a reader's position with the log (KIP-279, KIP-595).
    pub(super) fn locate(&self, fetch: &PartitionFetch) -> Position {
        // An epoch that was not yet: there is nothing that it could be compared with (as in Kafka's epoch cache).
        let is_ahead = fetch.last_epoch > self.state.leader_epoch;
        let compares = self.rules.divergence() == Divergence::EpochAndEnd;
        if fetch.offset < self.log.start() || is_ahead && compares {
            return Position::OutOfRange;
        }
        if fetch.last_epoch >= 0
            && let Some(end) = self.diverging(fetch)
        {
            return Position::Diverging(end);
        }
        if fetch.offset > self.log.end() { Position::OutOfRange } else { Position::Confirmed }
    }

    fn diverging(&self, fetch: &PartitionFetch) -> Option<EpochEnd> {
        let mut end = self.log.end_of(fetch.last_epoch);
        // The epoch of a leader is known to it, though it may have no records yet (as in Kafka's epoch cache).
        if fetch.last_epoch == self.state.leader_epoch && self.state.leader == Some(self.config.me) {
            end = EpochEnd { epoch: fetch.last_epoch, end: self.log.end() };
        }
        match self.rules.divergence() {
            Divergence::EpochAndEnd => {
                // What the reader's last epoch was here, nobody knows any more: the records are deleted. Then what is left
                // to compare is where the first known epoch begins (as in Kafka's epoch cache).
                let forgotten = self.log.start() > 0 && self.log.base_epoch() == NO_EPOCH;
                if end.epoch == NO_EPOCH && forgotten {
                    end.epoch = fetch.last_epoch;
                }
                (end.epoch < fetch.last_epoch || end.end < fetch.offset).then_some(end)
            }
            Divergence::EndOnly => {
                end.epoch = fetch.last_epoch;
                (end.end < fetch.offset).then_some(end)
            }
        }
    }

    // ---- fetches that wait ----

    /// Keeps a fetch, or wakes it at once if there is something to say already.
    pub(super) fn wait(&mut self, waiting: WaitingFetch, leads: bool) {
        let limit = match waiting.reader {
            Reader::Debug => self.log.end(),
            Reader::Replica { .. } if leads => self.log.end(),
            Reader::Replica { .. } | Reader::Consumer => self.high_watermark,
        };
        if waiting.fetch.offset < limit {
            self.emit(Effect::Wake { token: waiting.token });
        } else {
            self.waiting.push(waiting);
        }
    }

    pub(super) fn wake(&mut self, due: impl Fn(&WaitingFetch) -> bool) {
        if self.waiting.is_empty() {
            return;
        }
        let effects = &mut self.effects;
        self.waiting.retain(|waiting| {
            let due = due(waiting);
            if due {
                effects.push_back(Effect::Wake { token: waiting.token });
            }
            !due
        });
    }

    fn wake_to_high_watermark(&mut self) {
        let high_watermark = self.high_watermark;
        self.wake(|waiting| waiting.reader == Reader::Consumer && waiting.fetch.offset < high_watermark);
    }

    /// Wakes the followers, and others who read up to the log's end, that wait for records.
    pub(super) fn wake_to_log_end(&mut self) {
        let end = self.log.end();
        self.wake(|waiting| waiting.reader != Reader::Consumer && waiting.fetch.offset < end);
    }

    // ---- following ----

    /// Takes the answer of a leader to a fetch from the log's end.
    pub(super) fn take_answer(&mut self, answer: &PartitionFetched) {
        if self.rules.follower_high_watermark() == FollowerHighWatermark::AnyResponse {
            self.set_high_watermark(answer.high_watermark);
        }
        match (answer.error, answer.diverging) {
            (None, None) => self.take_records(answer),
            (None, Some(end)) => self.truncate_by(end),
            (Some(PartitionError::OffsetOutOfRange), end) => self.take_out_of_range(answer, end),
            (Some(_), _) => {}
        }
    }

    fn take_records(&mut self, answer: &PartitionFetched) {
        let from = self.log.end();
        let sound = answer.records.iter().all(|extent| self.take_extent(*extent));
        let end = self.log.end();
        if end > from {
            self.emit(Effect::AppendFetched { from, end });
            self.wake_to_log_end();
        }
        if sound {
            self.set_high_watermark(answer.high_watermark);
            self.forget_before(answer.log_start);
        }
    }

    /// Appends what is new of an extent; not if it leaves a gap, or its epoch cannot be of this leader.
    fn take_extent(&mut self, extent: Extent) -> bool {
        let end = self.log.end();
        if extent.base > end || extent.epoch > self.state.leader_epoch {
            return false;
        }
        extent.end <= end || self.log.append(Extent { base: end, ..extent }).is_ok()
    }

    /// Cuts the log where it parts from the leader's: at the leader's end of that epoch or the own one, whichever is less.
    fn truncate_by(&mut self, diverging: EpochEnd) {
        let own = self.log.end_of(diverging.epoch).end;
        self.truncate_to(diverging.end.min(own));
    }

    /// The leader's log does not have the offset. It begins later; or it ends before, and the leader says where (a follower that
    /// states the epoch of its last record is told that it diverges instead).
    fn take_out_of_range(&mut self, answer: &PartitionFetched, end: Option<EpochEnd>) {
        if answer.log_start > self.log.end() {
            self.restart_at(answer.log_start);
        } else if let Some(end) = end {
            self.truncate_to(end.end);
        }
    }

    pub(super) fn truncate_to(&mut self, end: Offset) {
        let end = end.max(0);
        if end < self.log.start() {
            self.restart_at(end);
        } else if end < self.log.end() {
            self.log.truncate_to(end);
            self.emit(Effect::Truncate { end });
            self.set_high_watermark(self.high_watermark);
        }
    }

    fn restart_at(&mut self, start: Offset) {
        self.log = LogView::empty_from(start, NO_EPOCH);
        self.emit(Effect::Restart { start });
        self.set_high_watermark(start);
    }

    /// Deletes what is before `start`, though nothing that is not below the high watermark.
    pub(super) fn forget_before(&mut self, start: Offset) {
        let start = start.min(self.high_watermark);
        if start > self.log.start() {
            self.log.forget_before(start);
            self.emit(Effect::ForgetBefore { start });
            self.wake(|waiting| waiting.fetch.offset < start);
        }
    }

    /// Takes an answer that nobody waits for any more. By the rules that is to ignore it.
    pub(super) fn take_late(&mut self, asked: &PartitionFetch, answer: &PartitionFetched) {
        if self.rules.response_fence() == Fence::Open
            && asked.offset == self.log.end()
            && let Some(end) = answer.diverging
        {
            self.truncate_by(end);
        }
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.state.recovery == LeaderRecovery::Recovering
    }
}
