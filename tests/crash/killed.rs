//! `kill -9` of leaders.

use std::time::Duration;

use crate::cluster::{Nodes, PARTITIONS, on_loopback};
use crate::ending::end;
use crate::load::{Load, Manner};
use crate::story::{Story, effort, leaders, quorum_leader};

/// How long leaders are killed, in seconds, for each unit of effort.
const SECONDS: u64 = 6;

/// So many are killed in any case, for each unit of effort.
const KILLS_MIN: u32 = 4;

#[test]
fn leaders_killed_at_random_lose_duplicate_and_reorder_nothing() {
    // What is asked for at least takes as long as it takes on a machine that is busy.
    let bound = Duration::from_secs(120 + 20 * SECONDS * u64::from(effort()));
    Story::tell(bound, async |mut story| {
        let mut nodes = Nodes::serving(on_loopback()).await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        let (mut kills, mut changes) = (0, 0);
        let lasts = Duration::from_secs(SECONDS * u64::from(effort()));
        while story.elapsed() < lasts || kills < KILLS_MIN * effort() {
            let before = leaders(&mut nodes).await;
            let which = story.dice.usize(..=before.len());
            let victim = match before.get(which) {
                Some(partition) => partition.leader,
                None => quorum_leader(&mut nodes).await.0,
            };
            story.say(&format!("kill {victim}, leader of {}", about(which)));
            nodes.kill(victim);
            kills += 1;
            story.pause(0..2_500).await;
            // Now and then the next one, before the first is back: all that were acknowledged are on the third, too, or come back.
            if story.dice.u32(..4) == 0 {
                let awake = nodes.awake();
                let second = story.one_of(&awake);
                story.say(&format!("kill {second} as well"));
                nodes.kill(second);
                kills += 1;
                story.pause(0..1_000).await;
            }
            for id in nodes.dead() {
                story.say(&format!("start {id}"));
                nodes.start(id);
            }
            load.goes_on(&mut nodes, 20).await;
            let after = leaders(&mut nodes).await;
            changes +=
                before.iter().zip(&after).filter(|(before, after)| before.leader != after.leader).count();
        }
        story.say(&format!("{kills} kills, {changes} changes of leaders"));
        end(&story, &mut nodes, load, 100 * usize::try_from(kills).expect("few")).await;
        assert!(changes >= 2, "leaders changed {changes} times only");
    });
}

fn about(which: usize) -> String {
    if which < usize::try_from(PARTITIONS).expect("few") {
        format!("partition {which}")
    } else {
        "the quorum".to_owned()
    }
}
