//! Replicas over simulated disks and a network that loses, delays and reorders: a world from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::Bytes;
use highwater_core::Dice;
use highwater_log::disk::{Loss, SimulatedDisk};
use highwater_quorum::{
    Committed, Config, Epoch, Input, Instant, NodeId, Offset, Output, ProposeError, Replica, Request,
    Response, StateMachine, Token,
};

/// Remembers all records.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Journal(pub(crate) Vec<String>);

impl StateMachine for Journal {
    /// How many there are.
    type Answer = usize;

    fn apply(&mut self, _offset: Offset, _epoch: Epoch, record: &[u8]) -> usize {
        self.0.push(String::from_utf8_lossy(record).into_owned());
        self.0.len()
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.iter().try_for_each(|record| writeln!(out, "{record}"))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Self> {
        Ok(Self(io::read_to_string(from)?.lines().map(str::to_owned).collect()))
    }
}

pub(crate) type Proposed = Result<Committed<usize>, ProposeError>;

#[derive(Debug)]
enum Mail {
    Request { from: i32, correlation: u64, request: Request },
    Response { correlation: u64, response: Response, bytes: Bytes },
    Flush,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) dice: Dice,
    pub(crate) config: Config,
    pub(crate) disks: BTreeMap<i32, SimulatedDisk>,
    pub(crate) replicas: BTreeMap<i32, Replica<SimulatedDisk, Journal>>,
    /// Members that hear nothing and are not heard.
    pub(crate) cut: BTreeSet<i32>,
    /// The log of this member is not flushed, though it wants to be.
    pub(crate) unflushed: Option<i32>,
    /// Of a hundred messages so many are lost.
    pub(crate) loss: u64,
    pub(crate) proposed: BTreeMap<Token, Proposed>,
    /// What was read: how many records there were.
    pub(crate) read: BTreeMap<Token, Result<usize, ProposeError>>,
    pub(crate) stopped: BTreeMap<i32, String>,
    mail: BTreeMap<(Instant, u64), (i32, Mail)>,
    callers: BTreeMap<Token, (i32, u64)>,
    last: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config { snapshot_bytes: 1 << 30, ..Config::new("world", 1, [1, 2, 3]) };
        Self::configured(seed, config)
    }

    pub(crate) fn configured(seed: u64, config: Config) -> Self {
        let mut world = Self {
            now: Instant(0),
            dice: Dice::new(seed),
            config,
            disks: BTreeMap::new(),
            replicas: BTreeMap::new(),
            cut: BTreeSet::new(),
            unflushed: None,
            loss: 0,
            proposed: BTreeMap::new(),
            read: BTreeMap::new(),
            stopped: BTreeMap::new(),
            mail: BTreeMap::new(),
            callers: BTreeMap::new(),
            last: 0,
        };
        for id in [1, 2, 3] {
            let disk = SimulatedDisk::new(seed ^ id as u64);
            Replica::<_, Journal>::format(&world.config_of(id), &disk).expect("a blank disk");
            world.disks.insert(id, disk);
            world.start(id);
        }
        world
    }

    pub(crate) fn config_of(&self, id: i32) -> Config {
        Config { id: NodeId(id), ..self.config.clone() }
    }

    pub(crate) fn start(&mut self, id: i32) {
        let (disk, seed) = (self.disks[&id].clone(), self.dice.roll());
        let opened = Replica::open(self.config_of(id), disk, Journal::default(), seed, self.now);
        self.replicas.insert(id, opened.expect("a disk of its own"));
        self.pump(id);
    }

    /// The process dies, and the disk loses what it may.
    pub(crate) fn crash(&mut self, id: i32, loss: Loss) {
        self.replicas.remove(&id);
        self.disks[&id].crash(loss);
        // What it was to flush, nobody does any more.
        self.mail.retain(|_, (to, mail)| *to != id || !matches!(mail, Mail::Flush));
    }

    fn token(&mut self) -> Token {
        self.last += 1;
        self.last
    }

    pub(crate) fn propose(&mut self, id: i32, record: &str) -> Token {
        let token = self.token();
        let record = Bytes::from(record.to_owned());
        self.handle(id, Input::Propose { token, record });
        token
    }

    pub(crate) fn ask_to_read(&mut self, id: i32) -> Token {
        let token = self.token();
        self.handle(id, Input::Read { token });
        token
    }

    pub(crate) fn handle(&mut self, id: i32, input: Input) {
        let now = self.now;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.handle(now, input);
            self.pump(id);
        }
    }

    fn post(&mut self, from: i32, to: i32, mail: Mail) {
        let is_flush = matches!(mail, Mail::Flush);
        let is_cut = self.cut.contains(&from) || self.cut.contains(&to);
        if !is_flush && (is_cut || self.dice.below(100) < self.loss) {
            return;
        }
        let at = self.now + Duration::from_micros(100 + self.dice.below(15_000));
        let number = self.token();
        self.mail.insert((at, number), (to, mail));
    }

    fn pump(&mut self, id: i32) {
        while let Some(output) = self.replicas.get_mut(&id).and_then(Replica::poll) {
            match output {
                Output::Send { to, correlation, request } => {
                    self.post(id, to.0, Mail::Request { from: id, correlation, request });
                }
                Output::Reply { token, response, bytes } => {
                    let (to, correlation) = self.callers.remove(&token).expect("answered once");
                    self.post(id, to, Mail::Response { correlation, response, bytes });
                }
                Output::Flush if self.unflushed == Some(id) => {}
                Output::Flush => self.post(id, id, Mail::Flush),
                Output::Proposed { token, result } => {
                    assert!(self.proposed.insert(token, result).is_none(), "answered twice");
                }
                Output::Readable { token, result } => {
                    let machine = self.replicas[&id].machine();
                    let earlier = self.read.insert(token, result.map(|()| machine.0.len()));
                    assert!(earlier.is_none(), "answered twice");
                }
                Output::Report(_) => {}
                Output::Stopped(why) => {
                    self.stopped.insert(id, why);
                }
            }
        }
    }

    /// The next that happens.
    pub(crate) fn step(&mut self) {
        let deadlines = self.replicas.iter().filter_map(|(id, replica)| Some((replica.deadline()?, *id)));
        let (deadline, id) = deadlines.min().unwrap_or((Instant(u64::MAX), 0));
        match self.mail.first_entry() {
            Some(first) if first.key().0 <= deadline => {
                let ((at, _), (to, mail)) = first.remove_entry();
                self.now = self.now.max(at);
                self.deliver(to, mail);
            }
            _ => {
                assert!(self.replicas.contains_key(&id), "nothing can happen any more");
                self.now = self.now.max(deadline);
                self.replicas.get_mut(&id).expect("it was just found").elapse(self.now);
                self.pump(id);
            }
        }
    }

    fn deliver(&mut self, to: i32, mail: Mail) {
        match mail {
            Mail::Request { from, correlation, request } => {
                let token = self.token();
                self.callers.insert(token, (from, correlation));
                self.handle(to, Input::Request { token, request });
            }
            Mail::Response { correlation, response, bytes } => {
                self.handle(to, Input::Response { correlation, response, bytes });
            }
            Mail::Flush => {
                let now = self.now;
                if let Some(replica) = self.replicas.get_mut(&to) {
                    replica.flush(now);
                    self.pump(to);
                }
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Goes on until that is so, which has to come about within a minute of the world's time.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !is_so(self) {
            assert!(self.now < end, "{what}: not within a minute");
            self.step();
        }
    }

    /// Goes on until a member leads, and says which.
    pub(crate) fn leader(&mut self) -> i32 {
        let serving = |world: &Self| {
            let serves = |(id, replica): (&i32, &Replica<_, _>)| {
                (replica.status().serves && !world.cut.contains(id)).then_some(*id)
            };
            world.replicas.iter().find_map(serves)
        };
        self.until("a leader", |world| serving(world).is_some());
        serving(self).expect("just seen")
    }

    /// Proposes at the leader and goes on until that is answered.
    pub(crate) fn try_to_commit(&mut self, record: &str) -> Proposed {
        let leader = self.leader();
        let token = self.propose(leader, record);
        self.until("an answer", |world| world.proposed.contains_key(&token));
        self.proposed[&token]
    }

    /// As that, where nothing disturbs the leader.
    pub(crate) fn commit(&mut self, record: &str) -> Committed<usize> {
        self.try_to_commit(record).expect("a leader that is not disturbed")
    }

    pub(crate) fn records(&self, id: i32) -> &[String] {
        &self.replicas[&id].machine().0
    }

    /// Goes on until all have applied the same, that many records.
    pub(crate) fn agree(&mut self, count: usize) {
        self.until("agreement", |world| {
            let ids = [1, 2, 3];
            ids.iter().all(|id| {
                world.replicas.contains_key(id)
                    && world.records(*id).len() == count
                    && world.records(*id) == world.records(1)
            })
        });
    }
}
