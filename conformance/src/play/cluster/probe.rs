//! Probes of a cluster.

use super::{NotYet, Player};
use crate::play::probe::{Missing, probes, resolve, told};
use crate::play::{Act, Asked, End};
use crate::scenario::{Ask, Member};
use crate::target::Fault;

impl Player {
    /// Asks once. Asks again only while there is no answer, or one by which the node is not yet what it is asked as, or while what it is asked with is not there.
    pub(super) fn ask(&mut self, ask: &Ask) -> Result<(), End> {
        let node = self.resolve(ask.node)?;
        self.is_up(node)?;
        self.wait(|player| player.ask_once(node, ask))
    }

    fn ask_once(&mut self, node: Member, ask: &Ask) -> Result<Result<(), NotYet>, End> {
        let (question, expected) = match resolve(self.system.as_mut(), &self.members, node, ask) {
            Ok(resolved) => resolved,
            Err(Missing::Number(found)) => {
                return Ok(Err(NotYet { found, expected: "a number to ask with".to_owned() }));
            }
            Err(Missing::Fault(Fault::InDoubt(why) | Fault::Refused(why))) => {
                return Ok(Err(NotYet { found: why, expected: "a number to ask with".to_owned() }));
            }
            Err(Missing::Fault(fault)) => return Err(fault.into()),
        };
        let answer = match probes(self.system.as_mut())?.ask(node, &question) {
            Ok(answer) => answer,
            Err(Fault::InDoubt(why) | Fault::Refused(why)) => {
                return Ok(Err(NotYet {
                    found: format!("no answer, {why}"),
                    expected: expected.to_string(),
                }));
            }
            Err(fault) => return Err(fault.into()),
        };
        let asked = Asked { node, question, answer };
        if !matches!(self.acts.last(), Some(Act::Asked(last)) if *last == asked) {
            self.acts.push(Act::Asked(asked.clone()));
        }
        if expected.is_met_by(&asked.answer) {
            return Ok(Ok(()));
        }
        let (found, expected) = told(&asked, &expected, ask);
        if asked.answer.passes() {
            Ok(Err(NotYet { found, expected }))
        } else {
            Err(End::Wrong { found, expected })
        }
    }
}
