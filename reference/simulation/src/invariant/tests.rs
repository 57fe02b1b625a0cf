//! Each check catches a hand-made bad history, and lets the good one beside it pass.

use highwater_core::controller::{PartitionRecord, RegisterBrokerRecord, TopicRecord};
use highwater_core::partition::{LeaderRecovery, PartitionState};
use highwater_core::{Epoch, NodeId, Offset, Uuid};
use highwater_node::message::{LogId, TopicPartition};

use super::*;
use crate::Invariant;
use crate::ledger::{Batch, Crashed, Loss};

/// Three nodes that are voters and hold one partition, all of them in its ISR.
fn ledger() -> (Ledger, LogIndex) {
    let ids = vec![NodeId(1), NodeId(2), NodeId(3)];
    let mut ledger = Ledger::new(ids.clone(), 0b111, 2, true);
    let log = ledger.log(LogId::Partition(TopicPartition { topic: Uuid(7), partition: 0 }));
    for node in 0..3 {
        ledger.nodes[node].up = true;
        ledger.replica_mut(node, METADATA);
        ledger.replica_mut(node, log);
        register(&mut ledger, node, 10);
    }
    ledger.logs[log].state = Some(PartitionState {
        replicas: ids.clone(),
        isr: ids,
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        leader: Some(NodeId(1)),
        leader_epoch: 1,
        partition_epoch: 1,
        recovery: LeaderRecovery::Recovered,
    });
    ledger.logs[log].isr = 0b111;
    (ledger, log)
}

fn register(ledger: &mut Ledger, node: usize, broker_epoch: i64) {
    let record = RegisterBrokerRecord {
        broker: ledger.ids[node],
        is_migrating: false,
        incarnation: Uuid(node as u128 + 1),
        broker_epoch,
        endpoints: Vec::new(),
        features: Vec::new(),
        rack: None,
        fenced: false,
        in_controlled_shutdown: false,
        directories: Vec::new(),
        cordoned_directories: None,
    };
    ledger.image.apply(&record.into()).expect("a registration applies");
    ledger.nodes[node].broker_epoch = Some(broker_epoch);
}

fn append(ledger: &mut Ledger, node: usize, log: LogIndex, base: Offset, epoch: Epoch, digest: u64) -> Check {
    let held = ledger.replica_mut(node, log).shadow.push(Batch { base, end: base + 1, epoch, digest });
    appended(ledger, node, log, held)
}

fn lead(ledger: &mut Ledger, node: usize, log: LogIndex, epoch: Epoch) -> Check {
    let replica = ledger.replica_mut(node, log);
    replica.leads = true;
    replica.epoch = epoch;
    replica.maximal_isr = 0b111;
    elected(ledger, node, log, epoch)?;
    leads(ledger, node, log)
}

fn commit(
    ledger: &mut Ledger,
    node: usize,
    log: LogIndex,
    high_watermark: Offset,
) -> Result<bool, Violation> {
    let before = ledger.replica_mut(node, log).high_watermark;
    ledger.replica_mut(node, log).high_watermark = high_watermark;
    high_watermark_moved(ledger, node, log, before)
}

fn flush(ledger: &mut Ledger, node: usize, log: LogIndex) {
    let replica = ledger.replica_mut(node, log);
    replica.flushed = replica.shadow.end();
}

fn broken(check: Result<impl std::fmt::Debug, Violation>) -> Invariant {
    check.expect_err("something is broken").invariant
}

#[test]
fn two_leaders_in_an_epoch_break_election_safety() {
    let (mut ledger, log) = ledger();
    lead(&mut ledger, 0, METADATA, 3).expect("the first");
    lead(&mut ledger, 0, METADATA, 3).expect("the same again");
    lead(&mut ledger, 1, METADATA, 4).expect("another epoch");
    lead(&mut ledger, 1, log, 3).expect("another log");
    assert_eq!(broken(lead(&mut ledger, 2, METADATA, 3)), Invariant::ElectionSafety);
}

#[test]
fn other_record_at_an_offset_and_epoch_breaks_uniqueness() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("the first");
    append(&mut ledger, 1, log, 0, 1, 5).expect("its copy");
    assert_eq!(broken(append(&mut ledger, 2, log, 0, 1, 6)), Invariant::Uniqueness);
}

#[test]
fn same_record_after_other_records_breaks_log_matching() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("first");
    append(&mut ledger, 0, log, 1, 2, 6).expect("second");
    append(&mut ledger, 1, log, 0, 0, 5).expect("another first");
    assert_eq!(broken(append(&mut ledger, 1, log, 1, 2, 6)), Invariant::LogMatching);
}

#[test]
fn leader_that_cuts_its_log_breaks_append_only() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    lead(&mut ledger, 0, log, 1).expect("leads");
    assert_eq!(broken(truncating(&ledger, 0, log, 0, true)), Invariant::AppendOnly);
    truncating(&ledger, 0, log, 0, false).expect("who leads no more may cut");
}

#[test]
fn leader_without_a_committed_record_breaks_leader_completeness() {
    let (mut ledger, _) = ledger();
    for node in [0, 1] {
        append(&mut ledger, node, METADATA, 0, 1, 5).expect("a record");
        flush(&mut ledger, node, METADATA);
    }
    lead(&mut ledger, 0, METADATA, 1).expect("leads");
    assert!(commit(&mut ledger, 0, METADATA, 1).expect("a majority has it"));
    lead(&mut ledger, 1, METADATA, 2).expect("it has all");
    assert_eq!(broken(lead(&mut ledger, 2, METADATA, 3)), Invariant::LeaderCompleteness);
}

#[test]
fn commit_without_a_majority_on_disk_breaks_the_certificate() {
    let (mut ledger, _) = ledger();
    for node in [0, 1] {
        append(&mut ledger, node, METADATA, 0, 1, 5).expect("a record");
    }
    flush(&mut ledger, 0, METADATA);
    lead(&mut ledger, 0, METADATA, 1).expect("leads");
    assert_eq!(broken(commit(&mut ledger, 0, METADATA, 1)), Invariant::CommitCertificate);
}

#[test]
fn high_watermark_over_another_record_breaks_state_machine_safety() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    append(&mut ledger, 1, log, 0, 2, 6).expect("another");
    commit(&mut ledger, 0, log, 1).expect("the first to say so");
    assert_eq!(broken(commit(&mut ledger, 1, log, 1)), Invariant::StateMachineSafety);
}

#[test]
fn cut_below_the_own_high_watermark_breaks_state_machine_safety() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    append(&mut ledger, 0, log, 1, 1, 6).expect("a record");
    commit(&mut ledger, 0, log, 1).expect("committed");
    truncating(&ledger, 0, log, 1, false).expect("above");
    assert_eq!(broken(truncating(&ledger, 0, log, 0, false)), Invariant::StateMachineSafety);
    ledger.logs[log].tainted = Some("a test");
    truncating(&ledger, 0, log, 0, false).expect("nothing is claimed any more");
}

#[test]
fn high_watermark_of_the_quorum_that_falls_is_no_high_watermark() {
    let (mut ledger, _) = ledger();
    append(&mut ledger, 0, METADATA, 0, 1, 5).expect("a record");
    commit(&mut ledger, 0, METADATA, 1).expect("committed");
    assert_eq!(broken(commit(&mut ledger, 0, METADATA, 0)), Invariant::HighWatermark);
}

#[test]
fn in_sync_replica_that_lacks_a_committed_record_breaks_strong_isr() {
    let (mut ledger, log) = ledger();
    for node in [0, 1] {
        append(&mut ledger, node, log, 0, 1, 5).expect("a record");
    }
    lead(&mut ledger, 0, log, 1).expect("leads");
    commit(&mut ledger, 0, log, 1).expect("committed");
    assert_eq!(broken(partition_changed(&ledger, log)), Invariant::StrongIsr);
    ledger.logs[log].isr = 0b011;
    partition_changed(&ledger, log).expect("n3 is not in sync");
    ledger.logs[log].isr = 0b111;
    ledger.nodes[2].up = false;
    partition_changed(&ledger, log).expect("n3 does not run");
}

#[test]
fn isr_beyond_what_its_leader_counts_breaks_the_superset() {
    let (mut ledger, log) = ledger();
    lead(&mut ledger, 0, log, 1).expect("leads");
    partition_changed(&ledger, log).expect("all are counted");
    ledger.replica_mut(0, log).maximal_isr = 0b011;
    assert_eq!(broken(partition_changed(&ledger, log)), Invariant::QuorumSuperset);
}

#[test]
fn acknowledgement_above_the_high_watermark_breaks_durability() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    assert_eq!(broken(acknowledged(&mut ledger, 0, log, 0)), Invariant::Durability);
    commit(&mut ledger, 0, log, 1).expect("committed");
    acknowledged(&mut ledger, 0, log, 0).expect("below it");
    assert_eq!(broken(acknowledged(&mut ledger, 0, log, 9)), Invariant::Durability);
}

#[test]
fn new_leader_without_an_acknowledged_record_breaks_durability() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    commit(&mut ledger, 0, log, 1).expect("committed");
    acknowledged(&mut ledger, 0, log, 0).expect("acknowledged");
    ledger.nodes[0].up = false;
    ledger.logs[log].isr = 0b010;
    lead(&mut ledger, 1, log, 2).expect("leads");
    let state = ledger.logs[log].state.as_mut().expect("a partition");
    (state.leader, state.leader_epoch) = (Some(NodeId(2)), 2);
    assert_eq!(broken(partition_changed(&ledger, log)), Invariant::Durability);
}

#[test]
fn acknowledged_record_that_no_candidate_has_breaks_durability() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    commit(&mut ledger, 0, log, 1).expect("committed");
    acknowledged(&mut ledger, 0, log, 0).expect("acknowledged");
    (ledger.nodes[1].up, ledger.logs[log].isr) = (false, 0b010);
    assert_eq!(broken(partition_changed(&ledger, log)), Invariant::Durability);
    for node in [0, 1] {
        let crash = Crashed { node, broker_epoch: 10, left: false, loss: Loss::Nothing };
        ledger.logs[log].crashed.push(crash);
    }
    partition_changed(&ledger, log).expect("more crashed than replication stands");
}

#[test]
fn read_of_what_is_not_committed_breaks_read_stability() {
    let (mut ledger, log) = ledger();
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    let batch = |digest: u64| Batch { base: 0, end: 1, epoch: 1, digest };
    assert_eq!(broken(read(&mut ledger, 0, log, batch(5))), Invariant::ReadStability);
    commit(&mut ledger, 0, log, 1).expect("committed");
    read(&mut ledger, 0, log, batch(5)).expect("committed now");
    assert_eq!(broken(read(&mut ledger, 0, log, batch(6))), Invariant::ReadStability);
}

/// The partition in the committed metadata, its replicas on the disks that the nodes have.
fn place(ledger: &mut Ledger) {
    let nodes = ledger.ids.clone();
    for (node, member) in ledger.nodes.iter_mut().enumerate() {
        member.directory = Uuid(0x1000 + node as u128);
    }
    let topic = TopicRecord { name: "orders".to_owned(), topic: Uuid(7) };
    let partition = PartitionRecord {
        partition: 0,
        topic: Uuid(7),
        replicas: nodes.clone(),
        isr: nodes,
        removing: Vec::new(),
        adding: Vec::new(),
        leader: 1,
        leader_epoch: 1,
        partition_epoch: 1,
        directories: ledger.nodes.iter().map(|member| member.directory).collect(),
        recovery: 0,
        elr: None,
        last_known_elr: None,
    };
    ledger.image.apply(&topic.into()).expect("a topic applies");
    ledger.image.apply(&partition.into()).expect("a partition applies");
}

#[test]
fn replica_placed_on_a_disk_lost_since_counts_as_lost() {
    for (lost, expected) in [(false, Loss::Nothing), (true, Loss::Records)] {
        let (mut ledger, log) = ledger();
        place(&mut ledger);
        // n3 starts again, and has not registered yet.
        ledger.nodes[2].broker_epoch = None;
        if lost {
            ledger.nodes[2].directory = Uuid(0x2000);
        }
        ledger.placed(log);
        let crashed: Vec<_> = ledger.logs[log].crashed.iter().map(|one| (one.node, one.loss)).collect();
        assert_eq!(crashed, [(2, expected)]);
        assert_eq!(ledger.logs[log].tainted, None, "two others have it");
    }
}

#[test]
fn last_leader_taints_only_if_it_lost_what_was_committed() {
    let (mut ledger, log) = ledger();
    let was = ledger.logs[log].state.clone().expect("a partition");
    append(&mut ledger, 0, log, 0, 1, 5).expect("a record");
    commit(&mut ledger, 0, log, 1).expect("committed");
    assert!(!ledger.is_forsaken(log, &was));
    for node in 0..3 {
        ledger.crashed(node, log, Loss::Nothing);
    }
    assert!(ledger.is_forsaken(log, &was));
    assert!(!ledger.has_lost_committed(Some(NodeId(1)), log));
    ledger.crashed(0, log, Loss::Records);
    assert!(ledger.has_lost_committed(Some(NodeId(1)), log));
    assert!(!ledger.has_lost_committed(Some(NodeId(2)), log));
}
