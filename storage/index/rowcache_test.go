package index

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// TestRowCache keeps, finds, drops and evicts rows.
func TestRowCache(t *testing.T) {
	var begun atomic.Uint64
	c := newRowCache(rowShards*4096, &begun)
	id := func(n int) model.HostID { return model.HostID{1, 2, byte(n >> 8), byte(n), 15: 7} }
	value := make([]byte, 100)
	c.put(id(1), value, 0)
	if c.get(id(1), 0) == nil || c.get(id(2), 0) != nil || c.get(id(1), 1) != nil {
		t.Fatal("not what was put")
	}
	begun.Add(1)
	if c.get(id(1), 0) != nil {
		t.Fatal("a row is given though a commit has begun")
	}
	c.put(id(3), value, 0)
	if c.get(id(3), 1) != nil {
		t.Fatal("a row was taken though a commit has begun")
	}
	c.drop([]model.HostID{id(1), id(9)})
	if c.get(id(1), 1) != nil {
		t.Fatal("a dropped row is there")
	}
	for n := range 5000 {
		c.put(id(n), value, 1)
		c.get(id(0), 1) // used all the time
	}
	here, bytes := 0, 0
	for i := range c.shards {
		here, bytes = here+len(c.shards[i].at), bytes+c.shards[i].bytes
	}
	if bytes > rowShards*4096 || here < rowShards*4096/(100+rowOverhead)/2 || c.get(id(0), 1) == nil || c.get(id(4999), 1) == nil {
		t.Fatalf("%d rows of %d bytes are kept", here, bytes)
	}
	c.clear()
	if c.get(id(0), 1) != nil {
		t.Fatal("a row outlived clear")
	}
}

// TestRowCacheUnderCommits changes hosts while others read them: a page never shows a row of another moment
// than what made the host match.
func TestRowCacheUnderCommits(t *testing.T) {
	s := openMem(t)
	const n = 40
	put := func(tx *Tx, i, round int) {
		h := host(i, model.SiteID{1})
		word := [...]string{"even", "odd"}[round%2]
		h.Hostname, h.Tags = fmt.Sprintf("%s-%d", word, i), []string{word}
		ok(t, tx.PutHost(h))
	}
	write(t, s, func(tx *Tx) {
		for i := range n {
			put(tx, i, 0)
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for round := 1; ctx.Err() == nil; round++ {
			write(t, s, func(tx *Tx) {
				for i := range n / 2 {
					put(tx, i, round)
				}
			})
		}
	})
	for range 2 {
		readers.Go(func() {
			for round := range 3000 {
				word := [...]string{"even", "odd"}[round%2]
				p, err := s.Find(ctx, query.Search{Where: query.Term{Field: query.FieldTag, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: word}}})
				if err != nil {
					t.Error(err)
					return
				}
				for _, h := range p.Hosts {
					if !slices.Equal(h.Tags, []string{word}) || h.Hostname[:len(word)] != word {
						t.Errorf("tag:%s shows %s with %v", word, h.Hostname, h.Tags)
					}
				}
			}
		})
	}
	readers.Wait()
	stop()
	writer.Wait()
	sound(t, s)
}
