// Command histories judges a history by porcupine, a checker of linearizability: whether there is one order of all calls, each
// at some moment between its start and its end, in which every answer is right.
//
//	histories lock   < HISTORY    what a RecordingLock wrote down, as a compare-and-swap register with versions
//	histories fence  < HISTORY    writes by token, as a register that refuses a token older than the newest
//
// A history is JSON lines, one for each call. Starts and ends are steps: their order, without regard to clocks.
//
// It exits with 0 if there is such an order, with 1 if there is none (standard output then tells how far one goes, and what
// does not fit), and with 2 if it could not judge.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// A history that is linearizable is judged in a second.
	limit = 60 * time.Second
	never = math.MaxInt64
	// How much of an order is told.
	told = 8
)

func main() {
	status, err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "histories:", err)
	}
	os.Exit(status)
}

func run(arguments []string, input io.Reader, output io.Writer) (int, error) {
	kinds := map[string]kind{"lock": lockKind, "fence": fenceKind}
	if len(arguments) != 1 || kinds[arguments[0]].parse == nil {
		return 2, fmt.Errorf("usage: histories lock|fence < HISTORY")
	}
	kind := kinds[arguments[0]]
	var history []porcupine.Operation
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 16<<20)
	for number := 1; lines.Scan(); number++ {
		operation, judged, err := kind.parse(lines.Bytes())
		if err != nil {
			return 2, fmt.Errorf("line %d: %w: %s", number, err, lines.Text())
		}
		if judged {
			operation.Metadata = lines.Text()
			history = append(history, operation)
		}
	}
	if err := lines.Err(); err != nil {
		return 2, err
	}
	if len(history) == 0 {
		return 2, fmt.Errorf("nothing to judge")
	}
	began := time.Now()
	result, info := porcupine.CheckOperationsVerbose(kind.model, history, limit)
	switch result {
	case porcupine.Ok:
		fmt.Fprintf(output, "linearizable: %d calls, judged in %v\n", len(history), time.Since(began).Round(time.Millisecond))
		return 0, nil
	case porcupine.Illegal:
		tell(output, kind.model, history, info)
		return 1, nil
	default:
		return 2, fmt.Errorf("%d calls: no verdict within %v", len(history), limit)
	}
}

// kind is how a history is read, and what it is judged by. Lines that are not judged are left out.
type kind struct {
	parse func(line []byte) (operation porcupine.Operation, judged bool, err error)
	model porcupine.Model
}

// tell says how far the longest order goes, and which calls cannot come next: of those, one has ended before any other
// that is left, so that it cannot wait.
func tell(output io.Writer, model porcupine.Model, history []porcupine.Operation, info porcupine.LinearizationInfo) {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	fmt.Fprintf(output, "NOT linearizable: of %d calls, the longest order has %d. Its end:\n", len(history), len(longest))
	state, placed := model.Init(), map[any]bool{}
	for at, operation := range longest {
		_, state = model.Step(state, operation.Input, operation.Output)
		placed[operation.Metadata] = true
		if at >= len(longest)-told {
			fmt.Fprintf(output, "  %s\n    -> %v\n", operation.Metadata, state)
		}
	}
	var left []porcupine.Operation
	first := int64(never)
	for _, operation := range history {
		if !placed[operation.Metadata] {
			left = append(left, operation)
			first = min(first, operation.Return)
		}
	}
	sort.Slice(left, func(i, j int) bool { return left[i].Return < left[j].Return })
	fmt.Fprintln(output, "What has to come next, and does not fit:")
	for _, operation := range left {
		if operation.Call <= first {
			fmt.Fprintf(output, "  %s\n", operation.Metadata)
		}
	}
}
