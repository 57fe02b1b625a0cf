//! The reference's cores under the checker.
#![allow(clippy::print_stdout, missing_docs)]
use highwater_conformance::cores::quorum::{Bounds, QuorumCores};
use highwater_core::quorum::Rules;
use highwater_model::check::{ClaimVerdict, Observer, Options, Progress, Spec, Stop, search};
use std::process::ExitCode;
use std::time::Duration;
use stateright::Model;

struct Watch;
impl Observer for Watch {
    fn progress(&self, p: &Progress) {
        eprintln!("{:>7.1}s depth {} unique {} queue {} next {} gen {} mem {}M", p.elapsed.as_secs_f64(), p.depth, p.unique, p.queue, p.next, p.generated, p.memory_bytes >> 20);
    }
}

fn main() -> ExitCode {
    let mut bounds = Bounds { voters: 3, epochs: 2, records: 1, messages: 2, restarts: 0, resignations: 0, duplicates: 0, faults: 0, wipes: 0, pre_vote: false, search: false, thrift: true };
    let mut threads = 2;
    let mut symmetry = true;
    let mut time = 100;
    let mut witness = None;
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').expect("name=value");
        let n = || value.parse::<u8>().expect("a number");
        match name {
            "voters" => bounds.voters = n(),
            "epochs" => bounds.epochs = n(),
            "records" => bounds.records = n(),
            "messages" => bounds.messages = n(),
            "restarts" => bounds.restarts = n(),
            "resignations" => bounds.resignations = n(),
            "duplicates" => bounds.duplicates = n(),
            "faults" => bounds.faults = n(),
            "wipes" => bounds.wipes = n(),
            "pre-vote" => bounds.pre_vote = n() > 0,
            "search" => bounds.search = n() > 0,
            "thrift" => bounds.thrift = n() > 0,
            "symmetry" => symmetry = n() > 0,
            "threads" => threads = n().into(),
            "time" => time = value.parse().expect("seconds"),
            "witness" => witness = Some(value.to_owned()),
            other => panic!("no such bound: {other}"),
        }
    }
    let model = QuorumCores::new(bounds, Rules::default());
    let watch = Watch;
    let options = Options { threads, symmetry, time_max: Some(Duration::from_secs(time)), memory_bytes_max: Some(4 << 30), stop: Stop::FirstViolation, observer: Some(&watch), witness: witness.as_deref(), ..Options::default() };
    let outcome = search(&model, &options);
    println!("{:?} {bounds:?}", outcome.verdict);
    println!("{} states of {} generated, depth {}, {:?}; met {:?}", outcome.unique, outcome.generated, outcome.depth, outcome.elapsed, model.met());
    for claim in &outcome.claims {
        println!("  {:?} {} ({})", claim.verdict, claim.name, claim.kind);
        if let Some(walk) = &claim.walk {
            let mut before = walk.start;
            for (index, (action, after)) in walk.steps.iter().enumerate() {
                println!("   {:>3} {}", index + 1, model.tell(&before, *action, after));
                before = *after;
            }
        }
    }
    for fired in &outcome.actions { println!("    {} {}", fired.name, fired.fired); }
    let _ = (ClaimVerdict::Holds, model.action_kinds(), model.init_states());
    ExitCode::SUCCESS
}
