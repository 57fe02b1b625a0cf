#![allow(missing_docs, clippy::print_stdout)]
#[cfg(feature = "flaws")]
fn main() {
    use highwater_conformance::cores::quorum::{Bounds, QuorumCores};
    use highwater_core::quorum::{FLAWS, Rules};
    use highwater_model::check::{ClaimVerdict, Options, Stop, search};
    let least = Bounds { voters: 3, epochs: 2, records: 0, messages: 2, restarts: 0, resignations: 0, duplicates: 0, faults: 1, wipes: 0, pre_vote: false, search: false, thrift: true };
    let table: &[(&str, Bounds)] = &[
        ("A01", Bounds { epochs: 4, ..least }),
        ("A02", Bounds { epochs: 4, ..least }),
        ("A03", Bounds { epochs: 1, restarts: 1, ..least }),
        ("A06", least),
        ("A07", Bounds { epochs: 3, ..least }),
        ("A08", Bounds { epochs: 1, ..least }),
        ("A11", least),
        ("A14", Bounds { epochs: 3, ..least }),
        ("A15", Bounds { epochs: 3, duplicates: 1, ..least }),
        ("A17", least),
        ("A20", Bounds { restarts: 1, ..least }),
        ("A23", Bounds { epochs: 1, records: 2, restarts: 1, ..least }),
        ("A24", Bounds { epochs: 1, restarts: 1, ..least }),
        ("A30", Bounds { wipes: 1, ..least }),
        ("E02", Bounds { epochs: 1, records: 1, duplicates: 1, ..least }),
        ("E03", Bounds { epochs: 2, restarts: 1, ..least }),
        ("E07", least), ("E40", least), ("E41", least), ("E09", Bounds { epochs: 3, restarts: 1, ..least }),
    ];
    let only = std::env::args().nth(1);
    for (id, bounds) in table {
        if only.as_ref().is_some_and(|only| only != id) { continue; }
        let flaw = FLAWS.iter().find(|flaw| flaw.id == *id).unwrap();
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let outcome = std::panic::catch_unwind(|| {
            let model = QuorumCores::new(*bounds, rules);
            let safety = ["election-safety", "leader-append-only", "unique-record", "log-matching", "leader-completeness", "state-machine-safety", "high-watermark-monotone", "committed-durable"];
            let mut out = String::new();
            for stop in [Stop::FirstViolation, Stop::Exhausted] {
                let options = Options { threads: 2, symmetry: false, stop, time_max: Some(std::time::Duration::from_secs(40)), ..Options::default() };
                let outcome = search(&model, &options);
                out += &format!("   {:?} {} states {:?} cut {:?}\n", outcome.verdict, outcome.unique, outcome.elapsed, outcome.cut);
                for claim in &outcome.claims { if claim.verdict == ClaimVerdict::Violated && claim.kind == "always" {
                    out += &format!("      {} {:?}\n", claim.name, claim.walk.as_ref().map(|w| w.steps.len()));
                    if claim.name == "refines-kraft" && stop == Stop::FirstViolation { if let Some(w) = &claim.walk { let before = if w.steps.len() > 1 { w.steps[w.steps.len()-2].1 } else { w.start }; let (a, s) = w.steps.last().unwrap(); out += &format!("      {}\n", model.tell(&before, *a, s)); } }
                } }
                let _ = safety;
            }
            out
        });
        println!("{id} {}\n{}", flaw.name, outcome.unwrap_or_else(|_| "PANIC".to_owned()));
    }
}
#[cfg(not(feature = "flaws"))]
fn main() {}
