// Package contender is what the Go contenders of the tests share, whichever client-go they are built with: flags, the
// work, signals, and the events that they print.
//
// A contender stands in one election until SIGTERM or SIGINT, or until it loses a leadership, as Go programs do; then
// it exits: with status 0 when it was told to end, with 1 after a loss or an error, or with the status of its command
// when that ended by itself.
//
// On a signal it does what a careful Go program does: it ends its work first, then cancels the elector's context, which
// releases the lock with --release-on-cancel. A loss is told by client-go, in its own order.
package contender

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"leaderelection/tests/servers/common/lifeline"
)

// Callbacks are what the elector has to call; the names are client-go's, but of the last.
type Callbacks struct {
	OnStartedLeading func(context.Context)
	OnStoppedLeading func()
	OnNewLeader      func(identity string)
	// OnRenewed is for electors that tell when their lease was renewed; client-go's does not.
	OnRenewed func()
}

// Elect stands in the election until the context is cancelled or a leadership is lost.
type Elect func(context.Context, Options, Callbacks) error

// Main is the whole program. The first of the locks is the default of --lock-kind.
func Main(elect Elect, locks ...string) {
	lifeline.Watch()
	options := parse(locks)
	status, err := run(elect, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "contender:", err)
	}
	os.Exit(status)
}

func run(elect Elect, options Options) (int, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	election, leaveElection := context.WithCancel(context.Background())
	defer leaveElection()

	events := newEvents(options.Identity)
	work := newWork(options.Command, events)
	asked := make(chan struct{})
	go func() {
		select {
		case <-signals:
			events.print("terminating", options.Identity)
			close(asked)
			work.end()
		case <-work.finished:
		}
		leaveElection()
	}()

	err := elect(election, options, Callbacks{
		OnStartedLeading: work.run,
		OnStoppedLeading: func() { events.print("stopped_leading", options.Identity) },
		OnNewLeader:      func(identity string) { events.print("new_leader", identity) },
		OnRenewed:        func() { events.print("renewed", options.Identity) },
	})
	work.end()

	if status, finished := work.status(); finished {
		return status, err
	}
	select {
	case <-asked:
		if err == nil {
			return 0, nil
		}
	default:
		if err == nil {
			err = errors.New("leadership lost")
		}
	}
	return 1, err
}
