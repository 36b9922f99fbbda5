package main

import (
	"errors"
	"strconv"
	"sync"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// store is one Lease as a kube-apiserver keeps it: an update names the version that it replaces.
type store struct {
	mutex   sync.Mutex
	lease   *coordination.Lease
	version int
	wiped   int
}

func (s *store) put(lease *coordination.Lease) *coordination.Lease {
	s.version++
	s.lease = lease.DeepCopy()
	s.lease.ResourceVersion = strconv.Itoa(s.version)
	return s.lease.DeepCopy()
}

func (s *store) get() (*coordination.Lease, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.lease == nil {
		return nil, apierrors.NewNotFound(coordination.Resource("leases"), "job")
	}
	return s.lease.DeepCopy(), nil
}

func (s *store) create(lease *coordination.Lease) (*coordination.Lease, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.lease != nil {
		return nil, apierrors.NewAlreadyExists(coordination.Resource("leases"), "job")
	}
	return s.put(lease), nil
}

func (s *store) update(who string, lease *coordination.Lease) (*coordination.Lease, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.lease == nil || lease.ResourceVersion != s.lease.ResourceVersion {
		return nil, apierrors.NewConflict(coordination.Resource("leases"), "job", errors.New("the object has been modified"))
	}
	if before := holder(s.lease); holder(lease) == "" && before != "" && before != who {
		s.wiped++
	}
	return s.put(lease), nil
}

// overwrite is an operator with an editor: another holder, all else as it was.
func (s *store) overwrite(holder string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	lease := s.lease.DeepCopy()
	lease.Spec.HolderIdentity = &holder
	s.put(lease)
}

func (s *store) wipedSoFar() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.wiped
}

func holder(lease *coordination.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
