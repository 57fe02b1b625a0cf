//! Messages among brokers that are held back.
//!
//! Time goes on in a cluster, and with it whatever is not held back. So a message that is to arrive late is waited for until it is there to be delivered.

use std::time::Duration;

use super::{LOOK, NotYet, Player};
use crate::play::steps::wrong;
use crate::play::{End, unsupported};
use crate::scenario::{Member, Post};
use crate::target::cluster::Letters;
use crate::target::{Capability, Fault};

impl Player {
    /// Waits until such a message is held back.
    pub(super) fn expect_held(&mut self, post: &Post) -> Result<(), End> {
        self.wait(|player| {
            let is_held = player.letters()?.held(post)? > 0;
            Ok(if is_held { Ok(()) } else { Err(not_caught(post)) })
        })
    }

    /// Nothing of the kind is held back, and it stays so for a while.
    pub(super) fn expect_not_held(&mut self, post: &Post, for_seconds: Option<u32>) -> Result<(), End> {
        let until = self.now()? + Duration::from_secs(for_seconds.unwrap_or(0).into());
        loop {
            let held = self.letters()?.held(post)?;
            if held > 0 {
                let for_so_long =
                    for_seconds.map_or_else(String::new, |seconds| format!(", for {seconds} s"));
                return Err(wrong(format!("{post} held back"), &format!("none{for_so_long}")));
            }
            if self.now()? >= until {
                return Ok(());
            }
            self.clock()?.pass(LOOK)?;
        }
    }

    /// The oldest of them arrives.
    pub(super) fn deliver(&mut self, post: &Post) -> Result<(), End> {
        self.expect_held(post)?;
        self.listens(post.to)?;
        match self.letters()?.deliver(post) {
            Err(Fault::Refused(why)) => Err(wrong(why, "somebody whom the message reaches")),
            other => Ok(other?),
        }
    }

    /// The oldest of them is lost.
    pub(super) fn drop(&mut self, post: &Post) -> Result<(), End> {
        self.expect_held(post)?;
        Ok(self.letters()?.lose(post)?)
    }

    /// Nothing arrives at who is down, or stands still.
    fn listens(&self, node: Member) -> Result<(), End> {
        match (self.down.contains(&node), self.paused.contains(&node)) {
            (true, _) => Err(wrong(format!("{node} down"), "a node that is up")),
            (_, true) => Err(wrong(format!("{node} paused"), "a node that takes messages")),
            _ => Ok(()),
        }
    }

    pub(super) fn letters(&mut self) -> Result<&mut dyn Letters, Fault> {
        self.system.letters().ok_or_else(|| unsupported(Capability::LateMessages))
    }
}

fn not_caught(post: &Post) -> NotYet {
    NotYet {
        found: "nothing of the kind held back".to_owned(),
        expected: format!("{post}; say hold or copy before it is sent"),
    }
}

#[cfg(test)]
mod tests {
    use crate::play::{Verdict, play};
    use crate::scenario::parse;
    use crate::target::reference::Reference;

    const HEAD: &str =
        "title: t\nwithin: 2s\ncluster: n1 n2 n3\ncontrollers: n3\ntopic: t on n1 n2 min-isr 2\n";

    /// What came of these steps, in words; nothing if all went as they say.
    fn failure(steps: &str) -> Option<String> {
        let scenario = parse(&format!("{HEAD}{steps}")).expect("it makes sense");
        match play(&scenario, &mut Reference::default(), 1).verdict {
            Verdict::Pass => None,
            Verdict::Fail(failure) => Some(failure.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_that_was_held_cannot_be_delivered_and_says_so() {
        for step in ["deliver", "drop", "expect held"] {
            assert_eq!(
                failure(&format!("{step} alter-partition n1 -> n3\n")),
                Some(format!(
                    "line 6: {step} alter-partition n1 -> n3: found nothing of the kind held back, expected alter-partition n1 -> n3; \
                     say hold or copy before it is sent, within 2 s"
                ))
            );
        }
        let unsaid = failure("hold alter-partition n1 -> n3\ndeliver alter-partition n1 -> n3\n");
        assert!(unsaid.is_some_and(|told| told.contains("found nothing of the kind held back")));
    }

    #[test]
    fn record_is_committed_once_the_fetch_that_was_held_arrives() {
        let held = "hold fetch n2 -> n1\nexpect held fetch n2 -> n1\nhold fetch n2 -> n1\nproduce t acks 1 x\n\
            deliver fetch n2 -> n1\nexpect held fetch n2 -> n1\nexpect t log-end 1 at n2\n";
        let waits = format!("{held}expect t high-watermark 0 at n1\n");
        assert_eq!(
            failure(&format!("{waits}deliver fetch n2 -> n1\nexpect t high-watermark 1 at n1\n")),
            None
        );
        // n2 asks again by itself.
        assert_eq!(failure(&format!("{waits}drop fetch n2 -> n1\nexpect t high-watermark 1 at n1\n")), None);
        let early = failure(&format!("{held}expect t high-watermark 1 at n1 for 1s\n"));
        assert_eq!(early, None, "it asks again after a while, and that arrives");
    }

    #[test]
    fn message_outlives_its_sender_and_reaches_nobody_who_is_down_or_was_not_asked() {
        let held = "hold fetch n2 -> n1\nexpect held fetch n2 -> n1\ncrash n2\n";
        assert_eq!(failure(&format!("{held}deliver fetch n2 -> n1\nstart n2\nexpect t isr n1 n2\n")), None);
        assert_eq!(
            failure(&format!("{held}kill n1\ndeliver fetch n2 -> n1\n")),
            Some("line 10: deliver fetch n2 -> n1: found n1 down, expected a node that is up".to_owned())
        );
        let answer = "hold fetch-answer n1 -> n2\nexpect held fetch-answer n1 -> n2\nkill n2; start n2\n";
        assert_eq!(
            failure(&format!("{answer}deliver fetch-answer n1 -> n2\n")),
            Some(
                "line 9: deliver fetch-answer n1 -> n2: found n2 has ended since it asked, expected somebody whom the message reaches"
                    .to_owned()
            )
        );
    }

    #[test]
    fn message_that_must_not_come_is_watched_for_and_told() {
        let never = "hold alter-partition n1 -> n3\nexpect not held alter-partition n1 -> n3 for 2s\n";
        assert_eq!(failure(never), None);
        assert_eq!(failure("expect not held fetch n2 -> n1\n"), None);
        assert_eq!(
            failure("hold fetch n2 -> n1\nexpect not held fetch n2 -> n1 for 3s\n"),
            Some(
                "line 7: expect not held fetch n2 -> n1 for 3s: found fetch n2 -> n1 held back, expected none, for 3 s"
                    .to_owned()
            )
        );
    }

    #[test]
    fn copy_of_what_arrives_is_held() {
        let copied = "copy heartbeat n1 -> n3\nexpect held heartbeat n1 -> n3\n";
        let twice = "deliver heartbeat n1 -> n3\nexpect held heartbeat n1 -> n3\n";
        assert_eq!(failure(copied), None);
        assert!(
            failure(&format!("{copied}{twice}")).is_some_and(|told| told.starts_with("line 9: expect held"))
        );
    }
}
