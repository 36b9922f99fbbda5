package main

import (
	"strings"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"

	"leaderelection/tests/servers/common/contender"
)

// lastEventLimit is how long the end of the program waits for its last Event.
const lastEventLimit = 10 * time.Second

// recorder is client-go's own, as Kubernetes' components set it up, and wait returns when the last Event is written: a
// program that ends at once takes it along. Without --events there is no recorder and nothing to wait for.
func recorder(o contender.Options, config *rest.Config) (resourcelock.EventRecorder, func(), error) {
	if o.Events == "" {
		return nil, func() {}, nil
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	written := &sink{
		EventSinkImpl: &typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")},
		last:          make(chan struct{}),
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(written)
	recorder := broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: o.Events})
	return recorder, func() {
		if !written.led.Load() {
			return
		}
		select {
		case <-written.last:
		case <-time.After(lastEventLimit):
		}
	}, nil
}

// sink is client-go's, and tells when the Event of the end is written.
type sink struct {
	*typedv1.EventSinkImpl
	led  atomic.Bool
	last chan struct{}
}

func (s *sink) Create(event *v1.Event) (*v1.Event, error) {
	s.led.Store(true)
	created, err := s.EventSinkImpl.Create(event)
	if err == nil && strings.HasSuffix(event.Message, " stopped leading") {
		close(s.last)
	}
	return created, err
}
