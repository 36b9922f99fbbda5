// Command fleet-client-go is client-go's side of the measurement of fleets: candidates of many elections in one process. It takes the
// arguments of fleet-candidates, in benches/src/bin, and says the same, line by line. As `fleet-client-go contend` it is one candidate.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"leaderelection/tests/servers/common/contender"
)

type options struct {
	store, server, identity                   string
	elections, candidates                     int
	leaseDuration, renewDeadline, retryPeriod time.Duration
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "contend" {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		contender.Main(contend, "etcd")
	}
	var o options
	flag.StringVar(&o.store, "store", "", "memory, etcd or kube")
	flag.StringVar(&o.server, "server", "", "the endpoint of etcd, or the file of a kubeconfig")
	flag.StringVar(&o.identity, "identity", "", "the candidates' name")
	flag.IntVar(&o.elections, "elections", 0, "in how many elections it takes part")
	flag.IntVar(&o.candidates, "candidates", 1, "how many candidates it has in each")
	flag.DurationVar(&o.leaseDuration, "lease-duration", 15*time.Second, "LeaseDuration")
	flag.DurationVar(&o.renewDeadline, "renew-deadline", 10*time.Second, "RenewDeadline")
	flag.DurationVar(&o.retryPeriod, "retry-period", 2*time.Second, "RetryPeriod")
	flag.Parse()
	if err := takePart(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newLock gives the lock of one candidate in one election.
type newLock func(election, identity string) resourcelock.Interface

func connect(o options) (newLock, error) {
	switch o.store {
	case "memory":
		return memoryLocks(o.elections), nil
	case "etcd":
		return etcdLocks(o.server)
	case "kube":
		return leases(o.server)
	}
	return nil, fmt.Errorf("no store %q", o.store)
}

func takePart(ctx context.Context, o options) error {
	locks, err := connect(o)
	if err != nil {
		return err
	}
	if o.store != "memory" {
		// Connections are made with the first call, which finds nothing.
		_, _, _ = locks("none", o.identity).Get(ctx)
	}
	fmt.Println(`{"ready":true}`)
	input := bufio.NewReader(os.Stdin)
	if _, err := input.ReadString('\n'); err != nil {
		return nil
	}
	var leading, lost atomic.Int64
	var electors []*leaderelection.LeaderElector
	for election := range o.elections {
		for candidate := range o.candidates {
			elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
				Lock:          locks(strconv.Itoa(election), o.identity+"-"+strconv.Itoa(candidate)),
				LeaseDuration: o.leaseDuration,
				RenewDeadline: o.renewDeadline,
				RetryPeriod:   o.retryPeriod,
				Callbacks: leaderelection.LeaderCallbacks{
					OnStartedLeading: func(ctx context.Context) {
						leading.Add(1)
						<-ctx.Done()
						leading.Add(-1)
						lost.Add(1)
					},
					OnStoppedLeading: func() {},
				},
			})
			if err != nil {
				return err
			}
			electors = append(electors, elector)
			go func() {
				// It returns when it no longer leads, and is not to be asked again by itself.
				for {
					elector.Run(ctx)
				}
			}()
		}
	}
	ended := make(chan struct{})
	go func() {
		_, _ = input.ReadString('\n')
		close(ended)
	}()
	second := time.NewTicker(time.Second)
	following := 0
	for {
		select {
		case <-ended:
			return nil
		case <-second.C:
			// Whoever follows once goes on.
			if following < len(electors) {
				following = 0
				for _, elector := range electors {
					if elector.GetLeader() != "" {
						following++
					}
				}
			}
			fmt.Printf("{\"leading\":%d,\"following\":%d,\"lost\":%d}\n", leading.Load(), following, lost.Load())
		}
	}
}
