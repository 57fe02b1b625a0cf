#![allow(missing_docs, clippy::print_stdout)]
use highwater_conformance::cores::quorum::{Bounds, QuorumCores};
use highwater_core::quorum::Rules;
use stateright::Model;
use std::collections::*;
fn main() {
    let bounds = Bounds { voters: 3, epochs: std::env::args().nth(1).unwrap().parse().unwrap(), records: 1, messages: 2, restarts: std::env::args().nth(2).unwrap().parse().unwrap(), resignations: 0, duplicates: 0, faults: 1, wipes: 0, pre_vote: false, search: false, thrift: true };
    let m = QuorumCores::new(bounds, Rules::default());
    let mut seen = HashSet::new();
    let mut todo = m.init_states();
    let mut acts = Vec::new();
    seen.extend(todo.iter().copied());
    while let Some(s) = todo.pop() {
        acts.clear();
        m.actions(&s, &mut acts);
        for a in &acts { if let Some(n) = m.next_state(&s, *a) && seen.insert(n) { todo.push(n); } }
    }
    let mut trip = HashMap::new(); let mut msgs = HashMap::new(); let mut last = HashMap::new(); let mut hist = HashMap::new(); let mut tl = HashSet::new();
    let mut pics = HashMap::new();
    for s in &seen {
        *trip.entry(s.voters).or_insert(0) += 1; *msgs.entry(s.messages).or_insert(0) += 1; *last.entry(s.lasting).or_insert(0) += 1;
        *hist.entry((s.committed.0, s.leaders.0, s.committed_in, s.produced)).or_insert(0) += 1;
        tl.insert((s.voters, s.lasting, s.committed.0, s.leaders.0));
        *pics.entry(m.look(s)).or_insert(0) += 1;
    }
    println!("before restart {}", seen.iter().filter(|s| s.restarts == 0).count());
    let lossy = seen.iter().filter(|s| s.restarts == 0 && m.unflushed(s)).count();
    println!("before restart with unflushed {lossy}");
    println!("states {} voters {} messages {} lasting {} hist {} voters+lasting+hist {} pictures {}", seen.len(), trip.len(), msgs.len(), last.len(), hist.len(), tl.len(), pics.len());
    let mut v: Vec<_> = msgs.into_iter().collect(); v.sort_by_key(|x| -(x.1 as i64));
    for (k, n) in v.into_iter().take(40) { println!("{n} {}", m.words_of(&k)); }
    let mut v: Vec<_> = pics.into_iter().collect(); v.sort_by_key(|x| -(x.1 as i64));
    for (k, n) in v.into_iter().take(3) {
        println!("{n} {k:?}");
        let mut t = HashMap::new();
        for s in &seen { if m.look(s) == k { *t.entry(s.voters).or_insert(0) += 1; } }
        println!("{} triples", t.len());
        let mut per = vec![BTreeMap::new(); 3];
        for x in t.keys() { for i in 0..3 { *per[i].entry(x[i]).or_insert(0) += 1; } }
        for i in 0..3 { for (n, c) in &per[i] { println!("   {i} {c} {}", m.voter_text(*n)); } }
    }
}
