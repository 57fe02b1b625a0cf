//! The other side: a target of the suite, offered to others by the protocol.
//!
//! It shows an author what a sound adapter says, and holds the protocol to the targets at hand: what is played through it ends as it does without.
//! Acts on what is not there (an unknown message, a node that is down) are refused here, since the suite never asks such things of a target itself.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use serde_json::Value as Json;

use super::protocol::{Act, Answer, Done, Error, ErrorKind, Failed, Hello, Request, UNSPOKEN, VERSION};
use crate::scenario::Member;
use crate::target::{Builder, Fault, Setup, System};

/// Answers requests until `bye`, or until there are no more.
///
/// # Errors
/// If a line cannot be read or written, or is no request.
pub fn serve(builder: &mut dyn Builder, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut server = Server { builder, system: None, members: Vec::new(), down: BTreeSet::new() };
    for line in input.lines() {
        let line = line?;
        let Request { id, act } = serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("found {line:?}, expected a request: {error}")))?;
        let is_last = act == Act::Bye;
        let answer = match server.answer(act) {
            Ok(ok) => Answer::Done(Done { id, ok }),
            Err(fault) => Answer::Failed(Failed { id, error: fault.into() }),
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
        if is_last {
            break;
        }
    }
    Ok(())
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unsupported(message) => Self { kind: ErrorKind::Unsupported, message },
            Fault::Refused(message) => Self { kind: ErrorKind::Refused, message },
            Fault::InDoubt(message) => Self { kind: ErrorKind::InDoubt, message },
            Fault::Broken(message) => Self { kind: ErrorKind::Broken, message },
            fault @ (Fault::Misbehaved { .. } | Fault::Violated(_)) => {
                Self { kind: ErrorKind::Broken, message: fault.to_string() }
            }
        }
    }
}

struct Server<'a> {
    builder: &'a mut dyn Builder,
    system: Option<Box<dyn System>>,
    members: Vec<Member>,
    down: BTreeSet<Member>,
}

/// A result, for the line that goes out.
fn told(result: impl serde::Serialize) -> Result<Json, Fault> {
    serde_json::to_value(result).map_err(|error| Fault::Broken(error.to_string()))
}

impl Server<'_> {
    fn answer(&mut self, act: Act) -> Result<Json, Fault> {
        match act {
            Act::Hello { versions } if versions.contains(&VERSION) => {
                let (name, mut capabilities) = (self.builder.name(), self.builder.capabilities());
                capabilities.retain(|one| !UNSPOKEN.contains(one));
                told(Hello { version: VERSION, name, capabilities })
            }
            Act::Hello { versions } => {
                Err(Fault::Unsupported(format!("versions {versions:?}: this speaks {VERSION}")))
            }
            Act::Build { quorum, pre_vote, seed } => {
                self.system = None;
                self.down.clear();
                self.members.clone_from(&quorum);
                self.system =
                    Some(self.builder.build(&Setup { quorum, pre_vote, seed, ..Setup::default() })?);
                Ok(Json::Null)
            }
            Act::Bye => Ok(Json::Null),
            act => self.act(act),
        }
    }

    fn act(&mut self, act: Act) -> Result<Json, Fault> {
        let missing = || Fault::Unsupported(format!("no {}", act.word()));
        let (members, down) = (&self.members, &mut self.down);
        let is = |node: Member, down_wanted: bool, down: &BTreeSet<Member>| {
            if !members.contains(&node) {
                return Err(Fault::Refused(format!("there is no {node}")));
            }
            match down.contains(&node) {
                is_down if is_down == down_wanted => Ok(()),
                true => Err(Fault::Refused(format!("{node} is down"))),
                false => Err(Fault::Refused(format!("{node} is up"))),
            }
        };
        let system = self.system.as_mut().ok_or_else(|| Fault::Refused("no system was built".to_owned()))?;
        match act {
            Act::Kill { node } | Act::Crash { node } | Act::Stop { node } => {
                is(node, false, down)?;
                let nodes = system.lifecycle().ok_or_else(missing)?;
                match act {
                    Act::Kill { .. } => nodes.kill(node)?,
                    Act::Crash { .. } => nodes.crash(node)?,
                    _ => nodes.stop(node)?,
                }
                down.insert(node);
            }
            Act::Start { node } => {
                is(node, true, down)?;
                system.lifecycle().ok_or_else(missing)?.start(node)?;
                down.remove(&node);
            }
            Act::Wipe { node } => {
                system.lifecycle().ok_or_else(missing)?.wipe(node)?;
                down.remove(&node);
            }
            Act::Expire { node } => {
                is(node, false, down)?;
                system.timers().ok_or_else(missing)?.expire(node)?;
            }
            Act::Beat { node } => {
                is(node, false, down)?;
                system.timers().ok_or_else(missing)?.beat(node)?;
            }
            Act::Pending => return told(system.messages().ok_or_else(missing)?.pending()?),
            Act::Deliver { message } | Act::Lose { message } | Act::Duplicate { message } => {
                let messages = system.messages().ok_or_else(missing)?;
                let pending = messages.pending()?;
                let letter = pending.iter().find(|envelope| envelope.id == message);
                let to = letter.ok_or_else(|| Fault::Refused(format!("there is no message {message}")))?.to;
                match act {
                    Act::Lose { .. } => messages.lose(message)?,
                    _ => {
                        is(to, false, down)?;
                        match act {
                            Act::Deliver { .. } => messages.deliver(message)?,
                            _ => messages.duplicate(message)?,
                        }
                    }
                }
            }
            Act::Append { node, value } => {
                is(node, false, down)?;
                system
                    .quorum()
                    .ok_or_else(|| Fault::Unsupported("no append".to_owned()))?
                    .append(node, &value)?;
            }
            Act::Resign { node } => {
                is(node, false, down)?;
                system.quorum().ok_or_else(missing)?.resign(node)?;
            }
            Act::View { node } => {
                if down.contains(&node) {
                    return Ok(Json::Null);
                }
                return told(system.quorum().ok_or_else(missing)?.view(node)?);
            }
            Act::Hello { .. } | Act::Build { .. } | Act::Bye => {}
        }
        Ok(Json::Null)
    }
}
