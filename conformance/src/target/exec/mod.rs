//! Adapters: programs that speak the suite's protocol over standard input and output, in any language.
//!
//! | part | is |
//! |---|---|
//! | [`protocol`] | the lines, as types: `specs/adapter.md` says what they mean, `specs/adapter.schema.json` how they look |
//! | `process` | the process: asked within time limits, ended with all its descendants |
//! | [`check`](check()) | helps an adapter's author: tries what the adapter promises, step by step |
//! | [`serve`](serve()) | the other side: a target of the suite, offered by the protocol |
//!
//! One request, one answer, a line each; logs go to standard error. There are no unsolicited lines in version 1: events, for traces, would come
//! as the answer to an act of their own.
//!
//! # One process for all scenarios
//! `build` starts afresh within the process, since to start one may take seconds (a virtual machine, a JIT) and there are many scenarios. What leaks from one
//! system into the next is the adapter's bug; [`check`](check()) looks for it. After a misbehaviour the process is ended, and the next `build` is asked of a new one.
//!
//! # Misbehaviour
//! An adapter that hangs, dies, prints garbage, answers a request that is not the last one, says more than one line, a line of megabytes, or what is not of
//! the answer's type, fails the case by [`Fault::Misbehaved`], with what was sent and what came. So does a broken promise: `unsupported` as the answer
//! to an act of a declared capability that has not worked once since `build`. Once it has, `unsupported` is a limit of
//! the system (no more room, no timer for a leader), and the scenario is skipped. The rule looks at one system only, so that a verdict does not depend
//! on what was played before.
//!
//! # Not implemented
//! Clusters: version 1 has acts for a quorum only. Events, and admission of traces made of them. Nobody is told how long each answer took.

mod check;
mod process;
pub mod protocol;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;

pub use check::{Finding, Judgement, Report, check};
use process::{Exchange, Process, lock, shown};
pub use process::{Limits, Misbehaviour, end_all};
use protocol::{Act, Error, ErrorKind, Hello, UNSPOKEN, VERSION};
pub use serve::serve;

use crate::scenario::{Member, Value};
use crate::target::{
    Builder, Capability, Envelope, Fault, Lifecycle, Messages, NodeView, Quorum, Setup, System, Timers,
};

impl From<Misbehaviour> for Fault {
    fn from(misbehaviour: Misbehaviour) -> Self {
        Self::Misbehaved { found: misbehaviour.found(), expected: misbehaviour.expected }
    }
}

impl From<Error> for Fault {
    fn from(Error { kind, message }: Error) -> Self {
        let message = shown(&message);
        match kind {
            ErrorKind::Unsupported => Self::Unsupported(message),
            ErrorKind::Refused => Self::Refused(message),
            ErrorKind::InDoubt => Self::InDoubt(message),
            ErrorKind::Broken => Self::Broken(message),
        }
    }
}

/// A third party's system behind an adapter.
pub struct Adapter {
    command: String,
    limits: Limits,
    hello: Hello,
    session: Arc<Mutex<Session>>,
}

/// The process there is, and the systems that it has built.
struct Session {
    process: Option<Process>,
    /// Counts systems: only the last is there.
    systems: u64,
}

impl Adapter {
    /// Starts `sh -c COMMAND`, and asks it who it is.
    ///
    /// # Errors
    /// If it does not say so in the protocol's form.
    pub fn start(command: &str, limits: Limits) -> Result<Self, Misbehaviour> {
        let (process, hello) = greet(command, limits)?;
        let session = Session { process: Some(process), systems: 0 };
        Ok(Self { command: command.to_owned(), limits, hello, session: Arc::new(Mutex::new(session)) })
    }

    /// A process that is alive: the one there is, or another.
    fn revive(&self, session: &mut Session) -> Result<(), Misbehaviour> {
        if session.process.as_ref().is_some_and(|process| !process.has_ended()) {
            return Ok(());
        }
        let (mut process, hello) = greet(&self.command, self.limits)?;
        if hello != self.hello {
            let came = format!("another hello after a new start, {hello:?}");
            return Err(process.misbehaves("", came, &format!("the first one, {:?}", self.hello)));
        }
        session.process = Some(process);
        Ok(())
    }
}

/// Starts an adapter and says hello.
fn greet(command: &str, limits: Limits) -> Result<(Process, Hello), Misbehaviour> {
    let mut process = Process::start(command, limits)?;
    let exchange = process.ask(Act::Hello { versions: vec![VERSION] })?;
    let hello = hello_of(&exchange);
    match hello {
        Ok(hello) => Ok((process, hello)),
        Err(expected) => Err(process.misbehaves(&exchange.sent, exchange.came, &expected)),
    }
}

/// The longest name, in characters.
const NAME_MAX: usize = 60;

/// Reads who an adapter is, or says what was expected instead.
fn hello_of(exchange: &Exchange) -> Result<Hello, String> {
    let answer = exchange.answer.as_ref();
    let ok = answer.map_err(|error| format!("version {VERSION} to be spoken ({})", shown(&error.message)))?;
    let hello: Hello = typed(ok)?;
    if hello.version != VERSION {
        return Err(format!("version {VERSION}, which it was offered"));
    }
    if hello.name.is_empty()
        || hello.name.chars().count() > NAME_MAX
        || hello.name.chars().any(char::is_control)
    {
        return Err(format!("a name of 1 to {NAME_MAX} characters that can be shown"));
    }
    if let Some(unspoken) = UNSPOKEN.iter().find(|one| hello.capabilities.contains(one)) {
        return Err(format!("no capability {unspoken}: version {VERSION} has no acts for it"));
    }
    Ok(hello)
}

/// Reads what came of an act, or says what was expected instead.
fn typed<T: DeserializeOwned>(ok: &serde_json::Value) -> Result<T, String> {
    T::deserialize(ok).map_err(|error| {
        format!("a result as specs/adapter.md has it for this act ({})", shown(&error.to_string()))
    })
}

impl Builder for Adapter {
    fn name(&self) -> String {
        self.hello.name.clone()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        self.hello.capabilities.clone()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        setup.without_config()?;
        let mut session = lock(&self.session);
        self.revive(&mut session)?;
        session.systems += 1;
        let mut remote = Remote {
            session: self.session.clone(),
            system: session.systems,
            capabilities: self.hello.capabilities.clone(),
            worked: BTreeSet::new(),
        };
        drop(session);
        remote.ask::<()>(setup.into())?;
        Ok(Box::new(remote))
    }
}

/// A system in the adapter's process.
struct Remote {
    session: Arc<Mutex<Session>>,
    system: u64,
    capabilities: BTreeSet<Capability>,
    /// Acts that have worked, by their words.
    worked: BTreeSet<&'static str>,
}

impl Remote {
    fn ask<T: DeserializeOwned>(&mut self, act: Act) -> Result<T, Fault> {
        let (word, capability) = (act.word(), act.capability());
        let mut session = lock(&self.session);
        if session.systems != self.system {
            return Err(Fault::Broken("another system has been built since".to_owned()));
        }
        let process = session.process.as_mut().ok_or_else(|| Fault::Broken("no adapter runs".to_owned()))?;
        let exchange = process.ask(act)?;
        match exchange.answer {
            Ok(ok) => match typed(&ok) {
                Ok(result) => {
                    self.worked.insert(word);
                    Ok(result)
                }
                Err(expected) => Err(process.misbehaves(&exchange.sent, exchange.came, &expected).into()),
            },
            Err(error) if error.kind == ErrorKind::Unsupported => {
                let promise = capability.filter(|capability| self.capabilities.contains(capability));
                match promise.filter(|_| !self.worked.contains(word)) {
                    Some(capability) => Err(Fault::Misbehaved {
                        found: format!("{}, to {}", exchange.came, exchange.sent),
                        expected: format!("that it can {word}, since its hello promises {capability}"),
                    }),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn can(&self, any: &[Capability]) -> bool {
        any.iter().any(|one| self.capabilities.contains(one))
    }
}

impl System for Remote {
    fn lifecycle(&mut self) -> Option<&mut dyn Lifecycle> {
        use Capability as C;
        self.can(&[C::Processes, C::LostTails, C::LostDisks, C::GracefulStop]).then_some(self)
    }

    fn timers(&mut self) -> Option<&mut dyn Timers> {
        self.can(&[Capability::Timers]).then_some(self)
    }

    fn messages(&mut self) -> Option<&mut dyn Messages> {
        self.can(&[Capability::Messages]).then_some(self)
    }

    fn quorum(&mut self) -> Option<&mut dyn Quorum> {
        self.can(&[Capability::Quorum]).then_some(self)
    }
}

impl Lifecycle for Remote {
    fn kill(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Kill { node })
    }

    fn stop(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Stop { node })
    }

    fn crash(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Crash { node })
    }

    fn start(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Start { node })
    }

    fn wipe(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Wipe { node })
    }
}

impl Timers for Remote {
    fn expire(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Expire { node })
    }

    fn beat(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Beat { node })
    }
}

impl Messages for Remote {
    fn pending(&mut self) -> Result<Vec<Envelope>, Fault> {
        self.ask(Act::Pending)
    }

    fn deliver(&mut self, id: u64) -> Result<(), Fault> {
        self.ask(Act::Deliver { message: id })
    }

    fn lose(&mut self, id: u64) -> Result<(), Fault> {
        self.ask(Act::Lose { message: id })
    }

    fn duplicate(&mut self, id: u64) -> Result<(), Fault> {
        self.ask(Act::Duplicate { message: id })
    }
}

impl Quorum for Remote {
    fn append(&mut self, node: Member, value: &Value) -> Result<(), Fault> {
        self.ask(Act::Append { node, value: value.clone() })
    }

    fn resign(&mut self, node: Member) -> Result<(), Fault> {
        self.ask(Act::Resign { node })
    }

    fn view(&mut self, node: Member) -> Result<Option<NodeView>, Fault> {
        self.ask(Act::View { node })
    }
}
