use super::*;
use super::state::*;
use crate::check::*;
use crate::family::Scale;

fn env(name: &str, default: u8) -> u8 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn scratch() {
    let d = super::rules::bounds_at(Scale::Default);
    let bounds = Bounds {
        nodes: env("N", d.nodes), terms: env("T", d.terms), records: env("R", d.records),
        messages: env("M", d.messages), restarts: env("X", d.restarts), stabilises: env("S", 0),
        atomic: env("A", 0) == 1,
    };
    let mut rules = Rules::default();
    if let Ok(off) = std::env::var("OFF") {
        (super::rules::RULES.iter().find(|r| r.name == off).unwrap().off)(&mut rules);
    }
    let model = Raft::with(bounds, rules);
    let options = Options {
        threads: env("TH", 1).into(),
        symmetry: env("SYM", 1) == 1,
        stop: if env("ALL", 0) == 1 { Stop::Exhausted } else { Stop::FirstViolation },
        memory_bytes_max: Some(4 << 30),
        time_max: Some(std::time::Duration::from_secs(env("MAX", 120).into())),
        ..Options::default()
    };
    let out = if bounds.stabilises == 1 { liveness(&model, &options) } else { search(&model, &options) };
    eprintln!("{:?} {:?} gen {} uniq {} depth {} term {} {:?} mem {}", out.verdict, out.cut, out.generated, out.unique, out.depth, out.terminal, out.elapsed, out.memory_bytes_peak >> 20);
    for c in &out.claims {
        eprintln!("  {} {} {:?} {:?}", c.kind, c.name, c.verdict, c.walk.as_ref().map(|w| (w.steps.len(), w.loop_to)));
        if c.verdict == ClaimVerdict::Violated && env("SHOW", 0) == 1 {
            if let Some(w) = &c.walk { for (a, _) in &w.steps { eprintln!("      {}", show(a)); } }
        }
    }
    for f in &out.actions { eprint!(" {}={}", f.name, f.fired); }
    eprintln!();
}

fn show(a: &Action) -> String {
    match a {
        Action::Deliver(m) => format!("Deliver {:?}", m.parts()),
        Action::Duplicate(m) => format!("Duplicate {:?}", m.parts()),
        Action::Lose(m) => format!("Lose {:?}", m.parts()),
        _ => format!("{a:?}"),
    }
}

#[test]
fn histogram() {
    use std::collections::{HashMap, HashSet};
    let bounds = Bounds { nodes: 3, terms: env("T", 3), records: env("R", 0), messages: env("M", 2), restarts: env("X", 0), stabilises: 0, atomic: false };
    let model = Raft::with(bounds, Rules::default());
    let mut seen = HashSet::new();
    let mut queue = vec![model.start];
    seen.insert(model.start);
    let mut acts = Vec::new();
    while let Some(s) = queue.pop() {
        acts.clear();
        model.enabled(&s, &mut acts);
        for a in acts.drain(..) {
            if let Some(n) = model.after(&s, a) {
                let c = model.representative(&n);
                if seen.insert(c) { queue.push(c); }
            }
        }
    }
    eprintln!("{}", seen.len());
    let report = |name: &str, f: &dyn Fn(&State) -> String| {
        let mut h: HashMap<String, usize> = HashMap::new();
        for s in &seen { *h.entry(f(s)).or_default() += 1; }
        let mut v: Vec<_> = h.into_iter().collect();
        v.sort_by_key(|x| std::cmp::Reverse(x.1));
        eprintln!("-- {name}: {} classes", v.len());
        for (k, n) in v.iter().take(14) { eprintln!("   {n} {k}"); }
    };
    report("kinds", &|s| s.in_flight().map(|m| { let p = m.parts(); format!("{:?}{}{} ", p.kind, if p.yes {"+"} else {""}, if p.term < s.term(p.to) {"<"} else if p.term > s.term(p.to) {">"} else {"="}) }).collect());
    report("roles", &|s| { let mut v: Vec<_> = (0..3).map(|i| format!("{:?}", s.role(i))).collect(); v.sort(); v.join(" ") });
    report("terms", &|s| { let mut v: Vec<_> = (0..3).map(|i| s.term(i)).collect(); v.sort(); format!("{v:?}") });
    report("won", &|s| format!("{:b}", s.won));
    let distinct = |f: &dyn Fn(&State) -> State| seen.iter().map(|s| f(s)).collect::<HashSet<_>>().len();
    eprintln!("no messages {}", distinct(&|s| { let mut s = *s; s.messages = Default::default(); s }));
    use super::state::Progress;
    let strip = |s: &State| { let mut s = *s; s.messages = Default::default(); s.won = 0; s.committed = Log(0); s.committed_in = 0; s };
    eprintln!("core {}", distinct(&|s| strip(s)));
    eprintln!("core-commit {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.set_commit(i, 0) }; s }));
    eprintln!("core-commit-progress {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.set_commit(i, 0); s.progress[i] = Progress(0) }; s }));
    eprintln!("core-commit-progress-voted {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.set_commit(i, 0); s.ballots[i].voted=0; s.progress[i] = Progress(0) }; s }));
    eprintln!("core-commit-progress-voted-role {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.life[i]=0; s.ballots[i].voted=0; s.progress[i] = Progress(0) }; s }));
    eprintln!("logs {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.life[i]=0; s.ballots[i]=Default::default(); s.progress[i] = Progress(0) }; s }));
    eprintln!("one log {}", distinct(&|s| { let mut s = strip(s); for i in 0..3 { s.life[i]=0; s.ballots[i]=Default::default(); s.progress[i] = Progress(0) }; s.logs[1]=Log(0); s.logs[2]=Log(0); s }));
    eprintln!("no won {}", distinct(&|s| { let mut s = *s; s.won = 0; s }));
    eprintln!("no ghosts {}", distinct(&|s| { let mut s = *s; s.won = 0; s.committed = Log(0); s.committed_in = 0; s }));
    eprintln!("no committed_in {}", distinct(&|s| { let mut s = *s; s.committed_in = 0; s }));
    eprintln!("no commit {}", distinct(&|s| { let mut s = *s; for i in 0..3 { s.set_commit(i, 0) }; s }));
    eprintln!("no progress {}", distinct(&|s| { let mut s = *s; s.progress = Default::default(); s }));
    eprintln!("no leader progress {}", distinct(&|s| { let mut s = *s; for i in 0..3 { if s.role(i) == super::state::Role::Leader { s.progress[i] = super::state::Progress(0) }} s }));
    eprintln!("no voted {}", distinct(&|s| { let mut s = *s; for i in 0..3 { s.ballots[i].voted = 0 }; s }));
    eprintln!("no role {}", distinct(&|s| { let mut s = *s; for i in 0..3 { s.life[i] &= !3; }; s }));
}
