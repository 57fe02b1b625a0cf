use stateright::{Checker, Model};

use crate::family::{Family, Scale};

use super::*;

fn model(bounds: Bounds) -> ZkElection {
    ZkElection::new(bounds, Rules::default())
}

#[test]
fn quick() {
    for (c, o, s) in [(2, 3, 1), (2, 4, 1)] {
        let m = model(Bounds { candidates: c, offers: o, storms: s, stabilise: 0 });
        let t = std::time::Instant::now();
        let checker = m.checker().threads(1).spawn_bfs().join();
        eprintln!(
            "{c} {o} {s}: {} in {:?}; {:?}",
            checker.unique_state_count(),
            t.elapsed(),
            checker.discoveries().keys().collect::<Vec<_>>()
        );
    }
    let _ = ZkElection::bounds_at(Scale::Test);
}
