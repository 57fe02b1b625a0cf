package main

import (
	"fmt"
	"io"
	"log"
	"sort"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

var capabilities = []string{
	"processes", "lost-tails", "timers", "messages", "quorum", "votes", "pre-vote", "no-pre-vote", "push", "opening-record",
	"eager-appends",
}

// World is the quorum.
type World struct {
	preVote bool
	nodes   map[uint64]*Node
	mail    map[uint64]*pb.Message
	last    uint64
}

// Node is a disk and, if it is up, a replica.
type Node struct {
	disk *Disk
	raft *raft.RawNode
}

// act does what is asked.
func (w *World) act(request Request) (any, *Failure) {
	switch request.Do {
	case "hello":
		return map[string]any{"version": 1, "name": "etcd-raft", "capabilities": capabilities}, nil
	case "build":
		return nil, w.build(request.Quorum, request.PreVote)
	case "kill", "crash":
		node, failure := w.up(request.Node)
		if failure != nil {
			return nil, failure
		}
		node.raft = nil
		if request.Do == "crash" {
			node.disk.crash()
		}
		return nil, nil
	case "start":
		return nil, w.start(request.Node)
	case "expire":
		return nil, w.with(request.Node, func(node *Node) *Failure {
			if node.raft.BasicStatus().RaftState == raft.StateLeader {
				return unsupported("a leader's timer: CheckQuorum is off")
			}
			return broken(node.raft.Campaign())
		})
	case "beat":
		return nil, w.with(request.Node, func(node *Node) *Failure {
			// HeartbeatTick is 1: each tick of a leader is a heartbeat. A follower waits.
			if node.raft.BasicStatus().RaftState == raft.StateLeader {
				node.raft.Tick()
			}
			return nil
		})
	case "pending":
		return w.pending(), nil
	case "deliver", "lose", "duplicate":
		message, failure := w.letter(request.Message)
		if failure == nil && request.Do != "lose" {
			failure = w.arrive(message)
		}
		if failure == nil && request.Do != "duplicate" {
			delete(w.mail, request.Message)
		}
		return nil, failure
	case "append":
		return nil, w.with(request.Node, func(node *Node) *Failure {
			if node.raft.BasicStatus().RaftState != raft.StateLeader {
				return refused("%s does not lead", request.Node)
			}
			if request.Value == "" {
				return refused("an empty value, which is the library's own no-op")
			}
			if err := node.raft.Propose([]byte(request.Value)); err != nil {
				return refused("%v", err)
			}
			return nil
		})
	case "view":
		return w.view(request.Node)
	case "bye":
		return nil, nil
	default:
		return nil, unsupported("no " + request.Do + " here")
	}
}

func (w *World) build(quorum []string, preVote bool) *Failure {
	*w = World{preVote: preVote, nodes: map[uint64]*Node{}, mail: map[uint64]*pb.Message{}}
	var voters []uint64
	for _, name := range quorum {
		id, failure := idOf(name)
		if failure != nil {
			return failure
		}
		voters = append(voters, id)
	}
	for _, id := range voters {
		w.nodes[id] = &Node{disk: newDisk(voters)}
		if failure := w.open(id); failure != nil {
			return failure
		}
	}
	return nil
}

// open lets a node come up over its disk.
func (w *World) open(id uint64) *Failure {
	node := w.nodes[id]
	opened, err := raft.NewRawNode(&raft.Config{
		ID:            id,
		ElectionTick:  1 << 20,
		HeartbeatTick: 1,
		Storage:       node.disk,
		// One entry a message.
		MaxSizePerMsg:             0,
		MaxCommittedSizePerReady:  1 << 20,
		MaxUncommittedEntriesSize: 1 << 30,
		MaxInflightMsgs:           256,
		PreVote:                   w.preVote,
		Logger:                    &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	})
	if err != nil {
		return broken(err)
	}
	node.raft = opened
	w.carryOut(node)
	return nil
}

func (w *World) start(name string) *Failure {
	id, failure := idOf(name)
	if failure != nil {
		return failure
	}
	node, known := w.nodes[id]
	if !known || node.raft != nil {
		return refused("%s is up, or there is none", name)
	}
	return w.open(id)
}

// up is a node that is up.
func (w *World) up(name string) (*Node, *Failure) {
	id, failure := idOf(name)
	if failure != nil {
		return nil, failure
	}
	node, known := w.nodes[id]
	if !known || node.raft == nil {
		return nil, refused("%s is down, or there is none", name)
	}
	return node, nil
}

// with does something with a node that is up, and deals with what comes of it.
func (w *World) with(name string, do func(*Node) *Failure) *Failure {
	node, failure := w.up(name)
	if failure != nil {
		return failure
	}
	if failure := do(node); failure != nil {
		return failure
	}
	w.carryOut(node)
	return nil
}

func (w *World) letter(id uint64) (*pb.Message, *Failure) {
	if message, known := w.mail[id]; known {
		return message, nil
	}
	return nil, refused("there is no message %d", id)
}

func (w *World) arrive(message *pb.Message) *Failure {
	return w.with(nameOf(message.GetTo()), func(node *Node) *Failure {
		return broken(node.raft.Step(proto.Clone(message).(*pb.Message)))
	})
}

// carryOut deals with all that the library has ready, in the order that it demands: what has to be kept is written, and flushed if it must be, before
// anything is sent. There is no state machine: what is committed is applied by being seen.
func (w *World) carryOut(node *Node) {
	for node.raft.HasReady() {
		ready := node.raft.Ready()
		node.disk.write(ready)
		for _, message := range ready.Messages {
			w.last++
			w.mail[w.last] = proto.Clone(message).(*pb.Message)
		}
		node.raft.Advance(ready)
	}
}

func (w *World) pending() []map[string]any {
	ids := make([]uint64, 0, len(w.mail))
	for id := range w.mail {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(one, other int) bool { return ids[one] < ids[other] })
	envelopes := []map[string]any{}
	for _, id := range ids {
		message := w.mail[id]
		text := fmt.Sprintf("%v, term %d, index %d@%d, %d entries, commit %d", message.GetType(), message.GetTerm(),
			message.GetIndex(), message.GetLogTerm(), len(message.GetEntries()), message.GetCommit())
		if message.GetReject() {
			text += ", rejected"
		}
		envelopes = append(envelopes, map[string]any{
			"id": id, "kind": kindOf(message.GetType()), "from": nameOf(message.GetFrom()), "to": nameOf(message.GetTo()), "text": text,
		})
	}
	return envelopes
}

func (w *World) view(name string) (any, *Failure) {
	if id, failure := idOf(name); failure == nil && w.nodes[id] != nil && w.nodes[id].raft == nil {
		return nil, nil
	}
	node, failure := w.up(name)
	if failure != nil {
		return nil, failure
	}
	status := node.raft.BasicStatus()
	role := "follower"
	switch {
	case status.RaftState == raft.StateLeader:
		role = "leader"
	case status.RaftState != raft.StateFollower:
		role = "candidate"
	case status.Lead == raft.None:
		role = "unattached"
	}
	entries := []map[string]any{}
	for _, entry := range node.disk.written.entries {
		told := map[string]any{"epoch": entry.GetTerm()}
		if len(entry.GetData()) > 0 {
			told["value"] = string(entry.GetData())
		}
		entries = append(entries, told)
	}
	return map[string]any{
		"role": role, "epoch": status.GetTerm(), "leader": named(status.Lead), "voted": named(status.GetVote()), "log": entries,
		"committed": status.GetCommit(),
	}, nil
}

func kindOf(kind pb.MessageType) string {
	switch kind {
	case pb.MsgVote, pb.MsgPreVote:
		return "vote"
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		return "vote-answer"
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap:
		return "records"
	case pb.MsgAppResp, pb.MsgHeartbeatResp:
		return "position"
	default:
		return "other"
	}
}

func named(id uint64) any {
	if id == raft.None {
		return nil
	}
	return nameOf(id)
}

func nameOf(id uint64) string { return fmt.Sprintf("n%d", id) }

func idOf(name string) (uint64, *Failure) {
	id, err := strconv.ParseUint(strings.TrimPrefix(name, "n"), 10, 64)
	if err != nil || id == 0 || !strings.HasPrefix(name, "n") {
		return 0, refused("found %q, expected the name of a node", name)
	}
	return id, nil
}
