use std::collections::HashSet;

use stateright::Model;

use super::*;

fn reachable(model: &QuorumCores, most: usize) -> Vec<State> {
    let mut seen = HashSet::new();
    let mut found = model.init_states();
    seen.extend(found.iter().copied());
    let mut next = 0;
    let mut actions = Vec::new();
    while next < found.len() && found.len() < most {
        let state = found[next];
        next += 1;
        actions.clear();
        model.actions(&state, &mut actions);
        for action in &actions {
            if let Some(after) = model.next_state(&state, *action)
                && seen.insert(after)
            {
                found.push(after);
            }
        }
    }
    found
}

#[test]
fn representative_of_every_renaming_is_the_same() {
    let bounds = Bounds {
        voters: 3,
        epochs: 2,
        records: 1,
        messages: 2,
        restarts: 1,
        resignations: 0,
        duplicates: 0,
        faults: 1,
        wipes: 0,
        pre_vote: false,
        search: false,
        thrift: true,
    };
    let model = QuorumCores::new(bounds, Rules::default());
    for state in reachable(&model, 400_000) {
        let representative = model.representative(&state);
        for renamed in model.renamings(&state) {
            let other = model.representative(&renamed);
            assert!(
                other == representative,
                "{}\n{}\n{}\n{}",
                model.text(&state),
                model.text(&renamed),
                model.text(&representative),
                model.text(&other)
            );
        }
    }
}
