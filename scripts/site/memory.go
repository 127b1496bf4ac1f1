package main

import (
	"context"
	"sync"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

// memory follows what the site's process has, phase by phase.
type memory struct {
	pid  int
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex // guards what follows
	most local.Usage
}

// memoryLook is the pause between two looks. What comes and goes within one is in the process's own peak alone.
const memoryLook = 100 * time.Millisecond

// followMemory follows the memory of the site until stop is called.
func (w *world) followMemory(ctx context.Context) *memory {
	ctx, stop := context.WithCancel(ctx)
	m := &memory{pid: w.site.PID(), stop: stop}
	m.done.Go(func() {
		tick := time.NewTicker(memoryLook)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				m.look()
			}
		}
	})
	return m
}

func (m *memory) look() local.Usage {
	u, err := local.MemoryOf(m.pid)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && u.RSS > m.most.RSS {
		m.most = u
	}
	return u
}

// end stops following.
func (m *memory) end() {
	m.stop()
	m.done.Wait()
}

// phase prints what a phase took at the most, and has now, and begins the next.
func (w *world) phase(m *memory, name string) {
	now := m.look()
	m.mu.Lock()
	most := m.most
	m.most = local.Usage{}
	m.mu.Unlock()
	w.printf("  memory, %s: at the most %s (%s its own, %s files mapped), now %s (%s and %s)",
		name, mib(most.RSS), mib(most.Anon), mib(most.File), mib(now.RSS), mib(now.Anon), mib(now.File))
}
