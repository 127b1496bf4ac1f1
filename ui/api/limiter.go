package api

import (
	"sync"
	"time"
)

// Failed logins: ten at once, then one every six seconds, for each account and address.
const (
	loginBurst  = 10
	loginRefill = 6 * time.Second
	loginKeys   = 10_000 // remembered at once
)

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
func (l *limiter) take(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	next := full.Add(loginRefill)
	if over := next.Sub(now) - loginBurst*loginRefill; over > 0 {
		return over
	}
	if len(l.full) >= loginKeys {
		l.pruneLocked(now)
	}
	l.full[key] = next
	return 0
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
