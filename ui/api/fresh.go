package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// Reads of a group of controllers hold everything that was acknowledged anywhere in it before they began. Who can
// do with less asks for ?consistency=stale and gets what this node has, at once, also where the group has no
// leader. Either way the answer says in Skerry-Age how old it may be, in seconds.

// ageHeader is how old what an answer was made of may be, as http.Header has it.
const ageHeader = "Skerry-Age"

const (
	consistency = "consistency" // the parameter
	stale       = "stale"       // its one value
)

// noAge is of an answer that holds everything acknowledged before it was asked for.
var noAge = []string{"0.000"}

// asItIsKey is the key of a request that wants what this node has.
type asItIsKey struct{}

// AsItIs reports whether whoever asks is content with what this node has, of the context of a call that this server makes.
func AsItIs(ctx context.Context) bool { return ctx.Value(asItIsKey{}) != nil }

// upToDate sees to it that an operation finds everything that was acknowledged before it was asked for. It comes
// before the login is looked at, which may have been opened at another node.
func (s *Server) upToDate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, base+"/") {
			next.ServeHTTP(w, r)
			return
		}
		asIs := false
		if r.Method == http.MethodGet && mayName(r.URL.RawQuery, consistency) {
			var err error
			if r, asIs, err = withoutConsistency(r); err != nil {
				err.(*problem).write(w)
				return
			}
			if asIs {
				r = r.WithContext(context.WithValue(r.Context(), asItIsKey{}, true))
			}
		}
		switch {
		case s.c.Fresh == nil:
		case asIs || ownWord(r) || !credentials(r):
			s.sayAge(w)
		default:
			if err := s.c.Fresh(r.Context()); err != nil {
				s.sayAge(w)
				s.notFresh(r, err).write(w)
				return
			}
			w.Header()[ageHeader] = noAge
		}
		next.ServeHTTP(w, r)
	})
}

// ownWord reports whether a request is for what this node says of itself, also while the group does not answer.
func ownWord(r *http.Request) bool {
	switch r.URL.Path {
	case clusterPath:
		return r.Method == http.MethodGet
	case base + "/storage/check":
		return true
	}
	return false
}

// credentials reports whether a request comes with anything that could let it in; nobody is asked for one that
// does not.
func credentials(r *http.Request) bool {
	if r.Header["Authorization"] != nil || r.Header["Cookie"] != nil || r.URL.Path == base+"/login" {
		return true
	}
	return actorOf(r.Context()).name != ""
}

func (s *Server) sayAge(w http.ResponseWriter) {
	if s.c.Age != nil {
		w.Header()[ageHeader] = []string{strconv.FormatFloat(s.c.Age().Seconds(), 'f', 3, 64)}
	}
}

// notFresh says why the group gave no answer, and what may be had without one.
func (s *Server) notFresh(r *http.Request, err error) *problem {
	if context.Cause(r.Context()) != nil {
		return s.fail(r.Context(), context.Cause(r.Context())).(*problem)
	}
	detail := err.Error()
	if r.Method == http.MethodGet {
		detail += "; " + consistency + "=" + stale + " in the address reads what this node has, as old as " + ageHeader + " then says"
	} else {
		detail += "; nothing was changed: try again when most controllers can be reached"
	}
	p := newProblem(http.StatusServiceUnavailable, fault.ReadOnly, oneLine(detail))
	p.header = http.Header{"Retry-After": {"1"}}
	return p
}

// mayName reports whether a query may have that parameter. It is quick, and wrong where a value looks like it.
func mayName(query, name string) bool {
	if query == "" {
		return false
	}
	if strings.Contains(query, name) {
		return true
	}
	for pair := range strings.SplitSeq(query, "&") {
		if n, _, _ := strings.Cut(pair, "="); strings.Contains(n, "%") {
			return true
		}
	}
	return false
}

// withoutConsistency takes the parameter out of a request, and reports whether it asks for what this node has. What
// is left of the address is as it was.
func withoutConsistency(r *http.Request) (_ *http.Request, asIs bool, err error) {
	var rest []string
	times, value := 0, ""
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, text, _ := strings.Cut(pair, "=")
		if n, err := url.QueryUnescape(name); err != nil || n != consistency {
			rest = append(rest, pair)
			continue
		}
		times++
		if value, err = url.QueryUnescape(text); err != nil {
			value = ""
		}
	}
	switch {
	case times == 0:
		return r, false, nil
	case times > 1:
		return r, false, parameter(consistency, "give it once")
	case value != stale:
		return r, false, parameter(consistency, "want "+stale+", or leave it out for an answer that misses nothing")
	}
	u := *r.URL
	u.RawQuery = strings.Join(rest, "&")
	// The request is this server's own copy (see identified).
	r.URL, r.RequestURI = &u, u.RequestURI()
	return r, true, nil
}
