// Command contender-0.23 stands in an election with client-go v0.23.17, the last that has the locks on Endpoints and
// ConfigMaps.
package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"leaderelection/tests/servers/common/contender"
)

func main() {
	contender.Main(
		elect,
		resourcelock.EndpointsResourceLock,
		resourcelock.ConfigMapsResourceLock,
		resourcelock.LeasesResourceLock,
		resourcelock.EndpointsLeasesResourceLock,
		resourcelock.ConfigMapsLeasesResourceLock,
	)
}

// elect is the same in both contenders, but compiled against the client-go of its module.
func elect(ctx context.Context, o contender.Options, callbacks contender.Callbacks) error {
	config, err := clientcmd.BuildConfigFromFlags(o.Server, o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if o.Token != "" {
		config.BearerToken, config.BearerTokenFile = o.Token, ""
	}
	if o.CAFile != "" {
		config.CAFile, config.CAData = o.CAFile, nil
	}
	// Endpoints are deprecated, and every answer says so.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	events, wait, err := recorder(o, config)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	lock, err := resourcelock.NewFromKubeconfig(
		o.Lock, o.Namespace, o.Name,
		resourcelock.ResourceLockConfig{Identity: o.Identity, EventRecorder: events},
		config, o.RenewDeadline,
	)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
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
		return fmt.Errorf("elector: %w", err)
	}
	elector.Run(ctx)
	wait()
	return nil
}
