package api

import (
	"crypto/rand"
	_ "embed" // the page is a file of its own
	"html/template"
	"net/http"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

//go:embed safe.html
var safeHTML string

// safePage is what a person sees of a server whose rows cannot be read. It is whole in itself and has no script, and looks
// like the page otherwise does; nonce is what the policy lets its style in by.
var safePage = template.Must(template.New("safe").Parse(safeHTML))

// prose is a part of a text for people: a command, which stands between backquotes there, or words.
type prose struct {
	Text string
	Code bool
}

// proseOf takes a text apart, a line for each error that was joined.
func proseOf(text string) (lines [][]prose) {
	for line := range strings.SplitSeq(text, "\n") {
		var parts []prose
		for i, part := range strings.Split(line, "`") {
			if part != "" {
				parts = append(parts, prose{part, i%2 == 1})
			}
		}
		lines = append(lines, parts)
	}
	return lines
}

// safe stands before everything else where a store is damaged, and refuses what would change something with what is wrong
// and what to do. Where the rows cannot be read either it refuses everything; it asks nobody who he is then, for logins
// are rows, and therefore says nothing else.
func (s *Server) safe(usual http.Handler) http.Handler {
	if s.c.Store != nil {
		refused := s.identified(securityHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			newProblem(http.StatusServiceUnavailable, fault.ReadOnly, oneLine(s.c.Damaged.Error())).write(w)
		})))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Path == base+"/storage/check" {
				usual.ServeHTTP(w, r)
				return
			}
			refused.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", s.healthz)
	mux.HandleFunc("/readyz", s.readyz)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || r.Method != http.MethodGet {
			newProblem(http.StatusServiceUnavailable, fault.ReadOnly, oneLine(s.c.Damaged.Error())).write(w)
			return
		}
		nonce := rand.Text()
		w.Header().Set("Content-Security-Policy", contentPolicy(nonce))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = safePage.Execute(w, map[string]any{"Name": s.c.Name, "Nonce": nonce, "Why": proseOf(s.c.Damaged.Error())})
	})
	return s.identified(s.recovering(securityHeaders(limits(mux))))
}
