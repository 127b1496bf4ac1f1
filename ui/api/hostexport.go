package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	// maxExports bounds the exports at once: each keeps a processor busy for as long as its reader keeps up.
	maxExports = 4
	// exportWrite is how long the reader may take for one page.
	exportWrite = time.Minute
	// exportTries is how often a page is asked for while the directory is busy.
	exportTries = 20

	ndjson = "application/x-ndjson"
	csv    = "text/csv; charset=utf-8; header=present"
)

// export is one export under way.
type export struct {
	s       *Server
	columns []schema.Column
	csv     bool
}

// exportHosts streams a whole result, page after page: it holds one page at a time. Hosts that change
// while it goes on are in it as they were then. What breaks off has no proper end: a reader of chunks or
// of HTTP/2 sees an error, and never takes a part for the whole.
func (s *Server) exportHosts(w http.ResponseWriter, r *http.Request, q asked) error {
	search, _, err := s.searchOf(q)
	if err != nil {
		return err
	}
	e := export{s: s, csv: q.text("format") == "csv"}
	if names := q.text("columns"); names != "" {
		if e.columns, err = columnsOf("query.columns", strings.Split(names, ",")); err != nil {
			return err
		}
	}
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		return fault.New(fault.Busy, "export hosts", "%d exports run already, which is the most: try again when one has ended", cap(s.exports))
	}
	search.Limit = query.MaxPage
	page, err := s.exportPage(r.Context(), search)
	if err != nil {
		return err
	}
	h, name, typ := w.Header(), "hosts.ndjson", ndjson
	var b []byte
	if e.csv {
		name, typ = "hosts.csv", csv
		if e.columns == nil {
			e.columns = schema.Columns()
		}
		b = e.head(b)
	}
	h.Set("Content-Type", typ)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("X-Total-Count", strconv.Itoa(page.Total))
	control := http.NewResponseController(w)
	for {
		b, err = e.rows(b, page.Hosts)
		if err == nil {
			_ = control.SetWriteDeadline(time.Now().Add(exportWrite)) // a recorder in a test has none
			_, err = w.Write(b)
		}
		if err == nil && page.Next == nil {
			return nil
		}
		if err == nil {
			b, search.After = b[:0], page.Next
			page, err = s.exportPage(r.Context(), search)
		}
		if err != nil {
			s.c.Log.Warn("an export broke off", "request", requestID(r.Context()), "err", err)
			panic(http.ErrAbortHandler) // which leaves the answer without its end
		}
	}
}

// exportPage reads a page, patiently: an export gives way to the others, it does not give up.
func (s *Server) exportPage(ctx context.Context, search query.Search) (query.Page, error) {
	for try := 1; ; try++ {
		page, err := s.find(ctx, search)
		if !fault.Is(err, fault.Busy) || try == exportTries {
			return page, err
		}
		wait := time.NewTimer(time.Duration(try) * 50 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return page, ctx.Err()
		}
	}
}

// rows appends a page.
func (e export) rows(b []byte, hosts []model.Host) ([]byte, error) {
	by, err := e.s.placesFor(hosts)
	if err != nil {
		return b, err
	}
	why, d := reasons{s: e.s}, new(dates)
	for i := range hosts {
		h := &hosts[i]
		p := placeOf(by, h.Site)
		if e.columns == nil {
			b = append(d.appendHost(b, h, p, why.of(h.Status, p)), '\n')
			continue
		}
		row := hostRow(*h, p.Site, why.of(h.Status, p))
		if e.csv {
			b = e.line(b, &row)
		} else {
			b = e.object(b, &row)
		}
	}
	return b, nil
}

// object appends one host as JSON with the chosen columns alone.
func (e export) object(b []byte, h *schema.Host) []byte {
	b = append(b, '{')
	for i, c := range e.columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, c.Name), ':')
		if text, ok := c.Value(h).(string); ok {
			b = appendText(b, text)
			continue
		}
		raw, err := json.Marshal(c.Value(h))
		if err != nil {
			raw = []byte("null")
		}
		b = append(b, raw...)
	}
	return append(b, '}', '\n')
}

// head appends the line with the names of the columns.
func (e export) head(b []byte) []byte {
	for i, c := range e.columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, c.Name...)
	}
	return append(b, '\r', '\n')
}

// line appends one host as a line of RFC 4180. Lists have semicolons between their values, times are RFC
// 3339, and what is not known is empty.
func (e export) line(b []byte, h *schema.Host) []byte {
	for i, c := range e.columns {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := c.Value(h).(type) {
		case string:
			b = appendCell(b, v)
		case []string:
			b = appendCell(b, strings.Join(v, ";"))
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case float64:
			b = appendFloat(b, v)
		case bool:
			b = strconv.AppendBool(b, v)
		case time.Time:
			b = v.AppendFormat(b, time.RFC3339Nano)
		}
	}
	return append(b, '\r', '\n')
}

// appendCell appends a text. What a spreadsheet would take for a formula gets an apostrophe in front, which it
// shows as text: the names of hosts come from machines that are not all to be trusted. A spreadsheet that
// separates by something else than commas begins a cell in the middle of this one, whatever is quoted.
func appendCell(b []byte, s string) []byte {
	quoted := strings.ContainsAny(s, "\",;\r\n")
	if quoted {
		b = append(b, '"')
	}
	begins := true
	for i := range len(s) {
		c := s[i]
		if begins && strings.IndexByte("=+-@\t\r", c) >= 0 {
			b = append(b, '\'')
		}
		if b = append(b, c); c == '"' {
			b = append(b, c)
		}
		begins = strings.IndexByte(";\t\r\n", c) >= 0
	}
	if quoted {
		b = append(b, '"')
	}
	return b
}
