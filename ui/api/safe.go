package api

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// safePage is what a person sees of a server whose rows cannot be read.
var safePage = template.Must(template.New("safe").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>{{.Name}}: safe mode</title>
<h1>{{.Name}} is in safe mode</h1>
<p>It shows and changes nothing, because what it keeps on its disk is damaged:</p>
<blockquote>{{.Why}}</blockquote>
<p>Agents keep what they have to report, and bring it when this server is well again.</p>
</html>
`))

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
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = safePage.Execute(w, map[string]string{"Name": s.c.Name, "Why": s.c.Damaged.Error()})
	})
	return s.identified(s.recovering(securityHeaders(limits(mux))))
}
