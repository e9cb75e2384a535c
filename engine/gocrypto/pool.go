// SPDX-License-Identifier: Apache-2.0

package gocrypto

import "sync"

// pool keeps objects that can be used by one worker at a time: as many as
// workers were in the session at the same moment.
type pool[T any] struct {
	make func() T

	mu   sync.Mutex
	free []T // guarded by mu
}

// take returns an object for the caller alone.
func (p *pool[T]) take() T {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		o := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return o
	}
	p.mu.Unlock()
	return p.make()
}

// put gives an object back.
func (p *pool[T]) put(o T) {
	p.mu.Lock()
	p.free = append(p.free, o)
	p.mu.Unlock()
}

// close erases all objects. None is taken.
func (p *pool[T]) close(erase func(T)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.free {
		erase(o)
	}
	p.free = nil
}
