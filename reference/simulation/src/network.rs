//! The network: who reaches whom, how long a message takes, what it meets with.

use highwater_core::Dice;
use rustc_hash::FxHashMap;

use crate::chance::{Draw, Purpose, keyed};
use crate::scenario::{Mischief, MischiefKind, Rates, Shape, Subject, draw_mischief};

/// The links between nodes, by index.
#[derive(Debug)]
pub(crate) struct Network {
    seed: u64,
    nodes: usize,
    ids: Vec<i32>,
    delay_us: (u64, u64),
    /// Cuts on the way from one node to another; it is open at 0.
    cuts: Vec<u32>,
    /// Messages sent on that way so far.
    sent: Vec<u64>,
    source: Source,
    /// Nothing goes astray yet.
    leashed: bool,
}

/// Where mischief comes from.
#[derive(Debug)]
enum Source {
    /// Drawn by rates; what was drawn is kept.
    Rates(Box<Rates>, Vec<Mischief>),
    /// Written.
    Script(FxHashMap<(usize, usize, u64), MischiefKind>),
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passage {
    /// It takes so long.
    pub(crate) delay_us: u64,
    /// What it meets with.
    pub(crate) mischief: Option<MischiefKind>,
}

impl Network {
    pub(crate) fn new(seed: u64, shape: &Shape, script: Option<&[Mischief]>) -> Self {
        let ids: Vec<i32> = shape.nodes.iter().map(|node| node.id).collect();
        let nodes = ids.len();
        let index = |id: i32| ids.iter().position(|&known| known == id);
        let source = match script {
            None => Source::Rates(Box::new(shape.rates.clone()), Vec::new()),
            Some(written) => Source::Script(
                written
                    .iter()
                    .filter_map(|m| Some(((index(m.from)?, index(m.to)?, m.number), m.kind)))
                    .collect(),
            ),
        };
        Self {
            seed,
            nodes,
            delay_us: (shape.network.delay_us_min, shape.network.delay_us_max),
            cuts: vec![0; nodes * nodes],
            sent: vec![0; nodes * nodes],
            ids,
            source,
            leashed: true,
        }
    }

    /// Opens or closes the ways from these nodes to those once more.
    pub(crate) fn cut(&mut self, from: &[usize], to: &[usize], cut: bool) {
        for &from in from {
            for &to in to.iter().filter(|&&to| to != from) {
                let count = &mut self.cuts[from * self.nodes + to];
                *count = if cut { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }

    /// Whether messages pass.
    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        self.cuts[from * self.nodes + to] == 0
    }

    /// The passage of the next message on a way.
    pub(crate) fn send(&mut self, from: usize, to: usize, subject: Subject) -> Passage {
        let way = from * self.nodes + to;
        let number = self.sent[way];
        self.sent[way] += 1;
        let mut dice = keyed(self.seed, Purpose::Message, way as u64, number);
        let delay_us = self.delay(&mut dice);
        if self.leashed {
            return Passage { delay_us, mischief: None };
        }
        let mischief = match &mut self.source {
            Source::Script(written) => written.get(&(from, to, number)).copied(),
            Source::Rates(rates, drawn) => {
                let kind = draw_mischief(&mut dice, rates, subject);
                if let Some(kind) = kind {
                    drawn.push(Mischief { from: self.ids[from], to: self.ids[to], number, kind });
                }
                kind
            }
        };
        Passage { delay_us, mischief }
    }

    /// Between a client and a node nothing is lost but with the node: how long a message takes.
    pub(crate) fn client_delay(&self, client: u64, number: u64) -> u64 {
        let mut dice = keyed(self.seed, Purpose::Clients, client, number);
        self.delay(&mut dice)
    }

    fn delay(&self, dice: &mut Dice) -> u64 {
        dice.between(self.delay_us.0, self.delay_us.1)
    }

    /// From now on messages go astray; they are counted anew.
    pub(crate) fn unleash(&mut self) {
        self.leashed = false;
        self.sent.fill(0);
    }

    /// Heals everything, for good.
    pub(crate) fn heal(&mut self) {
        self.cuts.fill(0);
        self.leashed = true;
    }

    /// What was drawn so far.
    pub(crate) fn drawn(&self) -> &[Mischief] {
        match &self.source {
            Source::Rates(_, drawn) => drawn,
            Source::Script(_) => &[],
        }
    }
}
