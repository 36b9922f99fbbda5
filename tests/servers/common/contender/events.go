package contender

import (
	"encoding/json"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// event is one line of standard output.
type event struct {
	// started_leading, work_ended, stopped_leading, new_leader, renewed or terminating.
	//
	// As client-go calls it, stopped_leading comes also at the end of a candidate that never led.
	Event    string `json:"event"`
	Identity string `json:"identity"`
	At       string `json:"at"`
	// Wall clock.
	UnixNanos int64 `json:"unix_nanos"`
	// CLOCK_MONOTONIC, which all processes of a host share: for order and distance between processes.
	MonotonicNanos int64 `json:"monotonic_nanos"`
}

type events struct {
	mutex    sync.Mutex
	identity string
}

func newEvents(identity string) *events { return &events{identity: identity} }

// print writes one line at once. Times are read under the lock, so that lines are in the order of their times.
func (e *events) print(name, identity string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	now := time.Now()
	line, err := json.Marshal(event{
		Event:          name,
		Identity:       identity,
		At:             now.UTC().Format(time.RFC3339Nano),
		UnixNanos:      now.UnixNano(),
		MonotonicNanos: monotonicNanos(),
	})
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n'))
	}
	if err != nil {
		// Whoever reads the events is gone or misled; to lead on unseen would help nobody.
		panic(err)
	}
}

// monotonicNanos reads the clock itself: time.Time keeps its monotonic part to itself.
func monotonicNanos() int64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return now.Nano()
}
