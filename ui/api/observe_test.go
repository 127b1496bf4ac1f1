package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestEveryAnswerIsObserved(t *testing.T) {
	var mu sync.Mutex
	var told []string
	r := newRig(t, func(c *Config) {
		c.Observe = func(route string, status int, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if took < 0 || took > time.Minute {
				t.Errorf("%s took %s", route, took)
			}
			told = append(told, fmt.Sprint(route, " ", status))
		}
	})
	r.site(berlin, "berlin", model.HostUp)
	for _, c := range []struct{ ask, want string }{
		{"GET /api/v1/sites", "GET /api/v1/sites 200"},
		{"GET /api/v1/sites/berlin", "GET /api/v1/sites/{site} 200"},
		{"GET /api/v1/sites/atlantis", "GET /api/v1/sites/{site} 404"},
		{"GET /api/v1/sites/" + strings.Repeat("x", 99), "GET /api/v1/sites/{site} 422"},
		{"GET /api/v1/hosts?q=status:green", "GET /api/v1/hosts 422"},
		{"GET /api/v1/hosts", "GET /api/v1/hosts 200"},
		{"GET /api/v1/hosts/export", "GET /api/v1/hosts/export 200"},
		{"DELETE /api/v1/searches/x", "DELETE /api/v1/searches/{name} 404"},
		{"GET /api/v1/made/up", "other 404"},
		{"NONSENSE /api/v1/sites", "other 405"},
		{"GET /healthz", "/healthz 200"},
		{"GET /readyz", "/readyz 200"},
		{"GET /metrics", "/metrics 404"},
		{"GET /some/view", "page 200"},
	} {
		told = nil
		method, path, _ := strings.Cut(c.ask, " ")
		w := r.do(method, path, nil)
		if !slices.Equal(told, []string{c.want}) {
			t.Errorf("%s: %d, told %q, want %q", c.ask, w.Code, told, c.want)
		}
	}
	told = nil
	r.as("", "GET", "/api/v1/sites", nil)
	if want := []string{"other 401"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestWhoMayReadMetrics(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "skerry_up 1\n")
	})
	r := newRig(t, func(c *Config) { c.Metrics, c.MetricsToken = metrics, "a token of metrics" })
	login := r.mem.login("admin")
	r.pass(time.Minute)
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"the local socket":        {nil, 200},
		"a login":                 {[]string{"Authorization", "Bearer " + login}, 200},
		"a login as a cookie":     {[]string{"Cookie", cookieName + "=" + login}, 200},
		"the token":               {[]string{"Authorization", "Bearer a token of metrics"}, 200},
		"the token, lower case":   {[]string{"Authorization", "bearer a token of metrics"}, 200},
		"no more than nothing":    {[]string{"Cookie", "a=b"}, 401},
		"an empty token":          {[]string{"Authorization", "Bearer "}, 401},
		"another token":           {[]string{"Authorization", "Bearer a token of metricz"}, 401},
		"the token another way":   {[]string{"Authorization", "Basic a token of metrics"}, 401},
		"the token where no such": {[]string{"Cookie", cookieName + "=a token of metrics"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			w := r.do("GET", "/metrics", nil, c.header...)
			if w.Code != c.status || (c.status == 200) != (w.Body.String() == "skerry_up 1\n") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	r.refused(r.do("GET", "/metrics", nil, "Cookie", "a=b"), 401, fault.Login, "metrics.token_file")
	// The token is for metrics and for nothing else.
	r.refused(r.do("GET", "/api/v1/sites", nil, "Authorization", "Bearer a token of metrics"), 401, fault.Login, "")
	none := newRig(t, func(c *Config) { c.Metrics = metrics })
	none.refused(none.do("GET", "/metrics", nil, "Authorization", "Bearer "), 401, fault.Login, "")
	none = newRig(t)
	none.refused(none.do("GET", "/metrics", nil), 404, fault.NotFound, "no metrics")
}
