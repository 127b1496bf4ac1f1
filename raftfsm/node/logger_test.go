package node

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/skerryhq/skerry/engine/model"
)

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func TestLevels(t *testing.T) {
	var out lines
	log := newLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	named := log.Named("raft").Named("x").With("node", 1)
	for _, tc := range []struct {
		write func()
		want  []string
	}{
		{func() { named.Error("broke", "error", "why") }, []string{"level=WARN", "msg=broke", "from=raft.x", "node=1", "error=why"}},
		{func() { named.Warn("slow") }, []string{"level=WARN"}},
		{func() { named.Warn("heartbeat timeout reached, starting election") }, []string{"level=DEBUG"}},
		{func() { named.Info("servers", "list", hclog.Fmt("%d of %d", 1, 3)) }, []string{"level=DEBUG", `list="1 of 3"`}},
		{func() { named.Debug("d") }, []string{"level=DEBUG"}},
		{func() { named.Trace("t") }, []string{"level=DEBUG"}},
		{func() { named.Log(hclog.Error, "e") }, []string{"level=WARN"}},
	} {
		tc.write()
		got := out.take()
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in %q", want, got)
			}
		}
	}
}

// An ordinary life, first start, work, end, second start, has nothing to warn of.
func TestAnOrdinaryLifeIsQuiet(t *testing.T) {
	var out lines
	dir := t.TempDir()
	for range 2 {
		w, err := start(dir, true, nil, func(c *Config) {
			c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WaitLeader(t.Context()); err != nil {
			t.Fatal(err)
		}
		propose(t, w, model.Note{Stamp: stamp(1), Action: "test.note", OK: true})
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.take(); got != "" {
		t.Errorf("it logged\n%s", got)
	}
}
