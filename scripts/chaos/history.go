package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Register is something that keeps a text under each name, as its callers see it. A name never written to has "".
type Register interface {
	// Write returns nil when it has happened, ErrRefused (wrapped) when it has not and will not; any other error says that
	// it may have happened, may yet happen, or may never.
	Write(ctx context.Context, name, text string) error
	// Read returns the text; an error says nothing about it.
	Read(ctx context.Context, name string) (string, error)
}

// ErrRefused says that a write was refused and has no effect.
var ErrRefused = errors.New("refused")

// call is what was asked of a register: to read, or to write text.
type call struct {
	name, text string
	write      bool
}

// History is what callers asked and were told, and when. It is safe for concurrent use.
type History struct {
	began time.Time
	mu    sync.Mutex // guards what follows
	ops   []porcupine.Operation
	// Unknown counts the writes of which nobody knows; Failed the reads and writes that were refused or got no answer.
	Unknown, Failed int
	acks            []time.Duration  // when a write was acknowledged
	refused         map[string]error // by name and text: why a write was refused
}

// NewHistory begins a history.
func NewHistory() *History { return &History{began: time.Now(), refused: map[string]error{}} }

func (h *History) now() int64 { return int64(time.Since(h.began)) }

// Write writes through r as a client, and records it.
func (h *History) Write(ctx context.Context, client int, r Register, name, text string) error {
	from := h.now()
	err := r.Write(ctx, name, text)
	to := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.acks = append(h.acks, time.Duration(to))
	case errors.Is(err, ErrRefused):
		h.Failed++
		h.refused[name+"\x00"+text] = fmt.Errorf("client %d, %s to %s: %w", client, time.Duration(from), time.Duration(to), err)
		return err
	default:
		h.Unknown++
		to = math.MaxInt64 // it may happen at any time from its beginning on
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: call{name, text, true}, Call: from, Output: "", Return: to})
	return err
}

// Read reads through r as a client, and records it.
func (h *History) Read(ctx context.Context, client int, r Register, name string) (string, error) {
	from := h.now()
	text, err := r.Read(ctx, name)
	to := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.Failed++
		return "", err
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: call{name: name}, Call: from, Output: text, Return: to})
	return text, nil
}

// Len returns how many operations are recorded.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// Acked returns how many writes were acknowledged.
func (h *History) Acked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acks)
}

// At returns how old the history is.
func (h *History) At() time.Duration { return time.Since(h.began) }

// Resumed returns how long after a moment of the history the first write that had then not yet begun was acknowledged; false: none was.
func (h *History) Resumed(after time.Duration) (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := int64(math.MaxInt64)
	for _, o := range h.ops {
		if o.Input.(call).write && o.Call >= int64(after) {
			first = min(first, o.Return)
		}
	}
	return time.Duration(first) - after, first != math.MaxInt64
}

var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byName := map[string][]porcupine.Operation{}
		var names []string
		for _, o := range history {
			n := o.Input.(call).name
			if byName[n] == nil {
				names = append(names, n)
			}
			byName[n] = append(byName[n], o)
		}
		parts := make([][]porcupine.Operation, 0, len(names))
		for _, n := range names {
			parts = append(parts, byName[n])
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		c := input.(call)
		if c.write {
			return true, c.text
		}
		return output.(string) == state.(string), state
	},
	Hash: func(state any) uint64 {
		h := uint64(14695981039346656037) // FNV-1a
		for _, b := range []byte(state.(string)) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		return h
	},
	DescribeOperation: func(input, output any) string {
		c := input.(call)
		if c.write {
			return fmt.Sprintf("write %s = %s", c.name, c.text)
		}
		return fmt.Sprintf("read %s: %q", c.name, output)
	},
}

// Judge says whether the history is linearizable: whether every operation can have happened at one moment between its
// call and its answer, in one order. Every text must have been written once at most, so that a write that happened twice
// shows when an old text comes back. An error tells what cannot be, or that limit was too short to know.
func (h *History) Judge(limit time.Duration) error {
	h.mu.Lock()
	ops, refused := slices.Clone(h.ops), maps.Clone(h.refused)
	h.mu.Unlock()
	// A write of which nobody knows, and that nobody ever read, may as well never have happened. Leaving it out keeps
	// the search short.
	read, texts := map[string]bool{}, map[string]bool{}
	for _, o := range ops {
		c := o.Input.(call)
		if !c.write {
			key := c.name + "\x00" + o.Output.(string)
			if err := refused[key]; err != nil {
				return fmt.Errorf("not linearizable: client %d, %s to %s: read %s: %q, which was refused: %w", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), c.name, o.Output, err)
			}
			read[key] = true
			continue
		}
		key := c.name + "\x00" + c.text
		if texts[key] {
			return fmt.Errorf("the history is of no use: %q was written to %s twice", c.text, c.name)
		}
		texts[key] = true
	}
	ops = slices.DeleteFunc(ops, func(o porcupine.Operation) bool {
		c := o.Input.(call)
		return c.write && o.Return == math.MaxInt64 && !read[c.name+"\x00"+c.text]
	})
	result := porcupine.CheckOperationsTimeout(registers, ops, limit)
	if result == porcupine.Ok {
		return nil
	}
	if result == porcupine.Unknown {
		return fmt.Errorf("whether %d operations are linearizable was not found out within %s", len(ops), limit)
	}
	// Name the register, with its operations, so that a person can follow.
	for _, part := range registers.Partition(ops) {
		if porcupine.CheckOperationsTimeout(registers, part, limit) != porcupine.Illegal {
			continue
		}
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		var b strings.Builder
		for _, o := range part[:min(len(part), 200)] {
			until := "?"
			if o.Return != math.MaxInt64 {
				until = time.Duration(o.Return).String()
			}
			fmt.Fprintf(&b, "\n  client %d, %s to %s: %s", o.ClientId, time.Duration(o.Call), until, registers.DescribeOperation(o.Input, o.Output))
		}
		return fmt.Errorf("not linearizable:%s", b.String())
	}
	return errors.New("not linearizable")
}

// Load is a workload on registers.
type Load struct {
	Prefix  string // begins every name and text: two loads on one group must not share any
	Clients int    // each a goroutine with a register of its own
	Names   int    // at once; see Era
	// Era is after how many operations of a client it goes on to other names: a judge takes long over many operations
	// on one name, some of them unknown. After Eras eras the first names come again, with other texts; 0: never.
	Era, Eras int
	Writes    int           // of 100 operations
	Pause     time.Duration // between two operations of a client
	Timeout   time.Duration // of one operation
	Seed      uint64
}

// Drive runs the load until ctx ends or each client has done n operations (0: no end), and returns when all have
// ended. register gives each client its register.
func (l Load) Drive(ctx context.Context, h *History, n int, register func(client int) Register) {
	var all sync.WaitGroup
	for client := range l.Clients {
		all.Go(func() {
			rnd, r := rand.New(rand.NewPCG(l.Seed, uint64(client))), register(client)
			for i := 0; (n == 0 || i < n) && ctx.Err() == nil; i++ {
				era := i / max(1, l.Era)
				if l.Eras > 0 {
					era %= l.Eras
				}
				name := fmt.Sprintf("%sr%d-%d", l.Prefix, era, rnd.IntN(l.Names))
				one, cancel := context.WithTimeout(ctx, l.Timeout)
				if rnd.IntN(100) < l.Writes {
					_ = h.Write(one, client, r, name, fmt.Sprintf("%sv%d-%d", l.Prefix, client, i)) // the history knows
				} else {
					_, _ = h.Read(one, client, r, name)
				}
				cancel()
				if l.Pause > 0 {
					select {
					case <-time.After(l.Pause):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	all.Wait()
}
