//! Timers: when they run out, and what then.

use super::role::{Follower, Observer, Role, Unattached, Voted};
use super::{Candidates, FetchRequest, Quorum, Search, Timer};
use crate::Instant;

const TIMERS: [Timer; 6] =
    [Timer::Election, Timer::Fetch, Timer::Retry, Timer::CheckQuorum, Timer::Beat, Timer::Hold];

impl Quorum {
    /// The earliest moment at which a timer runs out.
    pub fn deadline(&self) -> Option<Instant> {
        TIMERS.into_iter().filter_map(|timer| self.deadline_of(timer)).min()
    }

    /// Lets the timers run out that are due.
    pub fn elapse(&mut self, now: Instant) {
        for timer in TIMERS {
            if self.deadline_of(timer).is_some_and(|deadline| deadline <= now) {
                self.expire(now, timer);
            }
        }
    }

    /// The timers that are armed.
    pub fn timers(&self) -> impl Iterator<Item = Timer> {
        TIMERS.into_iter().filter(|&timer| self.deadline_of(timer).is_some())
    }

    /// When this timer runs out, if it is armed.
    pub fn deadline_of(&self, timer: Timer) -> Option<Instant> {
        match (timer, &self.role) {
            (Timer::Election, Role::Unattached(unattached)) => unattached.patience.deadline(),
            (Timer::Election, Role::Voted(voted)) => voted.patience.deadline(),
            (Timer::Election, Role::Prospective(prospective)) => prospective.patience.deadline(),
            (Timer::Election, Role::Candidate(candidate)) => candidate.patience.deadline(),
            (Timer::Election, Role::Resigned(resigned)) => resigned.patience.deadline(),
            (Timer::Fetch, Role::Follower(follower)) => follower.patience.deadline(),
            (Timer::Fetch, Role::Observer(Observer::Following { deadline, .. })) => Some(*deadline),
            (
                Timer::Retry,
                Role::Unattached(Unattached { search, .. }) | Role::Voted(Voted { search, .. }),
            ) => {
                let searches = self.has_others() && self.rules().search() == Search::Everyone;
                searches.then_some(search.retry)
            }
            (Timer::Retry, Role::Observer(Observer::Searching(search))) => Some(search.retry),
            (Timer::Retry, Role::Prospective(prospective)) => self.has_others().then_some(prospective.retry),
            (Timer::Retry, Role::Candidate(candidate)) => self.has_others().then_some(candidate.retry),
            (Timer::Retry, Role::Resigned(resigned)) => {
                let told = resigned.told.count() + 1 >= self.voters().count();
                (!told).then_some(resigned.retry)
            }
            (
                Timer::Retry,
                Role::Follower(Follower { pull, .. }) | Role::Observer(Observer::Following { pull, .. }),
            ) => pull.retry,
            (Timer::CheckQuorum, Role::Leader(leader)) => leader.check,
            (Timer::Beat, Role::Leader(leader)) => leader.beat,
            (Timer::Hold, Role::Leader(leader)) => leader.held.iter().map(|held| held.deadline).min(),
            _ => None,
        }
    }

    /// Lets an armed timer run out, whatever the time; nothing if it is not armed.
    pub fn expire(&mut self, now: Instant, timer: Timer) {
        let Some(deadline) = self.deadline_of(timer) else { return };
        match timer {
            Timer::Election if matches!(self.role, Role::Prospective(_)) => self.give_up(now),
            Timer::Election => self.stand(now),
            Timer::Fetch => self.miss_leader(now),
            Timer::Retry => self.retry(now),
            Timer::CheckQuorum => self.resign(now),
            Timer::Beat => {
                self.announce();
                let beat = now + self.config().fetch_timeout / 2;
                if let Role::Leader(leader) = &mut self.role {
                    leader.beat = Some(beat);
                }
            }
            Timer::Hold => self.answer_held_until(deadline),
        }
    }

    fn has_others(&self) -> bool {
        self.voters().count() > usize::from(self.is_voter())
    }

    fn miss_leader(&mut self, now: Instant) {
        if !matches!(self.role, Role::Observer(_)) || self.rules().candidates() == Candidates::Anyone {
            return self.stand(now);
        }
        let search = self.search_from(now);
        self.become_role(Role::Observer(Observer::Searching(search)));
    }

    fn retry(&mut self, now: Instant) {
        let again = now + self.config().request_timeout;
        match &mut self.role {
            Role::Unattached(_) | Role::Voted(_) | Role::Observer(Observer::Searching(_)) => self.search(now),
            Role::Prospective(prospective) => {
                prospective.retry = again;
                self.request_votes();
            }
            Role::Candidate(candidate) => {
                candidate.retry = again;
                self.request_votes();
            }
            Role::Resigned(resigned) => {
                resigned.retry = again;
                self.say_resigned();
            }
            Role::Follower(_) | Role::Observer(_) => self.pull_again(now),
            Role::Leader(_) => {}
        }
    }

    /// Whoever was asked who leads did not know: the next is asked a little later.
    pub(super) fn search_on(&mut self, now: Instant, request: &FetchRequest) {
        let retry = now + self.config().retry_backoff;
        if let Role::Unattached(Unattached { search, .. })
        | Role::Voted(Voted { search, .. })
        | Role::Observer(Observer::Searching(search)) = &mut self.role
            && request.epoch == self.epoch
        {
            search.retry = search.retry.min(retry);
        }
    }

    /// Asks the next voter who leads, by a fetch that it need not hold. A voter's fetch acknowledges, so it waits for the flush.
    fn search(&mut self, now: Instant) {
        let flushing = self.is_voter() && self.rules().follower_flush() && self.flush();
        let wait = if flushing { self.config().retry_backoff } else { self.config().request_timeout };
        let (own, count) = (self.own(), self.voters().count());
        let (Role::Unattached(Unattached { search, .. })
        | Role::Voted(Voted { search, .. })
        | Role::Observer(Observer::Searching(search))) = &mut self.role
        else {
            return;
        };
        search.retry = now + wait;
        if flushing {
            return;
        }
        let asked = search.next;
        search.next = (asked + 1) % count;
        if Some(search.next) == own {
            search.next = (search.next + 1) % count;
        }
        let to = self.voters().keys()[asked].id;
        let request = self.fetch_request(0);
        self.send(to, request);
    }
}
