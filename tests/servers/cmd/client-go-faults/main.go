// Jitter is drawn from math/rand's global source, which each run seeds; without this line that would do nothing.
//go:debug randseednop=0

// Command client-go-faults runs client-go's elector, unmodified, under the faults of tests/src/beside_go_faults, in virtual time.
//
// Each line of standard input is one run, as the Rust program made it for both sides; each line of standard output says
// who was at work in it, and when. Who led beside whom is judged there, by one judge for both.
//
// Virtual time is a bubble of testing/synctest: time moves only when every goroutine waits. It is to be had in a test
// only, so the program is one test that is no file of tests.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// run is a line of input. All times are nanoseconds since its start.
type run struct {
	Seed          int64         `json:"seed"`
	LeaseDuration time.Duration `json:"lease_duration"`
	RenewDeadline time.Duration `json:"renew_deadline"`
	RetryPeriod   time.Duration `json:"retry_period"`
	// client-go's ReleaseOnCancel.
	Release bool `json:"release"`
	// After which the client gives up a call by itself; 0: never.
	CallLimit  time.Duration `json:"call_limit"`
	Fault      fault         `json:"fault"`
	FaultAt    time.Duration `json:"fault_at"`
	End        time.Duration `json:"end"`
	ActEvery   time.Duration `json:"act_every"`
	Candidates []struct {
		Name    string        `json:"name"`
		Start   time.Duration `json:"start"`
		Request time.Duration `json:"request"`
		Reply   time.Duration `json:"reply"`
	} `json:"candidates"`
}

// fault is what happens to the first candidate, who leads.
type fault struct {
	// partition, late_reply_then_partition, freeze or overwrite.
	Kind string `json:"kind"`
	// How late the reply is, and how long the leader is frozen.
	For time.Duration `json:"for"`
	// Whose name is written.
	Holder string `json:"holder"`
}

func main() {
	klog.SetLogger(logr.Discard())
	// So that a run repeats: goroutines that wake at one moment do so in one order.
	runtime.GOMAXPROCS(1)
	results := bufio.NewWriter(os.Stdout)
	// The testing package prints its verdict there.
	os.Stdout = os.Stderr
	everything := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(everything, []testing.InternalTest{{Name: "client-go-faults", F: func(t *testing.T) {
		if err := runAll(t, os.Stdin, results); err != nil {
			t.Fatal(err)
		}
	}}}, nil, nil)
}

func runAll(t *testing.T, input io.Reader, results *bufio.Writer) error {
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	encoder := json.NewEncoder(results)
	for number := 0; ; number++ {
		var run run
		if err := decoder.Decode(&run); errors.Is(err, io.EOF) {
			return results.Flush()
		} else if err != nil {
			return fmt.Errorf("run %d: %w", number, err)
		}
		rand.Seed(run.Seed)
		var account account
		synctest.Test(t, func(t *testing.T) { account = simulate(t, run) })
		if t.Failed() {
			return fmt.Errorf("run %d failed", number)
		}
		if err := encoder.Encode(account); err != nil {
			return err
		}
	}
}
