//! Random small graphs, and the same answers found another way.

use std::collections::{BTreeMap, BTreeSet};

use super::models::Drawing;
use super::{claim, verdict, walk_of};
use crate::check::{ClaimVerdict, Options, Stop, Verdict, liveness, search};

/// Numbers that look random and are the same on every run (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn some_of(&mut self, nodes: u32, one_in: u64) -> Vec<u32> {
        (0..nodes).filter(|_| self.below(one_in) == 0).collect()
    }

    fn drawing(&mut self) -> Drawing {
        let nodes = 1 + self.below(7) as u32;
        let edges = self.below(2 * u64::from(nodes) + 3);
        let edge = |random: &mut Self| {
            let (from, to) = (random.below(nodes.into()) as u32, random.below(nodes.into()) as u32);
            (from, to, [None, Some(0), Some(1), Some(63)][random.below(4) as usize])
        };
        Drawing {
            initial: vec![0, self.below(nodes.into()) as u32],
            edges: (0..edges).map(|_| edge(self)).collect(),
            owes: self.some_of(nodes, 2),
            pays: self.some_of(nodes, 4),
            bad: self.some_of(nodes, 6),
            seen: self.some_of(nodes, 6),
            ends: self.some_of(nodes, 2),
            boundary: (self.below(4) == 0).then_some(nodes.max(2) - 1),
        }
    }
}

/// The steps to each reachable node, by relaxation until nothing changes.
fn distances(drawing: &Drawing) -> BTreeMap<u32, usize> {
    let inside = |node: &u32| drawing.boundary.is_none_or(|boundary| *node < boundary);
    let mut distances: BTreeMap<u32, usize> =
        drawing.initial.iter().copied().filter(inside).map(|node| (node, 0)).collect();
    loop {
        let before = distances.clone();
        for (from, to, _) in &drawing.edges {
            if let Some(&distance) = distances.get(from)
                && inside(to)
            {
                let known = distances.entry(*to).or_insert(distance + 1);
                *known = (*known).min(distance + 1);
            }
        }
        if before == distances {
            return distances;
        }
    }
}

fn classes(drawing: &Drawing, from: u32) -> BTreeSet<u8> {
    let leaves = drawing.edges.iter().filter(|edge| edge.0 == from && edge.1 != from);
    leaves.filter_map(|edge| edge.2).collect()
}

/// Whether a behaviour may visit all of `nodes`, and nothing else, again and again, fairly.
fn may_go_on_in(drawing: &Drawing, nodes: &BTreeSet<u32>) -> bool {
    let inner: Vec<_> = drawing
        .edges
        .iter()
        .filter(|(from, to, _)| from != to && nodes.contains(from) && nodes.contains(to))
        .collect();
    let reach_all = |start: u32| {
        let mut reached = BTreeSet::from([start]);
        for _ in nodes {
            for (from, to, _) in &inner {
                if reached.contains(from) {
                    reached.insert(*to);
                }
            }
        }
        reached == *nodes
    };
    let taken: BTreeSet<u8> = inner.iter().filter_map(|edge| edge.2).collect();
    let owed = |class: &u8| nodes.iter().all(|node| classes(drawing, *node).contains(class));
    nodes.iter().all(|node| reach_all(*node)) && [0, 1, 63].iter().all(|c| !owed(c) || taken.contains(c))
}

/// Whether the claim is refuted, by trying every set of nodes in which a behaviour might end up.
fn is_refuted(drawing: &Drawing, reachable: &BTreeMap<u32, usize>) -> bool {
    let avoids = |node: &u32| !drawing.pays.contains(node);
    let mut owing: BTreeSet<u32> =
        reachable.keys().copied().filter(|node| drawing.owes.contains(node) && avoids(node)).collect();
    for _ in reachable {
        for (from, to, _) in &drawing.edges {
            if owing.contains(from) && avoids(to) && reachable.contains_key(to) {
                owing.insert(*to);
            }
        }
    }
    let owing: Vec<u32> = owing.into_iter().collect();
    (1u32..1 << owing.len()).any(|set| {
        let nodes = owing.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, node)| *node);
        may_go_on_in(drawing, &nodes.collect())
    })
}

#[test]
fn liveness_agrees_with_trying_every_set_of_nodes() {
    let mut random = Random(1);
    let mut refuted = 0;
    for round in 0..20_000 {
        let drawing = random.drawing();
        let outcome = liveness(&drawing, &Options::default());
        let expected = is_refuted(&drawing, &distances(&drawing));
        assert_eq!(verdict(&outcome, "pays") == ClaimVerdict::Violated, expected, "{round} {drawing:?}");
        if !expected {
            continue;
        }
        refuted += 1;
        let walk = walk_of(&drawing, &outcome, "pays");
        let mut nodes = vec![walk.start];
        nodes.extend(walk.steps.iter().map(|step| step.1));
        let owes_from = (0..nodes.len())
            .rev()
            .take_while(|i| !drawing.pays.contains(&nodes[*i]))
            .filter(|i| drawing.owes.contains(&nodes[*i]))
            .last();
        assert!(owes_from.is_some(), "{round} {drawing:?} {nodes:?}");
        let loop_to = walk.loop_to.unwrap();
        assert!(owes_from.unwrap() <= loop_to, "{round} {drawing:?} {nodes:?}");
        // The loop itself owes nothing: each class is disabled in a state of it or taken by a step of it.
        let cycle: Vec<u32> = nodes[loop_to..].to_vec();
        let taken: BTreeSet<u8> =
            walk.steps[loop_to..].iter().filter_map(|(edge, _)| drawing.edges[*edge].2).collect();
        for class in [0, 1, 63] {
            let owed = cycle.iter().all(|node| classes(&drawing, *node).contains(&class));
            assert!(!owed || taken.contains(&class), "{round} {drawing:?} {nodes:?} {loop_to}");
        }
    }
    assert!((4_000..16_000).contains(&refuted), "{refuted} of 20,000 are one-sided");
}

#[test]
fn search_agrees_with_relaxation() {
    let mut random = Random(2);
    let (mut violated, mut witnessed, mut deadlocked) = (0, 0, 0);
    for round in 0..20_000 {
        let drawing = random.drawing();
        let distances = distances(&drawing);
        let nearest = |label: &[u32]| {
            distances.iter().filter(|(node, _)| label.contains(node)).map(|(_, distance)| *distance).min()
        };
        let options = Options { stop: Stop::Exhausted, witness: Some("seen"), ..Options::default() };
        let outcome = search(&drawing, &options);
        assert_eq!(outcome.unique, distances.len() as u64, "{round}");
        assert_eq!(outcome.depth as usize, distances.values().max().map_or(0, |depth| depth + 1), "{round}");
        let steps = |name: &str| {
            let walk = claim(&outcome, name).walk.as_ref();
            walk.map(|walk| walk.steps.len()).inspect(|_| _ = walk_of(&drawing, &outcome, name))
        };
        assert_eq!(steps("good"), nearest(&drawing.bad), "{round} {drawing:?}");
        assert_eq!(steps("seen"), nearest(&drawing.seen), "{round} {drawing:?}");
        let stuck = |node: &u32| drawing.edges.iter().all(|edge| edge.0 != *node || edge.1 == *node);
        let stuck: Vec<u32> = distances.keys().copied().filter(stuck).collect();
        assert_eq!(outcome.terminal, stuck.len() as u64, "{round} {drawing:?}");
        let deadlocks: Vec<u32> = stuck.into_iter().filter(|node| !drawing.ends.contains(node)).collect();
        assert_eq!(steps("deadlock"), nearest(&deadlocks), "{round} {drawing:?}");
        let holds =
            nearest(&drawing.bad).is_none() && nearest(&drawing.seen).is_some() && deadlocks.is_empty();
        assert_eq!(outcome.verdict == Verdict::Holds, holds, "{round} {drawing:?}");
        violated += u32::from(nearest(&drawing.bad).is_some());
        witnessed += u32::from(nearest(&drawing.seen).is_some());
        deadlocked += u32::from(!deadlocks.is_empty());
    }
    assert!(violated > 2_000 && witnessed > 2_000 && deadlocked > 2_000);
}
