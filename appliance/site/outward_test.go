package site

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/sync/pull"
	"github.com/skerryhq/skerry/ui/schema"
)

// hears passes on the warnings of a log, with the names in them.
type hears struct {
	slog.Handler
	to chan string
}

func (h hears) Enabled(context.Context, slog.Level) bool { return true }
func (h hears) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h hears) WithGroup(string) slog.Handler            { return h }

func (h hears) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		select {
		case h.to <- r.Message:
		default:
		}
	}
	return nil
}

// TestASiteThatIsEnrolledNowhere fetches the bundles that are configured and tells its webhook: it may be a partner of others, by stick.
func TestASiteThatIsEnrolledNowhere(t *testing.T) {
	told := make(chan schema.WebhookCall, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		var call schema.WebhookCall
		if err := json.NewDecoder(q.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		told <- call
	}))
	defer hook.Close()
	c := configOf(t)
	c.Federation.Webhook.URL = hook.URL
	file := filepath.Join(t.TempDir(), "partner.zst")
	if err := os.WriteFile(file, []byte("no bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Advisories.Sources = []config.AdvisorySource{{Name: "partner", Kind: pull.KindBundle, Path: file, Every: config.Duration(time.Hour)}}
	// A place that nobody can read: the first that is told is that.
	if err := os.MkdirAll(filepath.Join(c.Data, "federation"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Data, "federation", "webhook.json"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	r := runSite(t, c, Options{Log: slog.New(hears{slog.DiscardHandler, said})})
	late := time.After(30 * time.Second)
	select {
	case call := <-told:
		if call.Reset == nil {
			t.Errorf("told %+v", call)
		}
	case <-late:
		t.Error("the webhook is told nothing")
	}
	for fetched := false; !fetched; {
		select {
		case text := <-said:
			fetched = strings.Contains(text, "was not fetched")
		case <-late:
			t.Fatal("nothing is fetched")
		}
	}
	var rows []schema.AdvisorySource
	if err := r.ask("GET", "/api/v1/advisories/sources", nil, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Name != "partner" || rows[0].State != "failing" && rows[0].State != "running" || rows[0].Failures == 0 {
		t.Errorf("%+v", rows)
	}
}
