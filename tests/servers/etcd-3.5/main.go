// Command etcd-3.5 is etcd of the oldest release line that still gets fixes, with the lifeline of the newer one beside it.
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
