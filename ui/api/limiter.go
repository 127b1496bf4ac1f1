package api

import (
	"net/netip"
	"sync"
	"time"
)

// allowance is how many failed logins there may be at once, and how long until there is one more.
type allowance struct {
	burst  time.Duration // as a multiple of refill
	refill time.Duration
}

var (
	// perAccount is for one account from one network.
	perAccount = allowance{10, 6 * time.Second}
	// perNetwork is for one network, whatever account it names: without it, somebody who has no account
	// at all could keep both hashing slots busy, or try one password on every name.
	perNetwork = allowance{100, 600 * time.Millisecond}
)

const loginKeys = 10_000 // remembered at once

// network is what attempts are counted for: the address or, in IPv6, the /64 that one machine has for
// itself alone.
func network(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// limiter counts attempts in memory. Restarting forgets them, which costs an attacker's patience
// nothing and an operator's nothing either.
type limiter struct {
	now func() time.Time

	mu   sync.Mutex           // guards full
	full map[string]time.Time // when the key's allowance will be whole again
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, full: map[string]time.Time{}}
}

// take uses one attempt. It returns how long to wait where none is left, and zero otherwise.
func (l *limiter) take(key string, a allowance) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	next := full.Add(a.refill)
	if over := next.Sub(now) - a.burst*a.refill; over > 0 {
		return over
	}
	if len(l.full) >= loginKeys {
		l.pruneLocked(now)
	}
	l.full[key] = next
	return 0
}

// giveBack returns one attempt, which proved right.
func (l *limiter) giveBack(key string, a allowance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if full, ok := l.full[key]; ok {
		l.full[key] = full.Add(-a.refill)
	}
}

// give forgets the attempts of a key that proved right.
func (l *limiter) give(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.full, key)
}

// pruneLocked removes what is whole again, and if that is nothing, some one.
func (l *limiter) pruneLocked(now time.Time) {
	some := ""
	for k, full := range l.full {
		if !full.After(now) {
			delete(l.full, k)
		}
		some = k
	}
	if len(l.full) >= loginKeys {
		delete(l.full, some)
	}
}
