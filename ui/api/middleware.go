package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of one request.
const (
	maxJSON   = 1 << 20 // bytes of a JSON body
	maxIngest = 2 << 30 // bytes of packed advisories
	maxBundle = 1 << 30 // bytes of a bundle

	ordinary = time.Minute
	lengthy  = 30 * time.Minute // for what moves whole advisory collections
	maxWait  = 60 * time.Second // a long poll
)

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Uplink == nil {
		c.Uplink = func() *schema.Uplink { return nil }
	}
	if c.Keys == nil {
		c.Keys = KeyFolder{Dir: filepath.Join(c.Data, "keys")}
	}
	if c.Proposer != nil {
		c.Proposer = onlyOnce{c.Proposer}
	}
	return c
}

// middleware wraps the router: what it adds holds for every answer, also those that never reach an
// operation.
func (s *Server) middleware(next http.Handler) http.Handler {
	h := s.upToDate(s.authenticate(s.keyed(next)))
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		newProblem(http.StatusForbidden, fault.Denied,
			"a page of another origin sent this request; only this server's own page may").write(w)
	}))
	h = origins.Handler(h)
	h = limits(h)
	h = compressed(h)
	h = securityHeaders(h)
	h = s.recovering(h)
	return s.identified(h)
}

// compressed sends text in fewer bytes to whoever takes gzip. No answer mixes a secret with what a
// stranger chose, so its length tells nothing.
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.ContentTypes([]string{
		"application/json", "application/problem+json", "text/html", "text/css", "text/javascript", "text/csv", ndjson, "text/plain", "image/svg+xml",
	}), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		panic(err) // the options above are constant
	}
	packed := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == base+"/hosts/watch", r.URL.Path == eventsPath: // each event goes out at once
			next.ServeHTTP(w, r)
		case r.Header["Accept-Encoding"] == nil: // nothing to decide
			w.Header()["Vary"] = varyHeader
			next.ServeHTTP(w, r)
		default:
			packed.ServeHTTP(w, r)
		}
	})
}

// recovering keeps one broken request from taking the server with it.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler || r.Context().Err() != nil {
				panic(http.ErrAbortHandler)
			}
			s.c.Log.Error("request panicked", "request", requestID(r.Context()), "method", r.Method,
				"path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			newProblem(http.StatusInternalServerError, fault.Other,
				"this request broke something; the server's log has it under request "+requestID(r.Context())).write(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// The headers that are the same on every answer. Their lists are exactly as long as what they hold, so that
// who adds to one makes a copy.
var (
	plainPolicy     = []string{contentPolicy("")}
	strictTransport = []string{"max-age=31536000"}
	noSniff         = []string{"nosniff"}
	noFrame         = []string{"DENY"}
	noReferrer      = []string{"no-referrer"}
	sameOrigin      = []string{"same-origin"}
	noStore         = []string{"no-store"}
	varyHeader      = []string{"Accept-Encoding"}
	jsonType        = []string{"application/json"}
)

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = plainPolicy
		h["Strict-Transport-Security"] = strictTransport
		h["X-Content-Type-Options"] = noSniff
		h["X-Frame-Options"] = noFrame
		h["Referrer-Policy"] = noReferrer
		h["Cross-Origin-Opener-Policy"] = sameOrigin
		h["Cross-Origin-Resource-Policy"] = sameOrigin
		if strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/readyz" || r.URL.Path == "/healthz" || r.URL.Path == "/metrics" {
			h["Cache-Control"] = noStore
		}
		next.ServeHTTP(w, r)
	})
}

// contentPolicy lets the page load from this server alone. A nonce admits the style elements that
// the page's own scripts make.
func contentPolicy(nonce string) string {
	style := "'self'"
	if nonce != "" {
		style += " 'nonce-" + nonce + "'"
	}
	return "default-src 'self'; style-src " + style + "; img-src 'self' data:; object-src 'none'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// untimed is for answers that have no end of their own. They see to the time of each piece themselves.
func untimed(w http.ResponseWriter, r *http.Request, next http.Handler) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	r.Body = http.MaxBytesReader(w, r.Body, maxJSON)
	next.ServeHTTP(w, r)
}

// limits bounds a request's body and time. The time is short except for the operations that move
// whole collections and the one that waits.
func limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, d := int64(maxJSON), ordinary
		switch r.URL.Path {
		case base + "/advisories/ingest":
			size, d = maxIngest, lengthy
		case base + "/federation/import", base + "/federation/preview":
			size, d = maxBundle, lengthy
		case base + "/federation/export", base + "/cluster/backup":
			d = lengthy
		case base + "/hosts/export", base + "/storage/check":
			d = lengthy
		case base + "/hosts/watch", eventsPath:
			untimed(w, r, next)
			return
		default:
			if strings.Contains(r.URL.RawQuery, "wait=") {
				d += maxWait
			}
		}
		// A recorder in a test has no deadlines to set.
		control, now := http.NewResponseController(w), time.Now()
		_ = control.SetWriteDeadline(now.Add(d + 5*time.Second))
		if r.Body != http.NoBody {
			_ = control.SetReadDeadline(now.Add(d))
			r.Body = http.MaxBytesReader(w, r.Body, size)
		}
		if r.Method != http.MethodGet || !slices.Contains(lanePaths, r.URL.Path) {
			x := exchangeOf(r.Context())
			ctx, cancel := context.WithTimeout(x.Context, d)
			defer cancel()
			x.Context = ctx
		}
		next.ServeHTTP(w, r)
	})
}
