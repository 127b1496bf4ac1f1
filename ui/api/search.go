package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// budget is how long one search may take. It is far more than any needs on a machine that keeps up; one that
// would take longer gives way to the others.
const budget = 2 * time.Second

// The documentation of the parameters that several operations have.
const (
	docQuery  = "the search, as in: status:down os:debian<12 -tag:lab; absent: every host. GET /fields has what it may be about"
	docSort   = "the field to order by, with - in front for falling, as in -seen or -cve:critical; absent: name"
	docFields = "fields, with commas between them; GET /fields says which are counted"
)

// where reads a search; location is where in the request it stood.
func where(location, text string) (query.Expr, error) {
	x, err := query.Parse(text)
	if err != nil {
		return nil, pointed(location, err)
	}
	return x, nil
}

// order reads a sort.
func order(location, text string) (query.Sort, error) {
	sort, err := query.ParseSort(text)
	if err != nil {
		return sort, pointed(location, err)
	}
	return sort, nil
}

// pointed makes of what is wrong with a text the problem that points at it.
func pointed(location string, err error) error {
	p := newProblem(http.StatusUnprocessableEntity, fault.Invalid, oneLine(err.Error()))
	p.Errors = []schema.ProblemError{{Location: location, Message: p.Detail}}
	var wrong *query.SyntaxError
	if errors.As(err, &wrong) {
		pos, end := wrong.Pos, wrong.End
		p.Pos, p.End, p.Suggestions, p.Caret = &pos, &end, wrong.Suggestions, wrong.Caret()
	}
	return p
}

// counted reads a list of fields by which hosts can be counted.
func counted(location, list string, most int) ([]query.Field, error) {
	if list == "" {
		return nil, nil
	}
	names := strings.Split(list, ",")
	if len(names) > most {
		return nil, pointed(location, fault.New(fault.Invalid, "", "%d fields are more than the %d that may be asked for at once", len(names), most))
	}
	fields := make([]query.Field, 0, len(names))
	pos := 0
	for _, name := range names {
		f, err := countedField(list, name, pos)
		if err != nil {
			return nil, pointed(location, err)
		}
		fields = append(fields, f)
		pos += len(name) + 1
	}
	return fields, nil
}

// countedField reads one name of the list, which begins at pos.
func countedField(list, name string, pos int) (query.Field, error) {
	f, ok := query.FieldNamed(strings.TrimSpace(name))
	if ok && f.Info().Counted {
		return f, nil
	}
	wrong := &query.SyntaxError{
		Text: fault.Clip(list, query.MaxText), Pos: min(pos, query.MaxText), End: min(pos+len(name), query.MaxText),
		Msg: "there is no field " + quoted(name),
	}
	if ok {
		wrong.Msg = "hosts are not counted by " + f.String()
	}
	for _, info := range query.Fields() {
		if info.Counted && (ok || near(strings.ToLower(name), info)) {
			wrong.Suggestions = append(wrong.Suggestions, info.Name)
		}
	}
	return 0, wrong
}

// quoted shows a name from outside in a message.
func quoted(name string) string { return `"` + fault.Printable(fault.Clip(name, 32)) + `"` }

// near reports whether a name is likely to have been meant for a field: the one begins the other, or they
// begin alike and are of about one length.
func near(name string, info query.Info) bool {
	if len(name) < 2 {
		return false
	}
	for _, n := range append([]string{info.Name}, info.Aliases...) {
		if strings.HasPrefix(n, name) || strings.HasPrefix(name, n) ||
			strings.HasPrefix(n, name[:2]) && max(len(n)-len(name), len(name)-len(n)) <= 2 {
			return true
		}
	}
	return false
}

// cursor reads the place where a page begins, which belongs to one order.
func cursor(text string, sort query.Sort) (*query.Cursor, error) {
	if text == "" {
		return nil, nil
	}
	c, err := query.ParseCursor(text)
	if err == nil && c.Sort.Normal() != sort.Normal() {
		err = fault.New(fault.Invalid, "", "it belongs to a page ordered by %s, and this one is ordered by %s: give the sort of that page, or begin without after", c.Sort, sort)
	}
	if err != nil {
		return nil, parameter("after", oneLine(err.Error()))
	}
	return &c, nil
}

// find runs one search within its budget.
func (s *Server) find(ctx context.Context, q query.Search) (query.Page, error) {
	return within(ctx, budget, func(ctx context.Context) (query.Page, error) { return s.c.Directory.Find(ctx, q) })
}

// findRows is find for a page of rows as writeRow writes them.
func (s *Server) findRows(ctx context.Context, q query.Search, page *query.Written) error {
	_, err := within(ctx, budget, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.c.Directory.FindWritten(ctx, q, writeRow, page)
	})
	return err
}

// within runs one question to the directory. One that takes longer than it may is told so.
func within[T any](ctx context.Context, most time.Duration, run func(context.Context) (T, error)) (T, error) {
	short := &bounded{Context: ctx, end: time.Now().Add(most)}
	defer short.release()
	v, err := run(short)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fault.New(fault.Busy, "", "this search takes longer than the %s that one may: narrow it, as with site: or tag:, or ask again when less is going on", most)
	}
	return v, err
}

// now is the time that relative ages of a search are measured from.
func (s *Server) now() model.Time { return model.TimeOf(s.c.Now()) }
