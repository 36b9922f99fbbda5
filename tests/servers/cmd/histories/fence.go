package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// fenceKind is a register that takes a write with a token, and refuses one with a token older than the newest it took
// (SAFETY 19).
var fenceKind = kind{parse: parseWrite, model: porcupine.Model{
	Init: func() any { return fenced{} },
	Step: func(before, input, _ any) (bool, any) {
		state, write := before.(fenced), input.(write)
		switch {
		case write.Read:
			return write.Value == state.value, state
		case write.Newest != nil:
			return *write.Newest == state.newest && write.Token < state.newest, state
		default:
			return write.Token >= state.newest, fenced{newest: write.Token, value: write.Value}
		}
	},
}}

type fenced struct {
	newest uint64
	value  string
}

func (f fenced) String() string { return fmt.Sprintf("%q by token %d", f.value, f.newest) }

// write is a line: a write that was accepted, one that was refused for a newer token, or a read.
type write struct {
	Start int64 `json:"start_step"`
	End   int64 `json:"end_step"`
	// What was to be written, or was read; nothing is "".
	Value string `json:"value"`
	Read  bool   `json:"read"`
	Token uint64 `json:"token"`
	// The newest token, with which the register refused.
	Newest *uint64 `json:"newest"`
}

func parseWrite(line []byte) (porcupine.Operation, bool, error) {
	var write write
	if err := json.Unmarshal(line, &write); err != nil {
		return porcupine.Operation{}, false, err
	}
	if write.Start >= write.End {
		return porcupine.Operation{}, false, errors.New("it ends before it starts")
	}
	return porcupine.Operation{Input: write, Call: write.Start, Return: write.End}, true, nil
}
