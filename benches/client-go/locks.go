package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// cell is one value that is replaced where its version is known; 0 is the version of none.
type cell interface {
	get(ctx context.Context) (value []byte, version int64, err error)
	swap(ctx context.Context, version int64, value []byte) (next int64, err error)
}

var errConflict = errors.New("somebody else has written")

// lock is client-go's lock on a cell, as its own on a Lease: it keeps what it has read, and replaces that.
type lock struct {
	cell     cell
	name     string
	identity string
	version  int64
}

func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	value, version, err := l.cell.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	if version == 0 {
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "cells"}, l.name)
	}
	l.version = version
	record := &resourcelock.LeaderElectionRecord{}
	if err := json.Unmarshal(value, record); err != nil {
		return nil, nil, err
	}
	return record, value, nil
}

func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.swap(ctx, 0, record)
}

func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if l.version == 0 {
		return errors.New("nothing was read or created before")
	}
	return l.swap(ctx, l.version, record)
}

func (l *lock) swap(ctx context.Context, version int64, record resourcelock.LeaderElectionRecord) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	next, err := l.cell.swap(ctx, version, value)
	if err != nil {
		return err
	}
	l.version = next
	return nil
}

func (l *lock) RecordEvent(string) {}
func (l *lock) Identity() string   { return l.identity }
func (l *lock) Describe() string   { return l.name }

type memoryCell struct {
	mutex   sync.Mutex
	value   []byte
	version int64
}

func (c *memoryCell) get(context.Context) ([]byte, int64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.value, c.version, nil
}

func (c *memoryCell) swap(_ context.Context, version int64, value []byte) (int64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if version != c.version {
		return 0, errConflict
	}
	c.version++
	c.value = value
	return c.version, nil
}

func memoryLocks(elections int) newLock {
	cells := make(map[string]*memoryCell, elections)
	for election := range elections {
		cells[strconv.Itoa(election)] = &memoryCell{}
	}
	return func(election, identity string) resourcelock.Interface {
		return &lock{cell: cells[election], name: election, identity: identity}
	}
}

type etcdCell struct {
	client *clientv3.Client
	key    string
}

func (c *etcdCell) get(ctx context.Context) ([]byte, int64, error) {
	answer, err := c.client.Get(ctx, c.key)
	if err != nil || len(answer.Kvs) == 0 {
		return nil, 0, err
	}
	return answer.Kvs[0].Value, answer.Kvs[0].ModRevision, nil
}

func (c *etcdCell) swap(ctx context.Context, version int64, value []byte) (int64, error) {
	answer, err := c.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(c.key), "=", version)).
		Then(clientv3.OpPut(c.key, string(value))).
		Commit()
	if err != nil {
		return 0, err
	}
	if !answer.Succeeded {
		return 0, errConflict
	}
	return answer.Header.Revision, nil
}

func etcdLocks(endpoint string) (newLock, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	return func(election, identity string) resourcelock.Interface {
		return &lock{cell: &etcdCell{client: client, key: "client-go/" + election}, name: election, identity: identity}
	}, nil
}

// leases are client-go's own locks, on one client whose own limit of 5 requests a second is lifted.
func leases(kubeconfig string) (newLock, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return func(election, identity string) resourcelock.Interface {
		return &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: "default", Name: "client-go-" + election},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		}
	}, nil
}
