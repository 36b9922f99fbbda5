// Command kube-apiserver is the real Kubernetes API server, built as an ordinary dependency of the tests.
//
// It differs from the released binary in two things only: it carries no version stamp, and with EXIT_WITH_STDIN=1 in
// its environment it ends as soon as its standard input does. A test that starts it holds the write end of that pipe,
// so the server cannot outlive the test process, however that one dies.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"

	"leaderelection/tests/servers/common/lifeline"
)

func main() {
	lifeline.Watch()
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
