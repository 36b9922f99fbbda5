package main

import (
	"context"
	"errors"

	"k8s.io/client-go/tools/leaderelection"

	"leaderelection/tests/servers/common/contender"
)

// contend is client-go's elector on etcd for `handover` of the tests: it takes the flags of the contenders there and says what they
// say. client-go has no lock on etcd of its own.
func contend(ctx context.Context, o contender.Options, callbacks contender.Callbacks) error {
	if o.Server == "" {
		return errors.New("--server is required")
	}
	locks, err := etcdLocks(o.Server)
	if err != nil {
		return err
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            locks(o.Name, o.Identity),
		LeaseDuration:   o.LeaseDuration,
		RenewDeadline:   o.RenewDeadline,
		RetryPeriod:     o.RetryPeriod,
		ReleaseOnCancel: o.ReleaseOnCancel,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: callbacks.OnStartedLeading,
			OnStoppedLeading: callbacks.OnStoppedLeading,
			OnNewLeader:      callbacks.OnNewLeader,
		},
	})
	if err != nil {
		return err
	}
	elector.Run(ctx)
	return nil
}
