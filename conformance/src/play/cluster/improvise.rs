//! Play of a cluster in which the next step follows from what there is, and in which only what clients saw judges.

use super::{Act, End, Line, Played, Player, Scenario, Scene, Step, System, Verdict, caught, verdict};
use crate::play::improvise::{Improvised, Situation, Went};
use crate::target::Fault;

/// Plays the steps of a scenario that only invariants judge.
pub(super) fn play_what_can_be(system: Box<dyn System>, scenario: &Scenario) -> Played {
    let mut lines = scenario.steps.iter();
    let mut said = 0;
    let mut improvised = improvise(system, scenario, &mut |_| {
        let line = lines.next()?;
        said = line.line;
        Some(line.step.clone())
    });
    if let Verdict::Fail(failure) = &mut improvised.played.verdict
        && lines.len() == 0
        && failure.step != IN_THE_END
    {
        failure.line = said;
    }
    improvised.played
}

/// What stands where a step would, once all are done.
const IN_THE_END: &str = "in the end all that was acknowledged is read";

/// Plays steps as `next` gives them, until it gives none or something is broken. Then all is mended, and all that was acknowledged is read.
pub(in crate::play) fn improvise(
    system: Box<dyn System>,
    head: &Scenario,
    next: &mut dyn FnMut(&Situation) -> Option<Step>,
) -> Improvised {
    let mut player = Player::new(system, head);
    let (mut scenes, mut taken) = (Vec::new(), Vec::new());
    for topic in &head.topics {
        let line = Line { line: 0, step: Step::Create(topic.clone()) };
        let result = player.perform(&line.step);
        if let Some(verdict) = player.close(&line, &mut scenes, result) {
            return Improvised { played: Played { verdict, scenes, events: Vec::new() }, taken };
        }
    }
    while let Some(step) = next(&player.situation()) {
        let line = Line { line: 0, step };
        let played = caught(|| player.take_and_close(&line, &mut scenes));
        match played {
            Ok((went, None)) => taken.extend(went),
            Ok((_, Some(verdict))) => {
                taken.push(line.step);
                let verdict = player.unless_by_right(verdict, &mut scenes);
                return Improvised { played: Played { verdict, scenes, events: Vec::new() }, taken };
            }
            Err(end) => {
                taken.push(line.step.clone());
                return Improvised { played: player.panicked(&line, end, scenes), taken };
            }
        }
    }
    let line = Line { line: 0, step: Step::Heal { node: None } };
    // Whatever was broken, and whoever still says that it leads.
    let ended = caught(|| match player.mend() {
        Ok(()) => player.in_the_end(&mut scenes),
        Err(end) => verdict(&line, end),
    });
    let verdict = ended.unwrap_or_else(|end| verdict(&line, end));
    let verdict = player.unless_by_right(verdict, &mut scenes);
    Improvised { played: Played { verdict, scenes, events: Vec::new() }, taken }
}

impl Player {
    /// What was lost by right breaks nothing: all replicas of a partition may have ended badly at once, and the one that had lost its tail may lead then.
    /// Whoever writes a case knows that beforehand; of steps that nobody chose it is found out afterwards. What the target itself holds to be violated stays so.
    fn unless_by_right(&mut self, verdict: Verdict, scenes: &mut [Scene]) -> Verdict {
        let Verdict::Fail(failure) = &verdict else { return verdict };
        let is_loss = |clause: &String| {
            ["isr/safety/4", "isr/safety/5", "isr/safety/6", "isr/produce/1"].contains(&clause.as_str())
        };
        if !failure.invariant.as_ref().is_some_and(is_loss) {
            return verdict;
        }
        let topics: Vec<String> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        let Ok(partitions) = self.partitions() else { return verdict };
        let Some(why) = topics.iter().find_map(|topic| partitions.lost_by_right(topic)) else {
            return verdict;
        };
        if let Some(last) = scenes.last_mut() {
            last.acts.push(Act::PassedOver(format!("nothing is claimed any more: {why}")));
        }
        Verdict::Pass
    }

    fn situation(&self) -> Situation {
        Situation {
            members: self.members.clone(),
            down: self.down.clone(),
            paused: self.paused.clone(),
            cut: self.cut.clone(),
            ..Situation::default()
        }
    }

    /// Takes a step if it can be taken, and looks at everything. The step as it went, and what came of it if the play is over.
    fn take_and_close(&mut self, line: &Line, scenes: &mut Vec<Scene>) -> (Option<Step>, Option<Verdict>) {
        let (went, result) = match self.take(&line.step) {
            Ok(Went::As(step)) => (Some(step), Ok(())),
            Ok(Went::Not(because)) => {
                self.acts.push(Act::PassedOver(because));
                (None, Ok(()))
            }
            Err(end) => (None, Err(end)),
        };
        let verdict = self.close(line, scenes, result);
        (went, verdict)
    }

    fn take(&mut self, step: &Step) -> Result<Went, End> {
        if let Step::Elect { topic, election, .. } = step {
            // Once: who waits for an election that nobody can win waits long.
            return match self.partitions()?.elect(topic, *election) {
                Ok(()) => {
                    Ok(Went::As(Step::Elect { topic: topic.clone(), election: *election, refused: None }))
                }
                Err(Fault::Refused(why)) => {
                    let name = why.split(|c: char| !c.is_ascii_uppercase() && c != '_').next();
                    let refused = name.filter(|name| !name.is_empty()).map(str::to_owned);
                    Ok(Went::As(Step::Elect { topic: topic.clone(), election: *election, refused }))
                }
                Err(fault @ (Fault::InDoubt(_) | Fault::Unsupported(_))) => Ok(Went::Not(fault.to_string())),
                Err(fault) => Err(fault.into()),
            };
        }
        match self.perform(step) {
            Ok(()) => Ok(Went::As(step.clone())),
            Err(end @ End::Wrong { .. }) if matches!(step, Step::Expect(_)) => Err(end),
            Err(End::Wrong { found, expected }) => {
                Ok(Went::Not(format!("found {found}, expected {expected}")))
            }
            Err(End::Fault(fault @ (Fault::Refused(_) | Fault::InDoubt(_) | Fault::Unsupported(_)))) => {
                Ok(Went::Not(fault.to_string()))
            }
            Err(end) => Err(end),
        }
    }
}
