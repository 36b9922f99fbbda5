package contender

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// work is what the leader does: the command, or to wait until it may not any more.
type work struct {
	command []string
	events  *events
	// finished is closed when the command has ended by itself.
	finished chan struct{}
	exit     int

	allowed context.Context
	forbid  context.CancelFunc
	mutex   sync.Mutex
	running sync.WaitGroup
}

func newWork(command []string, events *events) *work {
	allowed, forbid := context.WithCancel(context.Background())
	return &work{command: command, events: events, finished: make(chan struct{}), allowed: allowed, forbid: forbid}
}

// run is OnStartedLeading: client-go calls it in a goroutine of its own, and cancels the context when the lead is over.
func (w *work) run(leading context.Context) {
	w.mutex.Lock()
	if w.allowed.Err() != nil {
		w.mutex.Unlock()
		return
	}
	w.running.Add(1)
	w.mutex.Unlock()
	defer w.running.Done()

	working, stop := context.WithCancel(leading)
	defer stop()
	defer context.AfterFunc(w.allowed, stop)()

	w.events.print("started_leading", w.events.identity)
	var err error
	if len(w.command) == 0 {
		<-working.Done()
	} else {
		err = w.runCommand(working)
	}
	w.events.print("work_ended", w.events.identity)

	if working.Err() == nil {
		w.exit = exitStatus(err)
		close(w.finished)
	}
}

func (w *work) runCommand(working context.Context) error {
	// The kernel sends Pdeathsig when the *thread* that started the command ends: this one does not before the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(working, w.command[0], w.command[1:]...)
	// Standard output belongs to the events.
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command.Run()
}

// end forbids work, and returns when none runs.
func (w *work) end() {
	w.mutex.Lock()
	w.forbid()
	w.mutex.Unlock()
	w.running.Wait()
}

// status is the command's, if it has ended by itself. Call it after end.
func (w *work) status() (int, bool) {
	select {
	case <-w.finished:
		return w.exit, true
	default:
		return 0, false
	}
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "contender:", err)
		return 1
	}
}
