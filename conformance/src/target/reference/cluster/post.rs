//! Messages between the nodes of a simulated cluster, held back one by one.

use highwater_simulation::stage::{Delivery, Letter};

use super::{Cluster, violated};
use crate::scenario::{Kind, Post};
use crate::target::Fault;
use crate::target::cluster::Letters;

/// A message by kind, sender and receiver, as the stage has it.
fn way(post: &Post) -> Result<(Letter, i32, i32), Fault> {
    let letter = match post.kind {
        Kind::Fetch => Letter::Fetch,
        Kind::FetchAnswer => Letter::FetchAnswer,
        Kind::AlterPartition => Letter::AlterPartition,
        Kind::AlterPartitionAnswer => Letter::AlterPartitionAnswer,
        Kind::Heartbeat => Letter::Heartbeat,
        Kind::HeartbeatAnswer => Letter::HeartbeatAnswer,
        Kind::Registration => Letter::Registration,
        Kind::RegistrationAnswer => Letter::RegistrationAnswer,
        Kind::Metadata => Letter::Metadata,
        Kind::MetadataAnswer => Letter::MetadataAnswer,
        Kind::Vote
        | Kind::VoteAnswer
        | Kind::Announcement
        | Kind::AnnouncementAnswer
        | Kind::Resignation
        | Kind::ResignationAnswer
        | Kind::Records
        | Kind::Position
        | Kind::Flush
        | Kind::Other => {
            return Err(Fault::Unsupported(format!(
                "messages of a cluster of the kind {}",
                post.kind.word()
            )));
        }
    };
    Ok((letter, post.from.0.into(), post.to.0.into()))
}

fn none(post: &Post) -> Fault {
    Fault::Broken(format!("there is no {post} that is held back"))
}

impl Letters for Cluster {
    fn hold(&mut self, post: &Post) -> Result<(), Fault> {
        let (letter, from, to) = way(post)?;
        self.stage.hold(letter, from, to);
        Ok(())
    }

    fn copy(&mut self, post: &Post) -> Result<(), Fault> {
        let (letter, from, to) = way(post)?;
        self.stage.copy(letter, from, to);
        Ok(())
    }

    fn held(&mut self, post: &Post) -> Result<usize, Fault> {
        let (letter, from, to) = way(post)?;
        Ok(self.stage.kept(letter, from, to))
    }

    fn deliver(&mut self, post: &Post) -> Result<(), Fault> {
        let (letter, from, to) = way(post)?;
        match self.stage.deliver(letter, from, to).map_err(violated)? {
            Delivery::Arrived => Ok(()),
            Delivery::NoneKept => Err(none(post)),
            Delivery::NobodyListens => Err(Fault::Refused(format!("{} is down", post.to))),
            Delivery::NobodyAsks => Err(Fault::Refused(format!("{} has ended since it asked", post.to))),
        }
    }

    fn lose(&mut self, post: &Post) -> Result<(), Fault> {
        let (letter, from, to) = way(post)?;
        if self.stage.lose(letter, from, to) { Ok(()) } else { Err(none(post)) }
    }
}
