//! The reference's cores under the checker, to the end, with all that is claimed of them.
//!
//! `cargo run --release -p highwater-conformance --example cores -- [quorum|partition] [NAME=NUMBER…]`: bounds by name, `threads`,
//! `seconds` and `mebibytes` (limits, past which it gives up), `symmetry=0`. Exit 0 if all holds, 1 if not, 2 if asked for something
//! there is not, 3 if it gave up.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use highwater_conformance::cores::bounds::NamedBounds;
use highwater_conformance::cores::{partition, quorum};
use highwater_model::check::{ClaimVerdict, Options, Outcome, Spec, Stop, Verdict, search};
use highwater_model::trace::{Heading, Storyboard, tell, text};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_family = |argument: &&mut String| matches!(argument.as_str(), "quorum" | "partition");
    let family = arguments.first_mut().filter(is_family).map(std::mem::take);
    let result = match family.as_deref() {
        Some("partition") => check_partition(&arguments[1..]),
        family => check_quorum(&arguments[usize::from(family.is_some())..]),
    };
    ExitCode::from(match result {
        Ok(Verdict::Holds) => 0,
        Ok(Verdict::Violated) => 1,
        Ok(Verdict::Incomplete) => 3,
        Err(refusal) => {
            eprintln!("{refusal}");
            2
        }
    })
}

fn check_quorum(arguments: &[String]) -> Result<Verdict, String> {
    let (bounds, options) = read(arguments, quorum::Bounds::DEFAULT)?;
    let model = quorum::QuorumCores::new(bounds, highwater_core::quorum::Rules::default());
    let outcome = search(&model, &options);
    let (voters, messages, reactions) = model.met();
    let met = format!("{voters} different voters, {messages} messages, {reactions} steps of a core");
    report(&model, "quorum cores", &bounds, &met, &outcome, |state| model.text(state));
    Ok(outcome.verdict)
}

fn check_partition(arguments: &[String]) -> Result<Verdict, String> {
    let (bounds, options) = read(arguments, partition::Bounds::DEFAULT)?;
    let (rules, controller) = Default::default();
    let model = partition::PartitionCores::new(bounds, rules, controller);
    let outcome = search(&model, &options);
    let [replicas, messages, reactions, registers, decisions] = model.met();
    let met = format!(
        "{replicas} different replicas, {messages} messages, {reactions} steps of a core; {registers} states of the controller, \
         {decisions} decisions"
    );
    report(&model, "partition cores", &bounds, &met, &outcome, |state| model.text(state));
    Ok(outcome.verdict)
}

/// Takes each `NAME=NUMBER`: bounds, from these on, and options.
fn read<B: NamedBounds>(arguments: &[String], mut bounds: B) -> Result<(B, Options<'static>), String> {
    let mut options = Options { threads: 2, stop: Stop::FirstViolation, ..Options::default() };
    for argument in arguments {
        let (name, value) =
            argument.split_once('=').ok_or_else(|| format!("{argument}: expected NAME=NUMBER"))?;
        let number: u32 = value.parse().map_err(|error| format!("{argument}: {error}"))?;
        match name {
            "threads" => options.threads = number as usize,
            "seconds" => options.time_max = Some(Duration::from_secs(number.into())),
            "mebibytes" => options.memory_bytes_max = Some(u64::from(number) << 20),
            "symmetry" => options.symmetry = number > 0,
            _ => {
                let number =
                    u8::try_from(number).map_err(|_| format!("{argument}: more than a bound can be"))?;
                let Some(bound) = bounds.named(name) else {
                    let names: Vec<_> = bounds.values().map(|(name, _)| name).collect();
                    return Err(format!("{name}: no such bound: {}", names.join(", ")));
                };
                *bound = number;
            }
        }
    }
    bounds.admit()?;
    Ok((bounds, options))
}

fn report<M: Storyboard + Spec>(
    model: &M,
    name: &str,
    bounds: &dyn Display,
    met: &str,
    outcome: &Outcome<M>,
    describe: impl Fn(&M::State) -> Vec<String>,
) {
    println!("{name}   {:?}\n  {bounds}", outcome.verdict);
    println!(
        "  {} states of {} generated, depth {}, {:.1} s, {} MiB, chance of a collision {:.0e}",
        outcome.unique,
        outcome.generated,
        outcome.depth,
        outcome.elapsed.as_secs_f64(),
        outcome.memory_bytes_peak >> 20,
        outcome.collision_probability
    );
    println!("  {met}");
    for claim in &outcome.claims {
        let verdict = match (claim.verdict, claim.kind) {
            (ClaimVerdict::Holds, "sometimes") => "seen",
            (ClaimVerdict::Holds, _) => "holds",
            (ClaimVerdict::Violated, _) => "VIOLATED",
            (ClaimVerdict::Unknown, _) => "unknown",
        };
        println!("  {verdict:<8} {:<34} {}", claim.name, claim.clause);
    }
    let never: Vec<_> =
        outcome.actions.iter().filter(|fired| fired.fired == 0).map(|fired| &*fired.name).collect();
    println!("  never at these bounds: {}", never.join(", "));
    for claim in &outcome.claims {
        let Some(walk) = &claim.walk else { continue };
        let heading = Heading {
            model: name.to_owned(),
            switched: None,
            claim: claim.name.to_owned(),
            kind: claim.kind.to_owned(),
            clause: claim.clause.to_owned(),
            summary: String::new(),
            command: String::new(),
        };
        let story = tell(model, walk, heading, |state| describe(state).into());
        println!("\n{}", text::render(&story, &text::TextStyle::default()));
    }
}
