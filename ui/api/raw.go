package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// The operations here answer by themselves: one because it is asked all the time, the others because their
// answers are streams. The description of the interface has them like every other operation.

// param is one parameter of such an operation, all of which stand in the query.
type param struct {
	name, doc   string
	number      bool // a whole number between least and most, absent if it does not come
	least, most int
	absent      int
	words       []string // the only values, if set
}

// rawHandler answers, or returns why it cannot, as long as it has not begun to.
type rawHandler func(w http.ResponseWriter, r *http.Request, q asked) error

// raw registers such a GET operation. Answers are the bodies that it may give, by content type.
func raw(s *Server, path, id, summary string, params []param, answers map[string]*huma.MediaType, h rawHandler) {
	o := s.operation(http.MethodGet, path, id, summary)
	for _, p := range params {
		o.Parameters = append(o.Parameters, &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: p.schema()})
	}
	o.Responses["200"] = &huma.Response{Description: "OK", Content: answers}
	s.api.OpenAPI().AddOperation(&o)
	s.direct[base+path] = func(w http.ResponseWriter, r *http.Request) {
		q, err := ask(r.URL, params)
		if err == nil {
			err = h(w, r, q)
		}
		if err != nil {
			s.fail(r.Context(), err).(*problem).write(w)
		}
	}
}

func (p param) schema() *huma.Schema {
	if p.number {
		least, most := float64(p.least), float64(p.most)
		return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least, Maximum: &most, Default: p.absent}
	}
	x := &huma.Schema{Type: huma.TypeString}
	for _, w := range p.words {
		x.Enum = append(x.Enum, w)
	}
	return x
}

// jsonOf documents an answer as JSON of a type of ui/schema.
func jsonOf[T any](s *Server) *huma.MediaType {
	t := reflect.TypeFor[T]()
	return &huma.MediaType{Schema: s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())}
}

// asked is the parameters that came, by name.
type asked struct {
	text   map[string]string
	number map[string]int
}

// ask reads the parameters of a request. One that there is not, one that comes twice and a number out of
// its bounds are refused, each by its name.
func ask(u *url.URL, params []param) (asked, error) {
	a := asked{text: make(map[string]string, len(params)), number: make(map[string]int, len(params))}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, newProblem(http.StatusUnprocessableEntity, fault.Invalid, "the address cannot be read: write % as %25, & as %26 and ; as %3B in it")
	}
	known := 0
	for _, p := range params {
		all := values[p.name]
		if p.number {
			a.number[p.name] = p.absent
		}
		if len(all) == 0 {
			continue
		}
		known++
		switch {
		case len(all) > 1:
			return a, parameter(p.name, "give it once")
		case p.number:
			n, err := strconv.Atoi(all[0])
			if err != nil || n < p.least || n > p.most {
				return a, parameter(p.name, fmt.Sprintf("want a whole number from %d to %d", p.least, p.most))
			}
			a.number[p.name] = n
		case len(p.words) > 0 && !slices.Contains(p.words, all[0]):
			return a, parameter(p.name, "want one of "+strings.Join(p.words, ", "))
		default:
			a.text[p.name] = all[0]
		}
	}
	if known == len(values) {
		return a, nil
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(params, func(p param) bool { return p.name == name }) {
			return a, parameter(fieldOf("query."+name), "there is no such parameter")
		}
	}
	return a, nil
}

// parameter refuses one parameter.
func parameter(name, message string) error {
	p := newProblem(http.StatusUnprocessableEntity, fault.Invalid, oneLine(name+": "+message))
	p.Errors = []schema.ProblemError{{Location: "query." + name, Message: message}}
	return p
}
