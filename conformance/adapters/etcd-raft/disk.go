package main

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// content is what is on a disk. entries[i] has the index i+1: there are no snapshots.
type content struct {
	hardState *pb.HardState
	entries   []*pb.Entry
}

func (c content) copy() content {
	return content{proto.Clone(c.hardState).(*pb.HardState), append([]*pb.Entry(nil), c.entries...)}
}

// Disk is a node's disk, on which the operating system keeps back what was not flushed.
//
// The library says of each Ready whether it has to be flushed before what hangs on it is sent (MustSync): entries, term and vote have to
// be, the commit index need not. So what a crash takes is the commit index.
type Disk struct {
	voters           []uint64
	written, flushed content
}

// newDisk is a blank one, of a node of this quorum.
func newDisk(voters []uint64) *Disk {
	blank := content{hardState: &pb.HardState{}}
	return &Disk{voters: voters, written: blank, flushed: blank.copy()}
}

// write takes what a Ready has to be kept.
func (d *Disk) write(ready raft.Ready) {
	if len(ready.Entries) > 0 {
		// Those from the first on that were there before are replaced.
		before := ready.Entries[0].GetIndex() - 1
		d.written.entries = append(d.written.entries[:before:before], ready.Entries...)
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		d.written.hardState = proto.Clone(ready.HardState).(*pb.HardState)
	}
	if ready.MustSync {
		d.flushed = d.written.copy()
	}
}

// crash loses what was not flushed.
func (d *Disk) crash() { d.written = d.flushed.copy() }

// What follows is raft.Storage.

func (d *Disk) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return d.written.hardState, &pb.ConfState{Voters: d.voters}, nil
}

func (d *Disk) Entries(low, high, sizeMax uint64) ([]*pb.Entry, error) {
	if high > uint64(len(d.written.entries))+1 {
		return nil, raft.ErrUnavailable
	}
	var taken []*pb.Entry
	size := uint64(0)
	for _, entry := range d.written.entries[low-1 : high-1] {
		size += uint64(proto.Size(entry))
		if len(taken) > 0 && size > sizeMax {
			break
		}
		taken = append(taken, entry)
	}
	return taken, nil
}

func (d *Disk) Term(index uint64) (uint64, error) {
	switch {
	case index == 0:
		return 0, nil
	case index > uint64(len(d.written.entries)):
		return 0, raft.ErrUnavailable
	default:
		return d.written.entries[index-1].GetTerm(), nil
	}
}

func (d *Disk) LastIndex() (uint64, error) { return uint64(len(d.written.entries)), nil }

func (d *Disk) FirstIndex() (uint64, error) { return 1, nil }

// Snapshot has none: nothing is ever compacted, so that nobody needs one.
func (d *Disk) Snapshot() (*pb.Snapshot, error) { return nil, raft.ErrSnapshotTemporarilyUnavailable }
