package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/ui/schema"
)

// Webhook is who is told of the stream of changes of canonicals. Every event is told at least once and in order; the receiver knows one
// that comes again by its seq.
type Webhook struct {
	URL    string
	Secret []byte // of the signature; empty: there is none
	Batch  int    // most events of one request; 0: 100
	// Leads says whether this node of a group is the one that tells; nil: it is alone.
	Leads  func() bool
	Client *http.Client  // nil: one that follows no redirect and waits 30 s
	Least  time.Duration // from a failure to the next attempt; 0: 1 s
	Most   time.Duration // the same, after many; 0: 5 min
	Idle   time.Duration // between looks whether this node leads; 0: 2 s
}

// SignatureHeader carries "sha256=" and the hex HMAC-SHA256 of the body, under the secret that both sides have.
const SignatureHeader = "X-Skerry-Signature"

// told is the durable file of a webhook: how far it was told.
type told struct {
	URL   string    `json:"url"` // by its digest; another URL begins anew
	After model.Seq `json:"after"`

	lost bool // the file is damaged, and the receiver does not know it yet
}

const maxPlaceFile = 4096 // bytes of that file

func (w Webhook) withDefaults() Webhook {
	if w.Batch <= 0 {
		w.Batch = 100
	}
	if w.Leads == nil {
		w.Leads = func() bool { return true }
	}
	if w.Client == nil {
		w.Client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if w.Least <= 0 {
		w.Least = time.Second
	}
	if w.Most <= 0 {
		w.Most = 5 * time.Minute
	}
	if w.Idle <= 0 {
		w.Idle = 2 * time.Second
	}
	return w
}

// RunWebhook tells w until ctx ends. How far it came outlives a restart; the first time it begins with what comes from then on. Each node of
// a group keeps its own place, so that after a change of the leader events may come again, and none is left out.
func (s *Server) RunWebhook(ctx context.Context, w Webhook) error {
	w = w.withDefaults()
	path := filepath.Join(s.c.Data, "federation", "webhook.json")
	t, err := s.toldSoFar(path, w.URL)
	failures := 0
	for ; err != nil && ctx.Err() == nil; t, err = s.toldSoFar(path, w.URL) {
		if failures++; failures == 1 {
			s.c.Log.Warn("how far the webhook was told cannot be read; nothing is told until it can", "file", path, "err", err)
		}
		_ = rest(ctx, backOff(w, failures))
	}
	failures = 0
	for ctx.Err() == nil {
		seen := s.c.Store.Version() // from before looking, so that nothing falls in between
		if !w.Leads() {
			if err := rest(ctx, w.Idle); err != nil {
				return nil
			}
			continue
		}
		next, n, err := s.tellWebhook(ctx, w, t)
		if err == nil && (next != t.After || t.lost) {
			t.After, t.lost = next, false
			err = keepTold(path, t)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if failures++; failures == 1 || failures%20 == 0 {
				s.c.Log.Warn("the webhook was not told; it is tried again", "after", t.After, "failures", failures, "err", err)
			}
			_ = rest(ctx, backOff(w, failures))
			continue
		case failures > 0:
			s.c.Log.Info("the webhook is told again", "after", t.After)
		}
		failures = 0
		if n == w.Batch { // there may be more
			continue
		}
		wait, cancel := context.WithTimeout(ctx, w.Idle)
		_, _ = s.c.Store.Wait(wait, seen)
		cancel()
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backOff doubles with each failure, up to the most, and takes a random half of it away.
func backOff(w Webhook, failures int) time.Duration {
	d := w.Most
	if failures < 20 {
		d = min(w.Most, w.Least<<(failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// toldSoFar reads how far the webhook was told; the first time that is up to now. Where the file is damaged it is too, and the receiver is
// to hear of it: the file stays as it is until then, so that a restart forgets nothing.
func (s *Server) toldSoFar(path, url string) (told, error) {
	mark := merge.Hash(url)
	var t told
	raw, err := os.ReadFile(path)
	switch {
	case err == nil && (len(raw) > maxPlaceFile || model.Decode(raw, &t) != nil || t.URL == ""):
		t = told{lost: true}
	case err == nil && t.URL == mark:
		return t, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return t, fault.New(fault.Other, "read the place of the webhook", "%w", err)
	}
	v, done := s.c.Store.View()
	_, newest, err := v.EventBounds()
	done()
	if err != nil {
		return t, err
	}
	t = told{URL: mark, After: newest, lost: t.lost}
	if t.lost {
		s.c.Log.Warn("the file with how far the webhook was told is damaged: it is told what comes from now on, and first that what came before may be missing",
			"file", path, "after", newest)
		return t, nil
	}
	if err := keepTold(path, t); err != nil { // it is told all the same; the next place may be kept
		s.c.Log.Warn("how far the webhook was told is not kept; after a start it would begin with what comes then", "file", path, "err", err)
	}
	return t, nil
}

func keepTold(path string, t told) error {
	raw, err := model.Encode(t)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.Write(path, raw, 0o600)
	}
	if err != nil {
		return fault.New(fault.Other, "keep the place of the webhook", "%w", err)
	}
	return nil
}

// tellWebhook sends the next events behind a place, and returns the place behind them and how many there were.
func (s *Server) tellWebhook(ctx context.Context, w Webhook, t told) (model.Seq, int, error) {
	after := t.After
	v, done := s.c.Store.View()
	rows, next, reset, err := pageOfEvents(v, after, w.Batch)
	if err == nil && reset == nil && t.lost {
		reset, err = lostPlace(v)
	}
	done()
	if err != nil || len(rows) == 0 && reset == nil {
		return next, 0, err
	}
	if rows == nil {
		rows = []schema.CanonicalImported{}
	}
	body, err := model.Encode(schema.WebhookCall{Stream: canonicalStream, Server: s.c.URL, Reset: reset, Events: rows})
	if err != nil {
		return after, 0, fault.New(fault.Other, "tell the webhook", "%w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return after, 0, fault.New(fault.Invalid, "tell the webhook", "%w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "skerry/"+s.c.Version)
	if len(w.Secret) > 0 {
		mac := hmac.New(sha256.New, w.Secret)
		mac.Write(body)
		req.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		return after, 0, fault.New(fault.Unreachable, "tell the webhook", "%w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return after, 0, fault.New(fault.Unreachable, "tell the webhook", "it answered %s", resp.Status)
	}
	return next, len(rows), nil
}

// lostPlace tells a receiver that nobody knows how far it was told.
func lostPlace(v View) (*schema.EventsReset, error) {
	oldest, newest, err := v.EventBounds()
	return &schema.EventsReset{
		Reason: "how far you were told was lost here: look at everything anew", Oldest: uint64(oldest), Newest: uint64(newest),
	}, err
}
