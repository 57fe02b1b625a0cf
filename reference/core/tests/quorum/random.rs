//! Random schedules against the claims: a small stand-in for the simulation, which knows far more faults.

use highwater_core::Dice;
use highwater_core::NodeId;
use highwater_core::quorum::{Config, Input, Quorum, Rules, Timer};

use crate::script::elapse;
use crate::world::{Violation, World, cluster};

/// Random steps, then a stable network with all nodes up: within a minute all must follow one leader and have what it appends.
pub(crate) fn converge(
    rules: Rules,
    seed: u64,
    voters: i32,
    observers: i32,
    steps: u32,
) -> Result<(), Violation> {
    let mut world = match wander(rules, seed, voters, observers, steps, false) {
        Ok(world) => world,
        Err((step, violation)) => return Err(format!("step {step}: {violation}")),
    };
    let ids: Vec<NodeId> = world.members.keys().copied().collect();
    for &id in &ids {
        let member = world.member(id);
        member.slow_disk = false;
        let timed = Config {
            pre_vote: member.config.pre_vote,
            ..Config::new(member.config.me, member.config.voters.clone())
        };
        let is_new = member.config != timed;
        member.config = timed;
        if is_new && world.core(id).is_some() {
            world.crash(id);
        }
        if world.core(id).is_none() {
            world.start(id).expect("what was saved is in order");
        }
        world.flush(id);
    }
    elapse(&mut world, 8_000, true);
    let leaders: Vec<NodeId> =
        ids.iter().copied().filter(|&id| world.core(id).is_some_and(Quorum::is_active)).collect();
    let [leader] = leaders[..] else { return Err(format!("liveness: {leaders:?} lead\n{}", world.status())) };
    world.append(leader, None);
    elapse(&mut world, 10, true);
    let end = world.core(leader).and_then(Quorum::high_watermark);
    for id in ids {
        let core = world.core(id).expect("it is up");
        if core.leader() != Some(leader) || core.high_watermark() != end || Some(core.log().end()) != end {
            return Err(format!("liveness: {id} does not keep up\n{}", world.status()));
        }
    }
    world.check()
}

/// Takes random steps. What was violated, at which step.
pub(crate) fn wander(
    rules: Rules,
    seed: u64,
    voters: i32,
    observers: i32,
    steps: u32,
    wipes: bool,
) -> Result<World, (u32, Violation)> {
    let mut dice = Dice::new(seed);
    let pre_vote = dice.below(3) == 0;
    let timed = dice.below(2) == 0;
    let mut world = cluster(rules, voters, observers, |config| {
        if timed {
            *config = Config::new(config.me, config.voters.clone());
        }
        config.pre_vote = pre_vote;
    });
    world.batch = 1 + dice.below(3) as usize;
    for member in world.members.values_mut() {
        member.slow_disk = dice.below(2) == 0;
    }
    let wipes = wipes && dice.below(8) == 0;
    for step in 0..steps {
        take_step(&mut world, &mut dice, voters + observers, wipes);
        world.check().map_err(|violation| (step, violation))?;
    }
    Ok(world)
}

fn take_step(world: &mut World, dice: &mut Dice, nodes: i32, wipes: bool) {
    let id = NodeId(1 + dice.below(nodes as u64) as i32);
    let messages = world.network.len();
    let index = if messages == 0 { 0 } else { dice.below(messages as u64) as usize };
    let up = world.core(id).is_some();
    match dice.below(100) {
        0..70 if messages > 0 => world.deliver(index),
        70..72 if messages > 0 => world.duplicate(index),
        72..76 if messages > 0 => world.lose(index, dice_even(index)),
        76..82 if up => {
            let timers: Vec<Timer> = world.core(id).expect("it is up").timers().collect();
            if !timers.is_empty() {
                let timer = timers[dice.below(timers.len() as u64) as usize];
                world.expire(id, timer);
            }
        }
        82..88 => {
            world.append(id, None);
        }
        88..94 => world.flush(id),
        94..95 if up => world.input(id, Input::Resign),
        95..97 if up => world.crash(id),
        97..99 if !up => world.start(id).expect("what was saved is in order"),
        99 if !up && wipes => world.wipe(id),
        99 if up => {
            let high_watermark = world.core(id).and_then(|quorum| quorum.high_watermark()).unwrap_or(0);
            if high_watermark > 0 && dice.below(2) == 0 {
                world.take_snapshot(id, high_watermark);
                world.forget_before(id, high_watermark);
            }
        }
        _ => {}
    }
    if messages > 40 {
        world.network.remove(0);
    }
}

fn dice_even(index: usize) -> bool {
    index.is_multiple_of(2)
}
