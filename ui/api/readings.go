package api

import (
	"sync"

	"github.com/skerryhq/skerry/engine/query"
)

// Bounds of what is remembered of searches that were read.
const (
	maxReadings    = 256
	maxReadingText = 256 // bytes; a longer search is read each time
)

// readings remembers what searches were read as. Whoever looks at one asks the same again and again: page after
// page, the facets beside them, the total every few seconds. What a search means never changes: ages in it are
// measured when it is answered.
type readings struct {
	mu sync.RWMutex // guards known
	// known is by the text, at most maxReadings of them; when there are more all are forgotten.
	known map[string]reading
}

// reading is a search and its one canonical form.
type reading struct {
	expr query.Expr
	text string
}

// read is where with the canonical form of the search.
func (s *Server) read(location, text string) (reading, error) {
	c := &s.readings
	c.mu.RLock()
	r, ok := c.known[text]
	c.mu.RUnlock()
	if ok {
		return r, nil
	}
	x, err := where(location, text)
	if err != nil {
		return r, err
	}
	r = reading{x, query.Format(x)}
	if len(text) > maxReadingText {
		return r, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxReadings {
		c.known = make(map[string]reading, maxReadings)
	}
	c.known[text] = r
	return r, nil
}
