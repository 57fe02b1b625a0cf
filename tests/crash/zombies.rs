//! Nodes that are stopped for longer than anyone waits for them, and then go on as if nothing had happened.

use std::time::Duration;

use crate::cluster::{Nodes, on_loopback};
use crate::ending::end;
use crate::load::{Load, Manner};
use crate::story::{Story, all_in_sync, effort, leaders, quorum_leader, until};

/// How often, for each unit of effort.
const ROUNDS: u32 = 1;

/// The bound of a story of so many rounds. A round takes some seconds, on a machine that is busy some more.
fn bound() -> Duration {
    Duration::from_secs(120 + 90 * u64::from(ROUNDS * effort()))
}

#[test]
fn zombies_that_led_partitions_lose_duplicate_and_reorder_nothing() {
    Story::tell(bound(), async |mut story| {
        let mut nodes = Nodes::serving(on_loopback()).await;
        // The careless are those whom a zombie may tell that it has written what it then has to cut off.
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty, Manner::Careless]).await;
        load.goes_on(&mut nodes, 50).await;
        for _ in 0..ROUNDS * effort() {
            let before = leaders(&mut nodes).await;
            let zombie = story.one_of(&before.iter().map(|partition| partition.leader).collect::<Vec<_>>());
            story.say(&format!("stop {zombie}, a leader"));
            nodes.pause(zombie);
            // Only leaders that are awake are believed in.
            let led = before.iter().zip(0..).filter(|(partition, _)| partition.leader == zombie);
            let led: Vec<usize> = led.map(|(_, at)| at).collect();
            let after = until(&mut nodes, "others lead", async |nodes| nodes.beliefs().await).await;
            for at in led {
                assert!(after[at].epoch > before[at].epoch, "{:?}, then {:?}", before[at], after[at]);
            }
            load.goes_on(&mut nodes, 50).await;
            story.pause(0..1_000).await;
            story.say(&format!("{zombie} goes on"));
            nodes.resume(zombie);
            all_in_sync(&mut nodes).await;
            load.goes_on(&mut nodes, 20).await;
        }
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn zombie_that_led_the_quorum_follows_and_nothing_is_lost() {
    Story::tell(bound(), async |story| {
        let mut nodes = Nodes::serving(on_loopback()).await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        for _ in 0..ROUNDS * effort() {
            let (zombie, epoch) = quorum_leader(&mut nodes).await;
            story.say(&format!("stop {zombie}, leader of the quorum in epoch {epoch}"));
            nodes.pause(zombie);
            let (next, later) = until(&mut nodes, "another leads", async |nodes| nodes.quorum().await).await;
            assert!(later > epoch, "{next} leads in epoch {later}");
            load.goes_on(&mut nodes, 50).await;
            story.say(&format!("{zombie} goes on; {next} leads in epoch {later}"));
            nodes.resume(zombie);
            all_in_sync(&mut nodes).await;
            let (leader, now) = quorum_leader(&mut nodes).await;
            assert!(leader != zombie || now > later, "{zombie} leads in epoch {now}, {next} led in {later}");
            load.goes_on(&mut nodes, 20).await;
        }
        end(&story, &mut nodes, load, 300).await;
    });
}
