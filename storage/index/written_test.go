package index

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// writeName is a query.Writer that tells rows of different moments apart.
func writeName(b []byte, h *model.Host) []byte {
	return append(append(append(b, h.Hostname...), ' '), strings.Join(h.Tags, ",")...)
}

// TestFindWritten: pages that are written are those of Find, with what is kept of them and without, and after
// rows, beats and whole databases changed.
func TestFindWritten(t *testing.T) {
	s := openMem(t)
	const n = 30
	put := func(i, round int) {
		write(t, s, func(tx *Tx) {
			h := host(i, model.SiteID{1})
			h.Hostname, h.Tags = fmt.Sprintf("web-%d-%d", i%7, round), []string{"x"}
			ok(t, tx.PutHost(h))
		})
	}
	for i := range n {
		put(i, 0)
	}
	written := 0
	count := func(b []byte, h *model.Host) []byte {
		if h.Beat() != (model.HostBeat{}) {
			t.Errorf("a row is written with the beat %+v", h.Beat())
		}
		written++
		return writeName(b, h)
	}
	same := func(expect int) {
		t.Helper()
		written = 0
		var p query.Written
		for _, q := range []query.Search{
			{},
			{Limit: 7},
			{Limit: 7, Skip: 5},
			{Limit: 10, Sort: query.Sort{Field: query.FieldSeen, Desc: true}},
			{Limit: n},
			{Limit: 4, Where: query.Term{Field: query.FieldTag, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: "none"}}},
		} {
			for first := true; first || q.After != nil; first = false {
				want, err := s.Find(t.Context(), q)
				ok(t, err)
				ok(t, s.FindWritten(t.Context(), q, count, &p))
				if p.Total != want.Total || (p.Next == nil) != (want.Next == nil) || p.Next != nil && *p.Next != *want.Next || len(p.Hosts) != len(want.Hosts) {
					t.Fatalf("%+v: %d hosts of %d, next %v; want %d of %d, %v", q, len(p.Hosts), p.Total, p.Next, len(want.Hosts), want.Total, want.Next)
				}
				for i, h := range want.Hosts {
					if text := writeName(nil, &h); !bytes.Equal(p.Hosts[i].Text, text) || p.Hosts[i].Beat != h.Beat() {
						t.Fatalf("%+v: %q with %+v, want %q with %+v", q, p.Hosts[i].Text, p.Hosts[i].Beat, text, h.Beat())
					}
				}
				q.After = want.Next
			}
		}
		if written != expect {
			t.Errorf("%d rows were written, want %d", written, expect)
		}
	}
	same(n)
	same(0) // all are kept
	put(3, 1)
	put(4, 1)
	same(2)
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutHostBeat(hostID(5), model.HostBeat{Status: model.HostLate, StatusAt: 2_000_000_000_000, LastSeen: 2_000_000_000_000}))
	})
	same(0) // a beat is no part of what is kept
	write(t, s, func(tx *Tx) { ok(t, tx.DeleteHost(hostID(6))) })
	same(0)
	err := s.FindWritten(t.Context(), query.Search{Limit: query.MaxPage + 1}, count, new(query.Written))
	if err == nil {
		t.Error("a page without bounds is answered")
	}
}

// TestFindWrittenUnderCommits is TestRowCacheUnderCommits for rows that are kept as they are written.
func TestFindWrittenUnderCommits(t *testing.T) {
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
			var p query.Written
			for round := range 3000 {
				word := [...]string{"even", "odd"}[round%2]
				q := query.Search{Where: query.Term{Field: query.FieldTag, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: word}}}
				if err := s.FindWritten(ctx, q, writeName, &p); err != nil {
					t.Error(err)
					return
				}
				if i := slices.IndexFunc(p.Hosts, func(h query.WrittenHost) bool {
					name, tag, _ := strings.Cut(string(h.Text), " ")
					return tag != word || !strings.HasPrefix(name, word)
				}); i >= 0 {
					t.Errorf("tag:%s shows %q", word, p.Hosts[i].Text)
				}
			}
		})
	}
	readers.Wait()
	stop()
	writer.Wait()
	sound(t, s)
}
