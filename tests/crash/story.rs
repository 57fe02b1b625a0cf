//! How a story is told: with dice from a seed, a bound in time, and what happened, shown if it fails.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::cluster::{Beliefs, Nodes};

/// Nothing that is waited for takes longer, not even on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer than usual: `HIGHWATER_EFFORT=10` for ten times as long.
pub(crate) fn effort() -> u32 {
    std::env::var("HIGHWATER_EFFORT")
        .map_or(1, |effort| effort.parse().expect("HIGHWATER_EFFORT is a number"))
}

/// Dice, and the time.
pub(crate) struct Story {
    pub(crate) dice: fastrand::Rng,
    began: Instant,
}

impl Story {
    /// Tells a story, which must end within `bound`. `HIGHWATER_SEED` repeats its dice, though not what processes make of them.
    pub(crate) fn tell<T: Future<Output = ()>>(bound: Duration, story: impl FnOnce(Self) -> T) {
        let seed = std::env::var("HIGHWATER_SEED")
            .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("HIGHWATER_SEED is a number"));
        println!("dice: HIGHWATER_SEED={seed}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let told = Self { dice: fastrand::Rng::with_seed(seed), began: Instant::now() };
        runtime.expect("a runtime").block_on(async {
            let ended = tokio::time::timeout(bound, story(told)).await;
            assert!(ended.is_ok(), "the story did not end within {} s", bound.as_secs());
        });
    }

    /// How long it goes on by now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Says what happens.
    pub(crate) fn say(&self, what: &str) {
        println!("{:8.3} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.dice.usize(..choice.len())]
    }

    /// Lets some time pass, as the dice say.
    pub(crate) async fn pause(&mut self, ms: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.dice.u64(ms))).await;
    }
}

/// Waits until something is so. A node that ends by itself meanwhile fails the test.
pub(crate) async fn until<T>(
    nodes: &mut Nodes,
    what: &str,
    mut found: impl AsyncFnMut(&mut Nodes) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        nodes.assert_alive();
        if let Some(found) = found(nodes).await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain waited {} s until {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every replica is in its ISR, as all nodes believe.
pub(crate) async fn all_in_sync(nodes: &mut Nodes) {
    until(nodes, "all replicas are in sync", async |nodes| nodes.in_sync().await).await;
}

/// Waits until every partition has a leader who is awake; what is believed then.
pub(crate) async fn leaders(nodes: &mut Nodes) -> Beliefs {
    until(nodes, "all partitions have leaders", async |nodes| nodes.beliefs().await).await
}

/// Waits until the quorum has a leader; who, and in which epoch.
pub(crate) async fn quorum_leader(nodes: &mut Nodes) -> (i32, i32) {
    until(nodes, "the quorum has a leader", async |nodes| nodes.quorum().await).await
}
