//! What the model claims: the safety of the paper's Figure 3 and of its section 5, the witnesses that none
//! of it is vacuous, and liveness in a stable network.

use crate::check::Claim;

use super::Raft;
use super::state::{Log, Role, State, stain};

/// All claims.
pub(crate) fn claims() -> Vec<Claim<Raft>> {
    vec![
        Claim::always(
            "election-safety",
            "raft/safety/1",
            "no term is won twice, and no two servers lead the same term",
            |model, state: &State| {
                state.stain & stain::TERM_WON_TWICE == 0
                    && leaders(model, state).all(|one| {
                        leaders(model, state)
                            .all(|other| one == other || state.term(one) != state.term(other))
                    })
            },
        ),
        Claim::always(
            "leader-append-only",
            "raft/safety/2",
            "a leader never overwrites or deletes entries of its own log",
            |_, state: &State| state.stain & stain::LEADER_REWROTE == 0,
        ),
        Claim::always(
            "log-matching",
            "raft/safety/3",
            "logs that agree on the term at an index are the same up to that index",
            |model: &Raft, state: &State| {
                let logs = &state.logs[..usize::from(model.bounds.nodes)];
                logs.iter().enumerate().all(|(at, &one)| logs[..at].iter().all(|&other| match_up(one, other)))
            },
        ),
        Claim::always(
            "leader-completeness",
            "raft/safety/4",
            "a leader's log holds every entry that was committed in an earlier term",
            |model: &Raft, state: &State| leaders(model, state).all(|leader| complete(state, leader)),
        ),
        Claim::always(
            "state-machine-safety",
            "raft/safety/5",
            "what a server applies at an index is what was applied there first, by any server, ever",
            |model: &Raft, state: &State| {
                (0..usize::from(model.bounds.nodes)).all(|server| {
                    let applied = state.commit(server);
                    state.logs[server].prefix(applied) == state.committed.prefix(applied)
                })
            },
        ),
        Claim::always(
            "committed-on-majority",
            "raft/safety/6",
            "every committed entry is on the disks of a majority",
            |model: &Raft, state: &State| {
                let entries = state.committed.len();
                let holders = (0..usize::from(model.bounds.nodes)).filter(|&server| {
                    state.flushed(server) >= entries && state.logs[server].prefix(entries) == state.committed
                });
                entries == 0 || holders.count() > usize::from(model.bounds.nodes / 2)
            },
        ),
        Claim::always(
            "commit-monotone",
            "raft/safety/7",
            "a server's commitIndex does not go back while it is up",
            |_, state: &State| state.stain & stain::COMMIT_WENT_BACK == 0,
        ),
        Claim::sometimes(
            "last-term-led",
            "raft/leader/1",
            "a leader is elected in the last term that the bounds allow",
            |model: &Raft, state: &State| {
                leaders(model, state).any(|leader| state.term(leader) == model.bounds.terms)
            },
        ),
        Claim::sometimes(
            "two-leaders",
            "raft/term/2",
            "a deposed leader that has not heard of it stands beside its successor",
            |model: &Raft, state: &State| leaders(model, state).count() > 1,
        ),
        Claim::sometimes(
            "logs-diverge",
            "raft/append/2",
            "two logs hold different entries at the same index",
            |model: &Raft, state: &State| {
                let logs = &state.logs[..usize::from(model.bounds.nodes)];
                logs.iter().any(|one| {
                    logs.iter().any(|other| {
                        let shared = one.len().min(other.len());
                        one.prefix(shared) != other.prefix(shared)
                    })
                })
            },
        ),
        Claim::sometimes(
            "truncated",
            "raft/append/3",
            "a leader was elected whose no-op no log holds any more",
            |model: &Raft, state: &State| {
                let logs = &state.logs[..usize::from(model.bounds.nodes)];
                (1..=model.bounds.terms).any(|term| {
                    state.won >> term & 1 != 0
                        && logs.iter().all(|log| (1..=log.len()).all(|index| log.term_at(index) != term))
                })
            },
        ),
        Claim::sometimes(
            "committed-everywhere",
            "raft/commit/3",
            "every server knows a commit",
            |model: &Raft, state: &State| {
                (0..usize::from(model.bounds.nodes)).all(|server| state.commit(server) > 0)
            },
        ),
        Claim::sometimes(
            "committed-by-successor",
            "raft/commit/2",
            "an entry of an earlier term is committed by a later leader (Figure 8 (e))",
            |_, state: &State| {
                (1..=state.committed.len())
                    .any(|index| state.committed.term_at(index) < state.committed_in(index))
            },
        ),
        Claim::leads_to(
            "leader-elected",
            "raft/live/1",
            "once the network is stable, some server leads and all the others follow it",
            |_, state: &State| state.is_stable(),
            |model: &Raft, state: &State| leaders(model, state).any(|leader| followed(model, state, leader)),
        ),
        Claim::leads_to(
            "log-committed",
            "raft/live/2",
            "once the network is stable, some leader's whole log is committed",
            |_, state: &State| state.is_stable(),
            |model: &Raft, state: &State| {
                leaders(model, state).any(|leader| {
                    followed(model, state, leader) && state.commit(leader) == state.logs[leader].len()
                })
            },
        ),
        Claim::leads_to(
            "logs-converge",
            "raft/live/3",
            "once the network is stable, all servers hold the same log and know how far it is committed",
            |_, state: &State| state.is_stable(),
            |model: &Raft, state: &State| {
                leaders(model, state).any(|leader| {
                    followed(model, state, leader)
                        && (0..usize::from(model.bounds.nodes)).all(|server| {
                            state.logs[server] == state.logs[leader]
                                && state.commit(server) == state.commit(leader)
                        })
                })
            },
        ),
    ]
}

/// The servers that lead now.
fn leaders<'a>(model: &Raft, state: &'a State) -> impl Iterator<Item = usize> + 'a {
    (0..usize::from(model.bounds.nodes)).filter(|&server| state.role(server) == Role::Leader)
}

/// Whether every server is in the term of `leader`.
fn followed(model: &Raft, state: &State, leader: usize) -> bool {
    (0..usize::from(model.bounds.nodes)).all(|server| state.term(server) == state.term(leader))
}

/// Whether a leader holds what was committed in terms before its own.
fn complete(state: &State, leader: usize) -> bool {
    (1..=state.committed.len()).all(|index| {
        state.committed_in(index) >= state.term(leader)
            || state.committed.get(index) == state.logs[leader].get(index)
    })
}

/// The last index at which the terms agree settles it: what matches up to there matches below.
fn match_up(one: Log, other: Log) -> bool {
    let shared = one.len().min(other.len());
    (1..=shared)
        .rev()
        .find(|&index| one.term_at(index) == other.term_at(index))
        .is_none_or(|index| one.prefix(index) == other.prefix(index))
}
