package main

import (
	"context"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// account is what was seen of a run, a line of output. All times are nanoseconds since the run's start.
type account struct {
	Shifts []*shift   `json:"shifts"`
	Frozen []*stretch `json:"frozen"`
	// How often somebody wrote a free record over another's.
	Wiped int `json:"wiped"`
}

// shift is one stretch of work: from OnStartedLeading until its context is done.
type shift struct {
	stretch
	Acts []time.Duration `json:"acts"`
}

type stretch struct {
	Who  string        `json:"who"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// stage keeps the account.
type stage struct {
	mutex   sync.Mutex
	began   time.Time
	end     time.Duration
	account account
	// Requests and replies: the bubble ends when all have arrived.
	travelling sync.WaitGroup
}

// now does not pass the end of the run.
func (s *stage) now() time.Duration { return min(time.Since(s.began), s.end) }

func simulate(t *testing.T, r run) account {
	s := &stage{began: time.Now(), end: r.End, account: account{Shifts: []*shift{}, Frozen: []*stretch{}}}
	store := &store{}
	running, stop := context.WithCancel(context.Background())
	var candidates sync.WaitGroup
	var networks []*network
	for _, c := range r.Candidates {
		network := &network{store: store, stage: s, who: c.Name, request: c.Request, reply: c.Reply, limit: r.CallLimit}
		networks = append(networks, network)
		candidates.Go(func() {
			time.Sleep(c.Start)
			elect(t, running, r, s, network)
		})
	}
	time.Sleep(r.FaultAt)
	networks[0].strike(t, r.Fault)
	time.Sleep(r.End - r.FaultAt)

	s.mutex.Lock()
	s.account.Wiped = store.wipedSoFar()
	s.mutex.Unlock()
	stop()
	candidates.Wait()
	s.travelling.Wait()
	return s.account
}

// elect is a process that stands in the election until it loses a leadership, as those that use RunOrDie do.
func elect(t *testing.T, running context.Context, r run, s *stage, n *network) {
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: "default", Name: "job"},
			Client:     getter{n},
			LockConfig: resourcelock.ResourceLockConfig{Identity: n.who},
		},
		LeaseDuration:   r.LeaseDuration,
		RenewDeadline:   r.RenewDeadline,
		RetryPeriod:     r.RetryPeriod,
		ReleaseOnCancel: r.Release,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) { s.work(leading, r.ActEvery, n) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		t.Error(err)
		return
	}
	elector.Run(running)
}

// work acts again and again, each time after it has asked whether it may.
func (s *stage) work(leading context.Context, every time.Duration, n *network) {
	s.mutex.Lock()
	mine := &shift{stretch: stretch{Who: n.who, From: s.now(), To: s.end}, Acts: []time.Duration{}}
	s.account.Shifts = append(s.account.Shifts, mine)
	s.mutex.Unlock()
	for leading.Err() == nil {
		s.mutex.Lock()
		mine.Acts = append(mine.Acts, s.now())
		s.mutex.Unlock()
		select {
		case <-leading.Done():
		case <-time.After(every):
		}
		n.thawed()
	}
	s.mutex.Lock()
	mine.To = s.now()
	s.mutex.Unlock()
}
