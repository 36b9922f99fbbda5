package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// network is what lies between one candidate and the store, with the faults of a run: the requests travel, the store acts,
// the replies travel. It is the Rust program's FaultLock once more.
type network struct {
	store          *store
	stage          *stage
	who            string
	request, reply time.Duration
	limit          time.Duration

	mutex sync.Mutex
	// Nothing gets through.
	cut bool
	// By how much replies are late; as the first of an update is delivered, the network is cut.
	late time.Duration
	// How long the process is frozen when it sends its next update.
	freeze time.Duration
	// Closed when it goes on; nil when it does not stand still.
	thaw chan struct{}
}

// strike is the fault of the run.
func (n *network) strike(t *testing.T, f fault) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	switch f.Kind {
	case "partition":
		n.cut = true
	case "late_reply_then_partition":
		n.late = f.For
	case "freeze":
		n.freeze = f.For
	case "overwrite":
		n.store.overwrite(f.Holder)
	default:
		t.Errorf("unknown fault %q", f.Kind)
	}
}

func (n *network) isCut() bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.cut
}

// freezeOnce is the process standing still as it is about to send. Its goroutines are this one and the work, which asks
// thawed; the contexts that expire meanwhile are noticed by nobody before it goes on.
func (n *network) freezeOnce() {
	n.mutex.Lock()
	how := n.freeze
	n.freeze = 0
	if how == 0 {
		n.mutex.Unlock()
		return
	}
	n.thaw = make(chan struct{})
	n.mutex.Unlock()

	from := n.stage.now()
	time.Sleep(how)
	n.stage.mutex.Lock()
	n.stage.account.Frozen = append(n.stage.account.Frozen, &stretch{Who: n.who, From: from, To: n.stage.now()})
	n.stage.mutex.Unlock()
	n.mutex.Lock()
	close(n.thaw)
	n.thaw = nil
	n.mutex.Unlock()
}

// thawed returns when the process does not stand still.
func (n *network) thawed() {
	n.mutex.Lock()
	thaw := n.thaw
	n.mutex.Unlock()
	if thaw != nil {
		<-thaw
	}
}

type answer struct {
	lease *coordination.Lease
	err   error
}

func (n *network) call(ctx context.Context, update bool, act func() (*coordination.Lease, error)) (*coordination.Lease, error) {
	if update {
		n.freezeOnce()
	}
	// As net/http: what is over before it begins is not sent.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, n.limit, errors.New("Client.Timeout exceeded while awaiting headers"))
		defer cancel()
	}
	n.mutex.Lock()
	late := n.late
	n.mutex.Unlock()
	// A request that is on its way arrives though its caller has left.
	delivered := make(chan answer, 1)
	n.stage.travelling.Go(func() {
		time.Sleep(n.request)
		if n.isCut() {
			return
		}
		lease, err := act()
		time.Sleep(n.reply + late)
		if n.isCut() {
			return
		}
		delivered <- answer{lease, err}
	})
	select {
	case answer := <-delivered:
		if update && late > 0 {
			n.mutex.Lock()
			n.cut = true
			n.mutex.Unlock()
		}
		return answer.lease, answer.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// getter is the client of resourcelock.LeaseLock, which calls nothing else of it.
type getter struct{ network *network }

type leases struct {
	client.LeaseInterface
	network *network
}

func (g getter) Leases(string) client.LeaseInterface { return leases{network: g.network} }

func (l leases) Get(ctx context.Context, _ string, _ metav1.GetOptions) (*coordination.Lease, error) {
	return l.network.call(ctx, false, l.network.store.get)
}

func (l leases) Create(ctx context.Context, lease *coordination.Lease, _ metav1.CreateOptions) (*coordination.Lease, error) {
	sent := lease.DeepCopy()
	return l.network.call(ctx, false, func() (*coordination.Lease, error) { return l.network.store.create(sent) })
}

func (l leases) Update(ctx context.Context, lease *coordination.Lease, _ metav1.UpdateOptions) (*coordination.Lease, error) {
	sent := lease.DeepCopy()
	return l.network.call(ctx, true, func() (*coordination.Lease, error) { return l.network.store.update(l.network.who, sent) })
}
