package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/skerryhq/skerry/engine/fault"
)

// What metrics call the answers that no operation gave.
const (
	routePage  = "page"  // the page and its files
	routeOther = "other" // refused before it was known what was asked for, or asked for what there is not
)

// name keeps what metrics call an operation.
func (s *Server) name(method, path string) {
	asRouted := strings.NewReplacer("{", ":", "}", "").Replace(path)
	s.named[method+" "+asRouted] = method + " " + path
	if method == http.MethodGet {
		s.namedRaw[path] = method + " " + path
	}
}

// routed notes which operation a request was found to be for.
func (s *Server) routed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		x := exchangeOf(c.Request().Context())
		if c.Request().URL.RawPath != "" { // the path is routed as it was escaped, so that %2F is no slash; what it names is not
			values := c.ParamValues()
			for i, v := range values {
				if plain, err := url.PathUnescape(v); err == nil {
					values[i] = plain
				}
			}
			c.SetParamValues(values...)
		}
		switch path := c.Path(); path {
		case "/*":
			if x.route = routePage; strings.HasPrefix(c.Request().URL.Path, "/api") {
				x.route = routeOther
			}
		case "/healthz", "/readyz", "/metrics":
			x.route = path
		default:
			x.route = s.named[c.Request().Method+" "+path]
		}
		return next(c)
	}
}

// observed has a request answered and tells Config.Observe of it.
func (s *Server) observed(w http.ResponseWriter, r *http.Request, x *exchange, next http.Handler) {
	began := time.Now()
	if lane, ok := w.(*laneWriter); ok { // it answers faster as itself
		defer func() { s.told(x, lane.status, began) }()
		next.ServeHTTP(w, r)
		return
	}
	seen := &statusWriter{ResponseWriter: w}
	defer func() { s.told(x, seen.status, began) }()
	next.ServeHTTP(seen, r)
}

// told tells Config.Observe of an answer. One without a status was a good one, or none came.
func (s *Server) told(x *exchange, status int, began time.Time) {
	if status == 0 {
		status = http.StatusOK
	}
	route := x.route
	if route == "" {
		route = routeOther
	}
	s.c.Observe(route, status, time.Since(began))
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// metrics answers in the text form of Prometheus, to those who may ask.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.c.Metrics == nil {
		newProblem(http.StatusNotFound, fault.NotFound, "this server has no metrics").write(w)
		return
	}
	if p := s.metricsAllowed(r); p != nil {
		p.write(w)
		return
	}
	s.c.Metrics.ServeHTTP(w, r)
}

// metricsAllowed refuses whoever may not read the metrics. They tell much of a federation (its size, its state, when
// it is weak), so that nobody gets them for nothing: a login, the local socket or the token for metrics is needed.
// That a request comes from this machine is no proof of anything: behind a proxy on it, all do.
func (s *Server) metricsAllowed(r *http.Request) *problem {
	if actorOf(r.Context()).name != "" {
		return nil
	}
	if want := s.c.MetricsToken; want != "" {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		a, b := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(want))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			return nil
		}
	}
	_, err := s.session(r)
	if err == nil {
		return nil
	}
	p := s.fail(r.Context(), err).(*problem)
	if p.Status == http.StatusUnauthorized {
		p.Detail = "metrics are for those who have a login, the token of metrics.token_file, or the server's local socket"
		p.header = http.Header{"Www-Authenticate": {"Bearer"}}
	}
	return p
}
