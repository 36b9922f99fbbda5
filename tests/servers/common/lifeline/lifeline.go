// Package lifeline ties the life of a test server to the process that started it.
package lifeline

import (
	"fmt"
	"io"
	"os"
)

// Variable switches the lifeline on when it is set to "1" in the environment.
const Variable = "EXIT_WITH_STDIN"

// Watch ends this process with status 1 once its standard input reaches its end, if Variable asks for it.
//
// The kernel closes the write end of the pipe when its holder is gone, SIGKILL included. Linux' PR_SET_PDEATHSIG would
// not do: it fires when the parent *thread* ends, and test runners start servers from threads that come and go.
func Watch() {
	if os.Getenv(Variable) != "1" {
		return
	}
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		fmt.Fprintln(os.Stderr, "lifeline: standard input has ended, exiting:", err)
		os.Exit(1)
	}()
}
