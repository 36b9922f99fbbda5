// Command contender-etcd stands in an election with concurrency.Election of etcd's own Go client.
//
// Of the flags it takes --server (HOST:PORT), --name (the prefix of the election's keys), --identity, --lease-duration
// (the session's TTL, in whole seconds) and --release-on-cancel (resigns when told to end).
package main

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"

	"leaderelection/tests/servers/common/contender"
)

// What is left of a session when its program ends may take so long.
const farewell = 5 * time.Second

func main() {
	contender.Main(elect, "election")
}

func elect(ctx context.Context, o contender.Options, callbacks contender.Callbacks) error {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{o.Server},
		DialTimeout: farewell,
		DialOptions: []grpc.DialOption{grpc.WithChainStreamInterceptor(tellRenewals(callbacks.OnRenewed))},
	})
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer client.Close()
	session, err := concurrency.NewSession(client, concurrency.WithTTL(int(o.LeaseDuration/time.Second)))
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	election := concurrency.NewElection(session, o.Name)
	observing, stopObserving := context.WithCancel(ctx)
	defer stopObserving()
	go func() {
		for leader := range election.Observe(observing) {
			callbacks.OnNewLeader(string(leader.Kvs[0].Value))
		}
	}()

	err = election.Campaign(ctx, o.Identity)
	if ctx.Err() != nil {
		// Its key goes with the session.
		return session.Close()
	}
	if err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	leading, stopLeading := context.WithCancel(ctx)
	defer stopLeading()
	go callbacks.OnStartedLeading(leading)
	select {
	case <-session.Done():
	case <-ctx.Done():
	}
	stopLeading()
	callbacks.OnStoppedLeading()
	if ctx.Err() == nil || !o.ReleaseOnCancel {
		return nil
	}
	parting, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := election.Resign(parting); err != nil {
		return fmt.Errorf("resign: %w", err)
	}
	return session.Close()
}

// tellRenewals tells of every answer to a keepalive of the session's lease: Session itself tells nobody.
func tellRenewals(tell func()) grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
		open grpc.Streamer, options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		stream, err := open(ctx, description, connection, method, options...)
		if err != nil || method != "/etcdserverpb.Lease/LeaseKeepAlive" {
			return stream, err
		}
		return &renewals{stream, tell}, nil
	}
}

type renewals struct {
	grpc.ClientStream
	tell func()
}

func (r *renewals) RecvMsg(message any) error {
	err := r.ClientStream.RecvMsg(message)
	if err == nil {
		r.tell()
	}
	return err
}
