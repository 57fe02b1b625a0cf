//! The language of the transcripts in `tests/scripts/quorum`.
//!
//! | command | does |
//! |---|---|
//! | `cluster voters=3 observers=0 pre-vote=false timed=false batch=N` | starts that many nodes, n1 and on, with blank disks |
//! | `campaign n1` | its election or fetch timeout runs out |
//! | `expire n1 TIMER` | that timer runs out |
//! | `elapse MS` | time passes, with the timers that run out in it; nothing is delivered |
//! | `run MS` | the same, and messages arrive at once |
//! | `deliver FROM TO KIND` | what is in flight of that, in order; each part may be left out, `_` stands for any node |
//! | `drop`, `fail`, `duplicate` | the same, but lost; lost, and the sender learns it; delivered, and still in flight |
//! | `settle` | delivers until nothing is in flight |
//! | `append n1 x y` | records of the state machine |
//! | `ask n1 n2 epoch=E end=OFFSET@EPOCH` | a vote request of n2 comes to n1, from when n2 was a candidate |
//! | `resign n1`, `crash n1`, `start n1`, `wipe n1` | what they say; a crash loses what is not flushed |
//! | `slow n1`, `flush n1` | flushes happen only when told to; now |
//! | `snapshot n1 END`, `forget n1 START` | the state machine's snapshot; the log lets go of what is before |
//! | `isolate n1`, `heal n1` | whatever comes from or goes to it is lost when it would be delivered |
//! | `network`, `status` | what is in flight; what each node is and has |
//!
//! `A -> B` is a message that arrives, `A -x B` one that is lost; what follows from it is indented. A record is
//! `offset:value@epoch`, the end of a log `offset@epoch`. Every command is followed by a check of all claims.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use goldenscript::{Command, Context, Runner};
use highwater_core::NodeId;
use highwater_core::quorum::{Input, Request, Rules, Timer, VoteRequest};

use crate::show;
use crate::world::{Body, Envelope, World, cluster};

/// Runs every script of the folder, each in a world of its own.
#[test]
fn transcripts() {
    let folder = Path::new("tests/scripts/quorum");
    let mut scripts: Vec<_> =
        folder.read_dir().expect("the scripts").map(|entry| entry.expect("a file").path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 20, "only {} scripts are there", scripts.len());
    let mut failures = String::new();
    for script in scripts {
        let mut player = Player { world: World::new(Rules::default()) };
        if let Err(error) = goldenscript::run(&mut player, &script) {
            writeln!(failures, "{}: {error}", script.display()).expect("a string takes all");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Plays a script, whatever it puts out. The world at its end, or why it got no further.
#[cfg(feature = "flaws")]
pub(crate) fn play(rules: Rules, script: &str) -> Result<World, String> {
    let mut player = Player { world: World::new(rules) };
    match goldenscript::generate(&mut player, script) {
        Ok(_) => Ok(player.world),
        Err(error) => Err(error.to_string()),
    }
}

struct Player {
    world: World,
}

impl Runner for Player {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Box<dyn Error>> {
        self.world.story = Some(String::new());
        self.play(command)?;
        self.world.check()?;
        Ok(self.world.story.take().unwrap_or_default())
    }
}

impl Player {
    fn play(&mut self, command: &Command) -> Result<(), Box<dyn Error>> {
        let mut args = command.consume_args();
        let world = &mut self.world;
        match command.name.as_str() {
            "cluster" => {
                let mut number = |key: &str, default: i32| -> Result<i32, Box<dyn Error>> {
                    Ok(args.take_key(key).map_or(Ok(default), str::parse)?)
                };
                let (voters, observers) = (number("voters", 3)?, number("observers", 0)?);
                let batch = number("batch", i32::MAX)?;
                let pre_vote = args.take_key("pre-vote") == Some("true");
                let timed = args.take_key("timed") == Some("true");
                let story = world.story.take();
                *world = cluster(world.rules, voters, observers, |config| {
                    if timed {
                        let (me, voters) = (config.me, std::mem::take(&mut config.voters));
                        *config = highwater_core::quorum::Config::new(me, voters);
                    }
                    config.pre_vote = pre_vote;
                });
                world.batch = usize::try_from(batch)?;
                world.story = story;
            }
            "campaign" => {
                let id = node(args.next_pos())?;
                let core = world.core(id).ok_or("it is down")?;
                let timer = core.timers().find(|timer| matches!(timer, Timer::Election | Timer::Fetch));
                world.expire(id, timer.ok_or("it does not wait for an election")?);
            }
            "expire" => {
                let id = node(args.next_pos())?;
                let name = args.next_pos().ok_or("which timer?")?;
                let core = world.core(id).ok_or("it is down")?;
                let timer = core.timers().find(|timer| format!("{timer:?}").eq_ignore_ascii_case(name));
                world.expire(id, timer.ok_or_else(|| format!("{name} is not armed"))?);
            }
            "elapse" => elapse(world, args.next_pos().ok_or("how long?")?.parse()?, false),
            "run" => elapse(world, args.next_pos().ok_or("how long?")?.parse()?, true),
            "settle" => settle(world),
            "deliver" | "drop" | "fail" | "duplicate" => {
                let chosen = Choice::parse(&mut args)?;
                let mut index = 0;
                let mut left = world.network.len();
                let mut any = false;
                while left > 0 {
                    left -= 1;
                    if !chosen.takes(&world.network[index]) {
                        index += 1;
                        continue;
                    }
                    any = true;
                    match command.name.as_str() {
                        "deliver" => world.deliver(index),
                        "drop" => world.lose(index, false),
                        "fail" => world.lose(index, true),
                        _ => {
                            world.duplicate(index);
                            index += 1;
                        }
                    }
                }
                if !any {
                    return Err("nothing like that is in flight".into());
                }
            }
            "append" => {
                let id = node(args.next_pos())?;
                while let Some(value) = args.next_pos() {
                    if !world.append(id, Some(value)) {
                        return Err("it does not lead".into());
                    }
                }
            }
            "ask" => {
                let (voter, candidate) = (node(args.next_pos())?, node(args.next_pos())?);
                let epoch = args.take_key("epoch").ok_or("of which epoch?")?.parse()?;
                let end =
                    args.take_key("end").and_then(|end| end.split_once('@')).ok_or("with which log?")?;
                let key =
                    |id: NodeId| world.members.get(&id).map(|member| member.config.me).ok_or("no such node");
                let request = VoteRequest {
                    epoch,
                    candidate: key(candidate)?,
                    voter: key(voter)?,
                    last_epoch: end.1.parse()?,
                    last_offset: end.0.parse()?,
                    pre_vote: false,
                };
                let body = Body::Request(Request::Vote(request));
                world.network.push(Envelope { from: candidate, to: voter, body });
                world.deliver(world.network.len() - 1);
            }
            "resign" => world.input(node(args.next_pos())?, Input::Resign),
            "crash" => world.crash(node(args.next_pos())?),
            "start" => world.start(node(args.next_pos())?)?,
            "wipe" => world.wipe(node(args.next_pos())?),
            "slow" => world.member(node(args.next_pos())?).slow_disk = true,
            "flush" => world.flush(node(args.next_pos())?),
            "snapshot" => {
                world.take_snapshot(node(args.next_pos())?, args.next_pos().ok_or("to where?")?.parse()?)
            }
            "forget" => {
                world.forget_before(node(args.next_pos())?, args.next_pos().ok_or("from where?")?.parse()?)
            }
            "isolate" => {
                world.isolated.insert(node(args.next_pos())?);
            }
            "heal" => {
                world.isolated.remove(&node(args.next_pos())?);
            }
            "network" => {
                let lines: Vec<String> =
                    world.network.iter().map(|envelope| show::envelope(envelope, "..")).collect();
                write!(world.story.get_or_insert_default(), "{}", lines.join("\n"))?;
            }
            "status" => {
                let status = world.status();
                write!(world.story.get_or_insert_default(), "{status}")?;
            }
            other => return Err(format!("no command {other}").into()),
        }
        args.reject_next()
    }
}

/// Which messages are meant.
struct Choice {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
}

impl Choice {
    fn parse(args: &mut goldenscript::ArgumentConsumer<'_>) -> Result<Self, Box<dyn Error>> {
        let mut choice = Self { from: None, to: None, kind: None };
        let mut place = 0;
        while let Some(arg) = args.next_pos() {
            if arg.starts_with(char::is_uppercase) {
                choice.kind = Some(arg.to_owned());
                continue;
            }
            let id = if arg == "_" { None } else { Some(node(Some(arg))?) };
            match place {
                0 => choice.from = id,
                _ => choice.to = id,
            }
            place += 1;
        }
        Ok(choice)
    }

    fn takes(&self, envelope: &Envelope) -> bool {
        self.from.is_none_or(|from| from == envelope.from)
            && self.to.is_none_or(|to| to == envelope.to)
            && self.kind.as_ref().is_none_or(|kind| kind == show::kind(&envelope.body))
    }
}

fn node(arg: Option<&str>) -> Result<NodeId, Box<dyn Error>> {
    let arg = arg.ok_or("which node?")?;
    let number = arg.strip_prefix('n').ok_or_else(|| format!("{arg} is no node"))?;
    Ok(NodeId(number.parse()?))
}

/// Delivers until nothing is in flight.
pub(crate) fn settle(world: &mut World) {
    for _ in 0..10_000 {
        if world.network.is_empty() {
            return;
        }
        world.deliver(0);
    }
    let tail: Vec<String> = world.network.iter().map(|envelope| show::envelope(envelope, "..")).collect();
    panic!("the network never comes to rest: {tail:?}");
}

/// Lets time pass, and the timers run out that are due in it.
pub(crate) fn elapse(world: &mut World, millis: u64, delivering: bool) {
    let end = world.now + Duration::from_millis(millis);
    loop {
        if delivering {
            settle(world);
        }
        let cores = world.members.values().filter_map(|member| member.quorum.as_ref());
        let due = cores.filter_map(|core| core.deadline()).min().filter(|&due| due <= end);
        let Some(due) = due else { break };
        world.now = world.now.max(due);
        let ids: Vec<NodeId> = world.members.keys().copied().collect();
        for id in ids {
            if world.core(id).and_then(|core| core.deadline()).is_some_and(|deadline| deadline <= world.now) {
                world.elapse(id);
            }
        }
    }
    world.now = end;
}
