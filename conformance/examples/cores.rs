//! The reference's quorum cores under the checker, to the end, with all that is claimed of them.
//!
//! `cargo run --release -p highwater-conformance --example cores -- [NAME=NUMBER…]`: bounds by name, `threads`, `seconds` and
//! `mebibytes` (limits, past which it gives up), `symmetry=0`. Exit 0 if all holds, 1 if not, 2 if asked for something there is
//! not, 3 if it gave up.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

use std::process::ExitCode;
use std::time::Duration;

use highwater_conformance::cores::quorum::{Bounds, QuorumCores};
use highwater_core::quorum::Rules;
use highwater_model::check::{ClaimVerdict, Options, Outcome, Stop, Verdict, search};
use highwater_model::trace::{Heading, tell, text};

fn main() -> ExitCode {
    let mut bounds = Bounds::DEFAULT;
    let mut options = Options { threads: 2, stop: Stop::FirstViolation, ..Options::default() };
    for argument in std::env::args().skip(1) {
        if let Err(refusal) = set(&mut bounds, &mut options, &argument) {
            eprintln!("{refusal}");
            return ExitCode::from(2);
        }
    }
    let model = QuorumCores::new(bounds, Rules::default());
    let outcome = search(&model, &options);
    report(&model, bounds, &outcome);
    ExitCode::from(match outcome.verdict {
        Verdict::Holds => 0,
        Verdict::Violated => 1,
        Verdict::Incomplete => 3,
    })
}

/// Takes one `NAME=NUMBER`.
fn set(bounds: &mut Bounds, options: &mut Options<'_>, argument: &str) -> Result<(), String> {
    let (name, value) =
        argument.split_once('=').ok_or_else(|| format!("{argument}: expected NAME=NUMBER"))?;
    let number: u32 = value.parse().map_err(|error| format!("{argument}: {error}"))?;
    match name {
        "threads" => options.threads = number as usize,
        "seconds" => options.time_max = Some(Duration::from_secs(number.into())),
        "mebibytes" => options.memory_bytes_max = Some(u64::from(number) << 20),
        "symmetry" => options.symmetry = number > 0,
        _ => {
            let bound = bounds
                .named(name)
                .ok_or_else(|| format!("{name}: no such bound: {}", Bounds::NAMES.join(", ")))?;
            *bound = u8::try_from(number).map_err(|_| format!("{argument}: more than a bound can be"))?;
        }
    }
    bounds.admit()
}

fn report(model: &QuorumCores, bounds: Bounds, outcome: &Outcome<QuorumCores>) {
    let (voters, messages, reactions) = model.met();
    println!("quorum cores   {:?}\n  {bounds}", outcome.verdict);
    println!(
        "  {} states of {} generated, depth {}, {:.1} s, {} MiB, chance of a collision {:.0e}",
        outcome.unique,
        outcome.generated,
        outcome.depth,
        outcome.elapsed.as_secs_f64(),
        outcome.memory_bytes_peak >> 20,
        outcome.collision_probability
    );
    println!("  {voters} different voters, {messages} messages, {reactions} steps of a core");
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
            model: "quorum cores".to_owned(),
            switched: None,
            claim: claim.name.to_owned(),
            kind: claim.kind.to_owned(),
            clause: claim.clause.to_owned(),
            summary: String::new(),
            command: String::new(),
        };
        let story = tell(model, walk, heading, |state| model.text(state).into());
        println!("\n{}", text::render(&story, &text::TextStyle::default()));
    }
}
