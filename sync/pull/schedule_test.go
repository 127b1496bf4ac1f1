package pull

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// strange returns the certificate of an authority that has vouched for nobody.
func strange(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// lines counts what is logged at warning.
type lines struct {
	slog.Handler
	old atomic.Int64
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "is old") {
		l.old.Add(1)
	}
	return nil
}

// The schedule: at once, then in the interval; after failures sooner, and further apart with each; only where this server
// leads; at once where somebody asks. What is old is said once a day.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		file := filepath.Join(root, "a.json")
		var leads, fails atomic.Bool
		var mu sync.Mutex // guards pulls
		var pulls []time.Duration
		began := time.Now()
		log := &lines{}
		changed := 0
		p, err := New(Config{
			Sources: []Source{{Name: "mirror", Kind: KindOSV, Path: root, Every: 2 * time.Hour}},
			Dir:     t.TempDir(), Leads: leads.Load, Now: time.Now, Log: slog.New(log),
			Jitter: func(time.Duration) time.Duration { return 0 },
			Ingest: func(_ context.Context, _ Source, each Each) (Taken, error) {
				mu.Lock()
				pulls = append(pulls, time.Since(began).Round(time.Minute))
				mu.Unlock()
				if fails.Load() {
					return Taken{}, fault.New(fault.ReadOnly, "", "the disk is full")
				}
				return Taken{Read: 1}, each(func(string, []byte) error { return nil })
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		change := func() {
			t.Helper()
			changed++
			if err := os.WriteFile(file, record(changed), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		change()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		want := func(what string, at ...time.Duration) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(pulls) != len(at) {
				t.Fatalf("%s: pulled at %v, want %v", what, pulls, at)
			}
			for i := range at {
				if d := pulls[i] - at[i]; d < 0 || d > 2*time.Minute {
					t.Errorf("%s: pulled at %v, want %v", what, pulls, at)
				}
			}
			pulls = pulls[:0]
		}
		time.Sleep(time.Hour)
		want("while another leads")
		if err := p.Ask("mirror"); !fault.Is(err, fault.Conflict) {
			t.Errorf("while another leads: %v", err)
		}
		leads.Store(true)
		time.Sleep(time.Minute)
		want("once it leads", time.Hour)
		change()
		time.Sleep(time.Hour)
		want("before the interval is over")
		time.Sleep(time.Hour)
		want("after the interval", 2*time.Hour+54*time.Minute)

		if err := p.Ask("nobody"); !fault.Is(err, fault.NotFound) {
			t.Errorf("an unknown source: %v", err)
		}
		change()
		if err := p.Ask("mirror"); err != nil {
			t.Error(err)
		}
		want("at once", time.Since(began).Round(time.Minute))

		fails.Store(true)
		change()
		if err := p.Ask("mirror"); err != nil {
			t.Error(err)
		}
		now := time.Since(began)
		time.Sleep(8 * time.Hour)
		want("after failures", now, now+time.Minute, now+3*time.Minute, now+7*time.Minute, now+15*time.Minute, now+31*time.Minute, now+63*time.Minute, now+127*time.Minute, now+247*time.Minute, now+367*time.Minute)
		if s := p.Status()[0]; !s.Old || s.Age < 7*time.Hour || s.Failures != 10 || s.Reason != "the disk is full" {
			t.Errorf("after failures: %+v", s)
		}
		if log.old.Load() != 1 {
			t.Errorf("it was said %d times that the source is old", log.old.Load())
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if log.old.Load() != 2 {
			t.Errorf("after a day it was said %d times that the source is old", log.old.Load())
		}
		fails.Store(false)
		mu.Lock()
		pulls = pulls[:0]
		mu.Unlock()
		time.Sleep(2*time.Hour + time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if s := p.Status()[0]; s.Old || s.Failures != 0 || s.Reason != "" || len(pulls) != 1 {
			t.Errorf("when all is well again: %+v, %v", s, pulls)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What belongs to no source is dropped, and a damaged file counts as nothing known.
func TestStateOnDisk(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("gone.part", "x")
	put("gone.part.json", "{}")
	put("src.part", "x")
	put("src.part.json", `{"version":9}`)
	for _, c := range []struct {
		text    string
		checked model.Time
	}{
		{`{"version":1,"sources":{"src":{"checked":"2026-01-01T00:00:00.000Z","taken":{}},"gone":{"taken":{}}}}`, 1767225600000},
		{`{"version":1,"sources":{"src":null}}`, 0},
		{`{"version":2,"sources":{"src":{"checked":"2026-01-01T00:00:00.000Z"}}}`, 0},
		{`{"version":1`, 0},
	} {
		put(stateFile, c.text)
		b := newBench(t, dir, nil, Source{Path: dir})
		if s := b.Status(); len(s) != 1 || s[0].Checked != c.checked || (s[0].Age >= 0) != (c.checked != 0) {
			t.Errorf("%s: %+v", c.text, s)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "gone*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if part := openPartial(filepath.Join(dir, "src.part"), "https://example.com"); part.have != 0 || part.Whole {
		t.Errorf("a head of a later form counts: %+v", part)
	}
}

func TestNewRefuses(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []string{none, empty} {
		_, err := New(Config{Sources: []Source{{Name: "a", Kind: KindKEV, URL: "https://example.com", CAFile: ca}}, Dir: t.TempDir(), Now: time.Now})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "ca_file") {
			t.Errorf("%s: %v", ca, err)
		}
	}
}
