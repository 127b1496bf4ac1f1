package api

import (
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of what is remembered of logins.
const (
	maxSessions = 10_000
	// sessionAge is for how long a login that was found good is good without another look while rows change.
	// What ends one on this server ends it at once (forget).
	sessionAge = time.Second
)

// sessions remembers which logins were found good, so that not every request of a page that asks ten
// times a second reads two rows.
type sessions struct {
	// strict: logins end at other servers of a group as well, which only the rows tell, so that each change of the
	// store is a reason to look again.
	strict bool

	mu      sync.RWMutex
	good    map[model.SessionID]goodSession
	edition uint64 // rises with forget
}

type goodSession struct {
	who     actor
	expires time.Time
	version uint64 // of the store, from before it was looked at
	checked time.Time
}

// find returns a login that is known to be good now.
func (c *sessions) find(id model.SessionID, now time.Time, version func() uint64) (actor, bool) {
	c.mu.RLock()
	g, ok := c.good[id]
	c.mu.RUnlock()
	if !ok || !now.Before(g.expires) {
		return actor{}, false
	}
	age := now.Sub(g.checked)
	return g.who, !c.strict && age >= 0 && age < sessionAge || g.version == version()
}

// begin is to be called before a login is looked at; its answer goes to keep.
func (c *sessions) begin() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.edition
}

// keep remembers a login that was found good, unless something has ended logins since begin.
func (c *sessions) keep(g goodSession, edition uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if edition != c.edition {
		return
	}
	if c.good == nil || len(c.good) >= maxSessions {
		c.good = map[model.SessionID]goodSession{}
	}
	c.good[g.who.session] = g
}

// forget makes every login be looked at again: one has ended, or an account has changed.
func (c *sessions) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good = nil
	c.edition++
}
