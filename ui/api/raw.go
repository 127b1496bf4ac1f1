package api

import (
	"fmt"
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
	otherwise   string   // the text, if none comes
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
	if p.otherwise != "" {
		x.Default = p.otherwise
	}
	return x
}

// jsonOf documents an answer as JSON of a type of ui/schema.
func jsonOf[T any](s *Server) *huma.MediaType {
	t := reflect.TypeFor[T]()
	return &huma.MediaType{Schema: s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())}
}

// asked is the parameters that came.
type asked struct {
	params []param
	came   []came // one for each of params
}

// came is what came for one parameter.
type came struct {
	times  int
	text   string
	number int
}

// text returns a parameter that is text, "" if it did not come.
func (a asked) text(name string) string { return a.of(name).text }

// number returns a parameter that is a number.
func (a asked) number(name string) int { return a.of(name).number }

func (a asked) of(name string) came {
	for i := range a.params {
		if a.params[i].name == name {
			return a.came[i]
		}
	}
	panic("api: no operation here has a parameter " + name)
}

// ask reads the parameters of a request, in one pass and without a table of them. One that there is not, one
// that comes twice and a number out of its bounds are refused, each by its name.
func ask(u *url.URL, params []param) (asked, error) {
	a := asked{params: params, came: make([]came, len(params))}
	strangers := false
	stranger := "" // the first by name of those that there are not
	for rest := u.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || strings.Contains(pair, ";") {
			return a, newProblem(http.StatusUnprocessableEntity, fault.Invalid, "the address cannot be read: write % as %25, & as %26 and ; as %3B in it")
		}
		i := slices.IndexFunc(params, func(p param) bool { return p.name == name })
		if i < 0 {
			if !strangers || name < stranger {
				strangers, stranger = true, name
			}
			continue
		}
		a.came[i].times++
		a.came[i].text = value
	}
	for i, p := range params {
		if err := a.came[i].check(p); err != nil {
			return a, err
		}
	}
	if strangers {
		return a, parameter(fieldOf("query."+stranger), "there is no such parameter")
	}
	return a, nil
}

// check holds what came against what may.
func (c *came) check(p param) error {
	switch {
	case c.times == 0:
		c.number, c.text = p.absent, p.otherwise
	case c.times > 1:
		return parameter(p.name, "give it once")
	case p.number:
		n, err := strconv.Atoi(c.text)
		if err != nil || n < p.least || n > p.most {
			return parameter(p.name, fmt.Sprintf("want a whole number from %d to %d", p.least, p.most))
		}
		c.number = n
	case len(p.words) > 0 && !slices.Contains(p.words, c.text):
		return parameter(p.name, "want one of "+strings.Join(p.words, ", "))
	}
	return nil
}

// parameter refuses one parameter.
func parameter(name, message string) error {
	p := newProblem(http.StatusUnprocessableEntity, fault.Invalid, oneLine(name+": "+message))
	p.Errors = []schema.ProblemError{{Location: "query." + name, Message: message}}
	return p
}
