//! Messages between nodes, kept back one by one.

use super::{Delivery, Letter, Stage};
use crate::Violation;
use crate::world::Way;

impl Stage {
    /// The next message of this kind that would arrive from one node at another is kept back, until it is delivered or lost.
    pub fn hold(&mut self, letter: Letter, from: i32, to: i32) {
        if let Some(way) = self.way(letter, from, to) {
            self.world.hold(way);
        }
    }

    /// The next message of this kind that arrives from one node at another leaves a copy, which is kept back.
    pub fn copy(&mut self, letter: Letter, from: i32, to: i32) {
        if let Some(way) = self.way(letter, from, to) {
            self.world.copy(way);
        }
    }

    /// How many of these are kept back.
    pub fn kept(&self, letter: Letter, from: i32, to: i32) -> usize {
        self.way(letter, from, to).map_or(0, |way| self.world.kept(way))
    }

    /// The oldest of these that is kept back is lost; whether there was one.
    pub fn lose(&mut self, letter: Letter, from: i32, to: i32) -> bool {
        self.way(letter, from, to).is_some_and(|way| self.world.lose(way))
    }

    /// The oldest of these that is kept back arrives, whatever has become of its sender and the link between the two.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn deliver(&mut self, letter: Letter, from: i32, to: i32) -> Result<Delivery, Violation> {
        let Some(way) = self.way(letter, from, to) else { return Ok(Delivery::NoneKept) };
        self.act(|world| world.deliver(way))
    }

    fn way(&self, letter: Letter, from: i32, to: i32) -> Option<Way> {
        Some(Way { letter, from: self.index(from)?, to: self.index(to)? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::Tail;
    use crate::stage::Cast;

    /// n3 is the controller.
    fn stage() -> Stage {
        let cast = Cast {
            nodes: vec![1, 2, 3],
            controllers: vec![3],
            seed: 1,
            flaw: None,
            min_insync_replicas: 1,
            unclean: false,
        };
        Stage::new(&cast).expect("a cluster")
    }

    fn wait_for(stage: &mut Stage, letter: Letter, from: i32, to: i32) {
        for _ in 0..100 {
            if stage.kept(letter, from, to) > 0 {
                return;
            }
            stage.pass(Duration::from_millis(100)).expect("nothing is wrong");
        }
        panic!("no {letter:?} of n{from} to n{to} comes");
    }

    #[test]
    fn message_that_is_held_arrives_when_it_is_delivered_and_not_before() {
        let mut stage = stage();
        stage.hold(Letter::Heartbeat, 1, 3);
        wait_for(&mut stage, Letter::Heartbeat, 1, 3);
        // Long enough for it to give that up and to send another.
        stage.pass(Duration::from_secs(3)).expect("nothing is wrong");
        assert_eq!(stage.kept(Letter::Heartbeat, 1, 3), 1, "only the next one is held");
        assert_eq!(stage.kept(Letter::Heartbeat, 2, 3), 0, "nor that of another");
        stage.hold(Letter::HeartbeatAnswer, 3, 1);
        let came = stage.deliver(Letter::Heartbeat, 1, 3).expect("nothing is wrong");
        assert_eq!(came, Delivery::Arrived);
        wait_for(&mut stage, Letter::HeartbeatAnswer, 3, 1);
        let none = stage.deliver(Letter::Heartbeat, 1, 3).expect("nothing is wrong");
        assert_eq!(none, Delivery::NoneKept);
    }

    #[test]
    fn request_outlives_its_sender_and_answer_does_not_outlive_who_asked() {
        let mut stage = stage();
        stage.hold(Letter::Heartbeat, 1, 3);
        stage.hold(Letter::HeartbeatAnswer, 3, 2);
        wait_for(&mut stage, Letter::Heartbeat, 1, 3);
        wait_for(&mut stage, Letter::HeartbeatAnswer, 3, 2);
        for node in [1, 2] {
            stage.end(node, Tail::Lost).expect("nothing is wrong");
            stage.start(node).expect("nothing is wrong");
        }
        let request = stage.deliver(Letter::Heartbeat, 1, 3).expect("nothing is wrong");
        let answer = stage.deliver(Letter::HeartbeatAnswer, 3, 2).expect("nothing is wrong");
        assert_eq!((request, answer), (Delivery::Arrived, Delivery::NobodyAsks));
    }

    #[test]
    fn copy_is_kept_of_what_arrives_and_what_is_lost_is_gone() {
        let mut stage = stage();
        stage.copy(Letter::Heartbeat, 1, 3);
        wait_for(&mut stage, Letter::Heartbeat, 1, 3);
        stage.hold(Letter::Heartbeat, 1, 3);
        assert!(stage.lose(Letter::Heartbeat, 1, 3));
        assert!(!stage.lose(Letter::Heartbeat, 1, 3));
        wait_for(&mut stage, Letter::Heartbeat, 1, 3);
        stage.end(3, Tail::Kept).expect("nothing is wrong");
        let nobody = stage.deliver(Letter::Heartbeat, 1, 3).expect("nothing is wrong");
        assert_eq!(nobody, Delivery::NobodyListens);
    }
}
