package contender

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// Options are the flags of every contender.
type Options struct {
	Lock            string
	Kubeconfig      string
	Server          string
	Token           string
	CAFile          string
	Namespace       string
	Name            string
	Identity        string
	LeaseDuration   time.Duration
	RenewDeadline   time.Duration
	RetryPeriod     time.Duration
	ReleaseOnCancel bool
	// Events is the component in whose name Events are written; none are when it is empty.
	Events string
	// Command runs while leading; nothing does when it is empty.
	Command []string
}

func parse(locks []string) Options {
	var o Options
	flag.StringVar(&o.Lock, "lock-kind", locks[0], "kind of lock: "+strings.Join(locks, ", "))
	flag.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file`")
	flag.StringVar(&o.Server, "server", "", "`URL` of the API server; overrides the kubeconfig's")
	flag.StringVar(&o.Token, "token", "", "bearer token; overrides the kubeconfig's")
	flag.StringVar(&o.CAFile, "certificate-authority", "", "`file` with the server's CA; overrides the kubeconfig's")
	flag.StringVar(&o.Namespace, "namespace", "default", "namespace of the lock's object")
	flag.StringVar(&o.Name, "name", "", "name of the lock's object (required)")
	flag.StringVar(&o.Identity, "identity", "", "this candidate's identity (required)")
	// The record holds whole seconds: client-go cuts off what is below one.
	flag.DurationVar(&o.LeaseDuration, "lease-duration", 15*time.Second, "client-go's LeaseDuration")
	flag.DurationVar(&o.RenewDeadline, "renew-deadline", 10*time.Second, "client-go's RenewDeadline")
	flag.DurationVar(&o.RetryPeriod, "retry-period", 2*time.Second, "client-go's RetryPeriod")
	flag.BoolVar(&o.ReleaseOnCancel, "release-on-cancel", false, "client-go's ReleaseOnCancel: give the lock up when told to end")
	flag.StringVar(&o.Events, "events", "", "write Events in the name of this `component`")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: %s [flags] [-- command [argument...]]\n", os.Args[0])
		flag.PrintDefaults()
	}
	flag.Parse()
	o.Command = flag.Args()

	known := false
	for _, lock := range locks {
		known = known || lock == o.Lock
	}
	switch {
	case !known:
		refuse("--lock-kind %q is none of %s", o.Lock, strings.Join(locks, ", "))
	case o.Name == "":
		refuse("--name is required")
	case o.Identity == "":
		refuse("--identity is required")
	}
	return o
}

func refuse(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "contender: "+format+"\n", arguments...)
	os.Exit(2)
}
