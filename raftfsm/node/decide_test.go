package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	policy = Policy{}.filled()
)

// groupOf reads a view from words like "a! b c- n:d+": a leads, c does not answer, d has no vote, "+" is well for
// long. A name is what stands behind "=".
func groupOf(words string) view {
	v := view{now: noon, changed: noon.Add(-time.Hour)}
	for _, w := range strings.Fields(words) {
		p := peer{voter: true, healthy: true, since: noon.Add(-time.Hour), contact: noon, entry: 3}
		w, p.name, _ = strings.Cut(w, "=")
		if rest, ok := strings.CutPrefix(w, "n:"); ok {
			w, p.voter = rest, false
		}
		p.id = w[:1]
		for _, mark := range w[1:] {
			switch mark {
			case '!':
				v.self = p.id
			case '-': // silent for a minute
				p.healthy, p.since, p.contact = false, time.Time{}, noon.Add(-time.Minute)
			case '~': // silent for four days
				p.healthy, p.since, p.contact = false, time.Time{}, noon.Add(-96*time.Hour)
			case '*': // just came
				p.since = noon.Add(-time.Second)
			case '<':
				p.lag = 251
			case '_':
				p.rows = 251
			case 'o':
				p.bare = true
			case 'f':
				p.full = true
			case 'x':
				p.removed = true
			case '0':
				p.noVote = true
			case '>':
				p.moved = true
			}
		}
		v.peers = append(v.peers, p)
	}
	return v
}

func TestDecide(t *testing.T) {
	for _, tc := range []struct{ group, want, why string }{
		{"a!", "", ""},
		{"a! b c", "", ""},
		{"a! n:b", "promote b", "a vote"},
		{"a! n:b n:c", "promote b", "a vote"}, // one at a time
		{"a! n:b*", "", "once it is stable"},
		{"a! n:b<", "", "251 entries behind"},
		{"a! n:b_", "", "251 entries behind"},
		{"a! n:bo", "", "has the rows"},
		{"a! n:bo n:c", "promote c", "a vote"},
		{"a! n:b-", "", "does not answer"},
		{"a! n:b0", "", ""},
		{"a! b c n:d", "promote d", "a vote"},
		{"a! b c- n:d", "promote d", "a vote"},
		{"a! b- n:c", "", "nobody is added or removed"}, // cannot be: such a leader has stepped down
		{"a! b c d e n:f", "", "5 voters"},
		{"a! b c d- e- n:f", "", "5 voters"},

		{"a! b c-", "", ""}, // a reboot
		{"a! b c~", "", "add a node in its place"},
		{"a! b c d~", "remove d", "silent for 96h"},
		{"a! b c d e~", "remove e", "silent"},
		{"a! b c d~ e~", "remove d", "silent"},
		{"a! b c- d~ e-", "", "nobody is added or removed"},
		{"a! b c- d~", "", "nobody is added or removed"},
		{"a! b c n:d~", "remove d", "silent"},
		{"a! b c n:d-", "", "does not answer"},
		{"a! b c~ n:d*", "", "once it is stable"},

		{"a! b c-=box n:d=box", "promote d", "a vote"},
		{"a! b c-=box d=box", "remove c", "was replaced"},
		{"a! b c=box d=box", "", ""}, // both are well: a person must look
		{"a! b c-=box d-=box e", "", ""},
		{"a! b c- d", "", ""},
		{"a! b c-x d", "remove c", "no member any more"},
		{"a! b cx", "remove c", "no member any more"},
		{"a! bx c-", "", "only 1 of 2 voters would be healthy"},
		{"a!x b c", "handOver a", "no member any more"},
		{"a!x", "", "last voter"},
		{"a! b n:cx", "remove c", "no member any more"},
		{"a!> b c", "readdress a", "where its leader is"},
		{"a!> b- c-", "", "nobody is added or removed"},

		{"a!f", "", "no other voter has room"},
		{"a!f bf c", "handOver c", "has room"},
		{"a!f b< c", "handOver c", "has room"},
		{"a!f b_ c<", "", "no other voter has room"},
		{"a!f b- c", "handOver c", "has room"},
		{"a!f b0 c0", "", "no other voter has room"},
		{"a!f bf cf", "", "no other voter has room"},
		{"a!f bf n:c*", "", "no other voter has room"},
		{"a!f bf n:c", "promote c", "a vote"}, // it can lead then
		{"a! bf cf", "", ""},
		{"a!>f b c", "readdress a", "where its leader is"},
	} {
		s := decide(groupOf(tc.group), policy)
		got := strings.TrimSpace(map[doing]string{nothing: "", promote: "promote ", remove: "remove ", handOver: "handOver ", readdress: "readdress "}[s.do] + s.id)
		if got != tc.want || !strings.Contains(s.why, tc.why) || tc.why == "" && s.why != "" {
			t.Errorf("%s: %q because %q, want %q because %q", tc.group, got, s.why, tc.want, tc.why)
		}
	}
	v := groupOf("a! b c d~")
	v.changed = noon.Add(-time.Second)
	if s := decide(v, policy); s.do != nothing || !strings.Contains(s.why, "just changed") {
		t.Errorf("right after a change: %+v", s)
	}
	p := policy
	p.MaxVoters = 7
	if s := decide(groupOf("a! b c d- e- f- n:g"), p); s.do != nothing {
		t.Errorf("a vote in a group without a majority: %+v", s)
	}
}

// history is a group whose nodes come and go, with a leader wherever a majority is up.
type history struct {
	rnd   *rand.Rand
	now   time.Time
	nodes map[string]*life
	order []string
	lead  string
	since time.Time // of the leader
	moved time.Time // of the configuration
	next  int
}

// life is one node of a history.
type life struct {
	name     string
	voter    bool
	up       bool
	changed  time.Time // when it went up or down
	lastSeen time.Time // when it was up last
	lag      uint64
}

func (h *history) count() (voters, up int) {
	for _, n := range h.nodes {
		if n.voter {
			voters++
			if n.up {
				up++
			}
		}
	}
	return voters, up
}

func (h *history) add(name string, voter bool) {
	id := fmt.Sprintf("n%d", h.next)
	h.next++
	h.nodes[id] = &life{name: name, voter: voter, up: true, changed: h.now, lastSeen: h.now}
	h.order = append(h.order, id)
}

// view is the group as its leader sees it, a few beats late.
func (h *history) view() view {
	v := view{now: h.now, self: h.lead, changed: h.moved}
	for _, id := range h.order {
		n := h.nodes[id]
		if n == nil {
			continue
		}
		p := peer{id: id, name: n.name, voter: n.voter, lag: n.lag, contact: h.since}
		fresh := h.now.Sub(n.changed) < time.Duration(h.rnd.IntN(4))*policy.Beat
		p.healthy = n.up != fresh // what just changed may not be noticed
		if id == h.lead {
			p.healthy = true
		}
		if p.healthy {
			p.since, p.contact = n.changed, h.now
		} else if n.lastSeen.After(p.contact) {
			p.contact = n.lastSeen
		}
		v.peers = append(v.peers, p)
	}
	return v
}

// Whatever nodes do, a step of the leader leaves a majority of those that it sees as healthy, never fewer than three
// voters where there were more, and takes no vote of a node that is well; and in the end, with all up, every
// node has its vote and the dead ones are gone.
func TestDecideNeverBreaksTheMajority(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	promoted, removed := 0, 0
	for round := range 60 {
		h := &history{rnd: rnd, now: noon, nodes: map[string]*life{}}
		for i := range 1 + 2*rnd.IntN(3) {
			h.add(fmt.Sprint("box", i), true)
		}
		h.moved = noon
		run := func(steps int, calm bool) {
			for range steps {
				h.now = h.now.Add([]time.Duration{time.Second, 5 * time.Second, time.Minute, 5 * time.Hour}[rnd.IntN(4)])
				for _, id := range h.order {
					n := h.nodes[id]
					if n == nil {
						continue
					}
					n.lag = uint64(rnd.IntN(260))
					if was := n.up; calm {
						n.lag = 0
					} else if rnd.IntN(12) == 0 {
						if n.up = !n.up; n.up != was {
							n.changed = h.now
						}
					}
					if n.up {
						n.lastSeen = h.now
					}
				}
				if !calm && rnd.IntN(15) == 0 && len(h.nodes) < 8 {
					h.add(fmt.Sprint("box", rnd.IntN(5)), false)
				}
				voters, up := h.count()
				if up < majority(voters) {
					h.lead = ""
					continue // no leader, no step
				}
				if l := h.nodes[h.lead]; l == nil || !l.up || !l.voter || !calm && rnd.IntN(40) == 0 {
					for _, id := range h.order {
						if n := h.nodes[id]; n != nil && n.up && n.voter {
							h.lead, h.since = id, h.now
							break
						}
					}
				}
				v := h.view()
				s := decide(v, policy)
				before, healthyBefore := v.votes("")
				n := h.nodes[s.id]
				switch s.do {
				case nothing:
					continue
				case promote:
					if n == nil || n.voter {
						t.Fatalf("round %d: a vote for %q", round, s.id)
					}
					n.voter = true
					promoted++
				case remove:
					if n == nil || s.id == h.lead {
						t.Fatalf("round %d: %q was removed", round, s.id)
					}
					for _, p := range v.peers {
						if p.id == s.id && p.healthy {
							t.Fatalf("round %d: %s is well and was removed", round, s.id)
						}
					}
					delete(h.nodes, s.id)
					removed++
				default:
					t.Fatalf("round %d: %+v", round, s)
				}
				h.moved = h.now
				after, _ := h.count()
				if s.do == remove && n.voter && after < fewestVoters {
					t.Fatalf("round %d: %d voters were left of %d", round, after, before)
				}
				seen := healthyBefore
				if s.do == promote {
					seen++
				}
				if seen < majority(after) {
					t.Fatalf("round %d: of %d voters, now %d, the leader saw %d healthy", round, before, after, seen)
				}
			}
		}
		run(200, false)
		for _, n := range h.nodes { // all that are dead stay dead, the others come back
			if voters, up := h.count(); !n.up && (n.voter && up < majority(voters) || rnd.IntN(2) == 0) {
				n.up, n.changed = true, h.now
			}
		}
		run(300, true)
		voters, up := h.count()
		for id, n := range h.nodes {
			if n.up && !n.voter && voters < policy.MaxVoters {
				t.Errorf("round %d: %s is well and has no vote; %d voters, %d up", round, id, voters, up)
			}
			if !n.up && voters > fewestVoters && up >= majority(voters-1) && up >= majority(voters) {
				t.Errorf("round %d: %s is dead and still in a group of %d voters, %d up", round, id, voters, up)
			}
		}
	}
	if promoted < 20 || removed < 20 {
		t.Errorf("%d votes were given and %d nodes removed: the histories prove too little", promoted, removed)
	}
}
