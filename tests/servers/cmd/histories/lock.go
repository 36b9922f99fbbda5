package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// lockKind is the contract of ResourceLock, clauses 1 to 9, where nobody deletes: a register that is replaced by naming its
// version, whose versions grow.
//
// A read or a swap that failed and wrote nothing says nothing. A swap that failed as ambiguous, was dropped or is under way may
// be done at any time after its start: it has no end. That it never is, is the order in which it comes last or where its version
// is no longer the newest. What watches show is not judged: they may lag.
var lockKind = kind{parse: parseCall, model: porcupine.Model{
	Init: func() any { return register{} },
	Step: func(before, input, output any) (bool, any) {
		return step(before.(register), input.(call), output.(result))
	},
}}

// register is the state: nothing, or an object.
type register struct {
	present bool
	// The newest; while it is unknown, one that it is greater than.
	version uint64
	// Whoever wrote it does not know the version, and nobody has seen it yet.
	unknown bool
	content string
}

func (r register) String() string {
	switch {
	case !r.present:
		return fmt.Sprintf("nothing as of version %d", r.version)
	case r.unknown:
		return fmt.Sprintf("%s at a version above %d", r.content, r.version)
	default:
		return fmt.Sprintf("%s at version %d", r.content, r.version)
	}
}

// call is a read, or a swap.
type call struct {
	swap bool
	// Named by a swap; nil: absence.
	expected *uint64
	content  string
}

type result struct {
	// It has no answer that says what it did.
	ambiguous bool
	done      *uint64
	// What was read, or stood in the way of a swap if the store told it.
	state *state
}

// state as a history has it.
type state struct {
	Absent     json.RawMessage `json:"absent"`
	Version    *uint64         `json:"version"`
	Record     json.RawMessage `json:"record"`
	Unreadable *string         `json:"unreadable"`
}

func (s *state) content() string {
	switch {
	case s.Record != nil:
		return compact(s.Record)
	case s.Unreadable != nil:
		return fmt.Sprintf("unreadable %q", *s.Unreadable)
	default:
		return "no record"
	}
}

func step(before register, call call, result result) (bool, register) {
	if !call.swap {
		return before.shows(result.state)
	}
	named := before.is(call.expected)
	if result.ambiguous {
		if named {
			return true, register{present: true, version: before.version, unknown: true, content: call.content}
		}
		return true, before
	}
	if result.done == nil {
		if result.state != nil {
			told, after := before.shows(result.state)
			// Who has seen the version sees now that it is not the one that was named.
			return told && (!after.is(call.expected)), after
		}
		return !named || before.unknown, before
	}
	version := *result.done
	if call.expected != nil && version == *call.expected {
		// Found equal, and nothing done.
		return named && before.content == call.content, before
	}
	grows := version > before.version && (call.expected == nil || version > *call.expected)
	return named && grows, register{present: true, version: version, content: call.content}
}

// is tells whether the register can be in the state that a swap names.
func (r register) is(expected *uint64) bool {
	switch {
	case expected == nil:
		return !r.present
	case r.unknown:
		return *expected > r.version
	default:
		return r.present && *expected == r.version
	}
}

// shows tells whether this can be seen of the register, and what is known of it then.
func (r register) shows(seen *state) (bool, register) {
	if seen.Version == nil {
		var asOf *uint64
		if json.Unmarshal(seen.Absent, &asOf) != nil || r.present {
			return false, r
		}
		if asOf == nil {
			return true, r
		}
		// An older absence than one that was seen before is a lagging read.
		return *asOf >= r.version, register{version: max(r.version, *asOf)}
	}
	if !r.present || seen.content() != r.content {
		return false, r
	}
	if r.unknown {
		return *seen.Version > r.version, register{present: true, version: *seen.Version, content: r.content}
	}
	return *seen.Version == r.version, r
}

func parseCall(line []byte) (porcupine.Operation, bool, error) {
	var entry struct {
		Op        string          `json:"op"`
		StartStep int64           `json:"start_step"`
		EndStep   *int64          `json:"end_step"`
		Expected  json.RawMessage `json:"expected"`
		Record    json.RawMessage `json:"record"`
		Result    json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(line, &entry); err != nil {
		return porcupine.Operation{}, false, err
	}
	operation := porcupine.Operation{Call: entry.StartStep, Return: never}
	if entry.EndStep != nil {
		operation.Return = *entry.EndStep
	}
	call, result := call{swap: entry.Op == "cas"}, result{}
	switch entry.Op {
	case "watch", "shown":
		return operation, false, nil
	case "cas":
		call.content = compact(entry.Record)
		if string(entry.Expected) != `"absent"` {
			if err := json.Unmarshal(entry.Expected, &call.expected); err != nil {
				return operation, false, err
			}
		}
	case "get":
	default:
		return operation, false, fmt.Errorf("unknown op %q", entry.Op)
	}

	var told struct {
		Observed *state  `json:"observed"`
		Done     *uint64 `json:"done"`
		Conflict *state  `json:"conflict"`
		Error    string  `json:"error"`
	}
	dropped := bytes.Equal(entry.Result, []byte(`"dropped"`))
	if !dropped {
		if err := json.Unmarshal(entry.Result, &told); err != nil {
			return operation, false, err
		}
	}
	switch {
	case !call.swap:
		result.state = told.Observed
		operation.Input, operation.Output = call, result
		return operation, told.Observed != nil, nil
	case dropped || told.Error == "ambiguous" || bytes.Equal(entry.Result, []byte("null")):
		result.ambiguous = true
		operation.Return = never
	case told.Error != "":
		return operation, false, nil
	case told.Done != nil:
		result.done = told.Done
	case bytes.Contains(entry.Result, []byte(`"conflict"`)):
		result.state = told.Conflict
	default:
		return operation, false, errors.New("a swap without a result")
	}
	operation.Input, operation.Output = call, result
	return operation, true, nil
}

// compact makes equal JSON equal text.
func compact(raw json.RawMessage) string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&value) == nil {
		if text, err := json.Marshal(value); err == nil {
			return string(text)
		}
	}
	return string(raw)
}
