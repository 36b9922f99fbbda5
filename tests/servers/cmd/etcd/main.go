// Command etcd is the real etcd server, built as an ordinary dependency of the tests.
//
// It differs from the released binary in one thing only: with EXIT_WITH_STDIN=1 in its environment it ends as soon
// as its standard input does. A test that starts it holds the write end of that pipe, so the server cannot outlive
// the test process, however that one dies.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"

	"leaderelection/tests/servers/common/lifeline"
)

func main() {
	lifeline.Watch()
	etcdmain.Main(os.Args)
}
