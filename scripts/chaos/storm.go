package chaos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/schema"
)

// Sites are many sites in one process, for a controller in another: each with a key and an identity of its own that
// the controller gave it, and with the link of a real site. They have no hosts; each says once in a minute that it
// has judged them, as a real one does.
type Sites struct {
	Addr   string // HOST:PORT of the controller
	Socket string // its local socket
	N      int

	enrolled, up, dials, refused atomic.Int64

	mu      sync.Mutex     // guards what follows
	reasons map[string]int // why dials gave no link
}

// why counts the reason of a dial that gave no link, without what differs from one to the next.
func (s *Sites) why(err error) {
	words := strings.Fields(strings.ReplaceAll(err.Error(), s.Addr, "ADDR"))
	for i, w := range words {
		if strings.Contains(w, "127.0.0.1") {
			words[i] = "*"
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = map[string]int{}
	}
	if text := strings.Join(words, " "); len(s.reasons) < 32 || s.reasons[text] > 0 {
		s.reasons[text]++
	}
}

// SitesLine is what Run writes several times a second, as JSON.
type SitesLine struct {
	At       int64 `json:"at"` // Unix milliseconds
	Enrolled int64 `json:"enrolled"`
	Up       int64 `json:"up"`
	Dials    int64 `json:"dials"`   // begun
	Refused  int64 `json:"refused"` // dials that gave no link
	// Reasons are why, since the line before.
	Reasons map[string]int `json:"reasons,omitempty"`
}

// Run enrolls the sites and keeps their links up until ctx ends.
func (s *Sites) Run(ctx context.Context, out io.Writer) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		enc := json.NewEncoder(out)
		for {
			s.mu.Lock()
			line := SitesLine{time.Now().UnixMilli(), s.enrolled.Load(), s.up.Load(), s.dials.Load(), s.refused.Load(), s.reasons}
			s.reasons = nil
			s.mu.Unlock()
			if err := enc.Encode(line); err != nil {
				return err // whoever started this is gone
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	api := NewAPI(s.Socket)
	defer api.Close()
	joins, joining := errgroup.WithContext(ctx)
	joins.SetLimit(16)
	for i := range s.N {
		joins.Go(func() error {
			id, err := s.enroll(joining, api, i)
			if err != nil {
				return err
			}
			s.enrolled.Add(1)
			g.Go(func() error { return s.link(id).Run(ctx) })
			return nil
		})
	}
	if err := joins.Wait(); err != nil {
		return err
	}
	return g.Wait()
}

func (s *Sites) enroll(ctx context.Context, api *API, i int) (enroll.Identity, error) {
	var given schema.Token
	if _, err := api.do(ctx, "POST", "/sites", nil, map[string]string{"name": fmt.Sprintf("site-%05d", i)}, &given); err != nil {
		return enroll.Identity{}, err
	}
	token, err := enroll.ParseToken(given.Token)
	if err != nil {
		return enroll.Identity{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return enroll.Identity{}, err
	}
	return enroll.Join(ctx, "https://"+s.Addr, token, key, enroll.Newcomer{Name: given.Name, Software: "skerry storm"})
}

func (s *Sites) link(id enroll.Identity) *uplink.Link {
	up := false
	log := slog.New(slog.DiscardHandler)
	return uplink.New(uplink.Config{
		Self: id.Member, Name: id.Name, Software: "skerry storm", Upper: id.Upper,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			s.dials.Add(1)
			l, err := link.Dial(ctx, s.Addr, id.Dial(time.Now))
			if err != nil {
				s.refused.Add(1)
				s.why(err)
				return nil, err
			}
			return l, nil
		},
		Outbox: &judged{epoch: id.Epoch, phase: mrand.N(time.Minute), began: time.Now()}, Sink: &swallow{},
		Answers: map[string]uplink.Answer{
			model.RouteEndpoints: func(context.Context, map[string]string) (any, error) { return nil, nil },
		},
		Resync: func(context.Context) error { return nil },
		Changed: func(st uplink.State) {
			if st.Online != up {
				up = st.Online
				s.up.Add(map[bool]int64{true: 1, false: -1}[up])
			}
		},
		Now: time.Now, Log: log,
	})
}

// judged is an outbox to which the site adds once in a minute that it has judged its hosts; the newest is all that
// waits.
type judged struct {
	epoch model.Epoch
	phase time.Duration
	began time.Time

	mu      sync.Mutex // guards what follows
	dropped model.Seq
}

func (j *judged) Epoch() model.Epoch { return j.epoch }

func (j *judged) Head() model.Seq {
	return model.Seq((time.Since(j.began) + time.Minute - j.phase) / time.Minute)
}

func (j *judged) Dropped() model.Seq { j.mu.Lock(); defer j.mu.Unlock(); return j.dropped }

func (j *judged) After(after model.Seq, _, _ int) ([]model.Item, error) {
	if h := j.Head(); h > after {
		return []model.Item{{Seq: h, Kind: model.ItemJudged, Key: "judged", AsOf: model.TimeOf(time.Now())}}, nil
	}
	return nil, nil
}

func (j *judged) DropThrough(seq model.Seq) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropped = max(j.dropped, seq)
	return nil
}

func (j *judged) Wait(ctx context.Context, after model.Seq) error {
	for {
		wait := time.Until(j.began.Add(j.phase + time.Duration(after)*time.Minute))
		if wait <= 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// swallow takes everything that comes down.
type swallow struct {
	mu sync.Mutex // guards what follows
	at model.Position
}

func (w *swallow) Held(context.Context) (model.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at, nil
}

func (w *swallow) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}
	return w.at, nil
}
