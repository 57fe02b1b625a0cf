// etcd's raft under Highwater's conformance suite: an adapter that speaks specs/adapter.md, version 1.
//
//	act       in the library
//	expire    RawNode.Campaign; a leader has no such timer, for its CheckQuorum is off
//	beat      RawNode.Tick of a leader: heartbeats; a follower waits
//	append    RawNode.Propose, of a leader alone
//	deliver   RawNode.Step
//	view      RawNode.BasicStatus, and the disk
//
// Nothing depends on chance: no follower's clock ever ticks.
//
// It has not: snapshots, changes of the voters, resign (the library can hand leadership to a node that it is told, which is another thing), wipe (a
// voter's identity is its id alone: a blank disk under an old id is not allowed).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Request is a line that comes. Which fields there are depends on the act.
type Request struct {
	ID      uint64   `json:"id"`
	Do      string   `json:"do"`
	Node    string   `json:"node"`
	Message uint64   `json:"message"`
	Value   string   `json:"value"`
	Quorum  []string `json:"quorum"`
	PreVote bool     `json:"pre-vote"`
}

// Failure says why an act was not done.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func unsupported(message string) *Failure { return &Failure{"unsupported", message} }

func refused(format string, args ...any) *Failure {
	return &Failure{"refused", fmt.Sprintf(format, args...)}
}

// broken is for what the library should not have to say.
func broken(err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{"broken", err.Error()}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	world := &World{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var request Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			return err
		}
		ok, failure := world.act(request)
		answer := map[string]any{"id": request.ID, "ok": ok}
		if failure != nil {
			answer = map[string]any{"id": request.ID, "error": failure}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
		if request.Do == "bye" {
			return nil
		}
	}
	return lines.Err()
}
