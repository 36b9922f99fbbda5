// What Go's component configuration makes of files, as config.jsonl that the test beside it reads, and its flags. By hand, in
// tests/servers, whose module has Kubernetes:
//
//	go run ../../crates/leaderelection/tests/go/config.go > ../../crates/leaderelection/tests/go/config.jsonl
//
// A line is a file (YAML), with what becomes of it: the configuration with its defaults, as Go writes it, or Go's errors. The last
// lines are the flags, of a component whose lock is a Lease.
package main

import (
	"encoding/json"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/component-base/config"
	"k8s.io/component-base/config/options"
	"k8s.io/component-base/config/v1alpha1"
	"k8s.io/component-base/config/validation"
	"sigs.k8s.io/yaml"
)

type line struct {
	File    string                                `json:"file,omitempty"`
	Becomes *v1alpha1.LeaderElectionConfiguration `json:"becomes,omitempty"`
	Errors  []string                              `json:"errors,omitempty"`
	Flag    string                                `json:"flag,omitempty"`
	Default string                                `json:"default,omitempty"`
	Bare    string                                `json:"bare,omitempty"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	say := func(said line) {
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
	const names = "resourceName: job\nresourceNamespace: ns\nresourceLock: leases\n"
	for _, file := range []string{
		names,
		names + "leaseDuration: 1m30s\nrenewDeadline: 1m0s\nretryPeriod: 5s\n",
		names + "leaseDuration: 1h0m0s\nrenewDeadline: 1.5s\nretryPeriod: 300ms\n",
		names + "leaseDuration: 90m\n",
		names + "leaseDuration: \"30s\"\n",
		names + "leaseDuration: 0s\nrenewDeadline: 0s\nretryPeriod: 0s\n",
		names + "leaderElect: false\n",
		names + "leaderElect: true\n",
		names + "leaderElect: null\n",
		"{}",
		"leaderElect: false\n",
		"leaderElect: false\nleaseDuration: 1s\nrenewDeadline: 2s\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: endpoints\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: configmaps\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: \"\"\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: null\n",
		"resourceName: null\nresourceNamespace: ns\nresourceLock: leases\n",
		"resourceName: \"\"\nresourceNamespace: ns\nresourceLock: leases\n",
		"resourceName: job\nresourceLock: leases\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: endpointsleases\n",
		"resourceName: job\nresourceNamespace: ns\nresourceLock: pods\n",
		"resourceName: 5\nresourceNamespace: ns\nresourceLock: leases\n",
		names + "leaseDuration: 15 sec\n",
		names + "leaseDuration: \"15\"\n",
		names + "leaseDuration: 15\n",
		names + "leaseDuration: 15.5\n",
		names + "leaseDuration: -1s\n",
		names + "leaseDuration: null\n",
		names + "leaseDuration: true\n",
		names + "leaseDuration: [15s]\n",
		names + "leaseDuration: {seconds: 15}\n",
		names + "leaseDuration: 1d\n",
		names + "leaderElect: \"true\"\n",
		names + "leaderElect: 1\n",
		names + "leaderElect: [true]\n",
		names + "leaseDurations: 15s\n",
		names + "stopGrace: 2s\n",
		names + "leaseDuration: 15s\nleaseDuration: 20s\n",
		names + "leaseDuration: 10s\n",
		names + "leaseDuration: 9s\n",
		names + "renewDeadline: 15s\n",
		names + "renewDeadline: 2.4s\n",
		names + "renewDeadline: 2.401s\n",
		names + "retryPeriod: 9s\n",
		names + "leaseDuration: 600000h\n",
		"leaseDuration: 9s\nretryPeriod: 8s\nresourceName: \"\"\n",
	} {
		var read v1alpha1.LeaderElectionConfiguration
		if err := yaml.UnmarshalStrict([]byte(file), &read); err != nil {
			say(line{File: file, Errors: []string{err.Error()}})
			continue
		}
		v1alpha1.RecommendedDefaultLeaderElectionConfiguration(&read)
		var internal config.LeaderElectionConfiguration
		if err := v1alpha1.Convert_v1alpha1_LeaderElectionConfiguration_To_config_LeaderElectionConfiguration(&read, &internal, nil); err != nil {
			panic(err)
		}
		said := line{File: file, Becomes: &read}
		for _, err := range validation.ValidateLeaderElectionConfiguration(&internal, field.NewPath("leaderElection")) {
			said.Becomes = nil
			said.Errors = append(said.Errors, err.Error())
		}
		say(said)
	}

	var defaults v1alpha1.LeaderElectionConfiguration
	v1alpha1.RecommendedDefaultLeaderElectionConfiguration(&defaults)
	var internal config.LeaderElectionConfiguration
	if err := v1alpha1.Convert_v1alpha1_LeaderElectionConfiguration_To_config_LeaderElectionConfiguration(&defaults, &internal, nil); err != nil {
		panic(err)
	}
	// As kube-controller-manager and kube-scheduler do.
	internal.ResourceLock = "leases"
	flags := pflag.NewFlagSet("component", pflag.ContinueOnError)
	options.BindLeaderElectionFlags(&internal, flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		say(line{Flag: flag.Name, Default: flag.DefValue, Bare: flag.NoOptDefVal})
	})
}
