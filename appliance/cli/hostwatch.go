package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	// maxWatched bounds the hosts of a result that are remembered to tell a newcomer from a change.
	maxWatched = 100_000
	// maxEvent bounds one line of the stream, in bytes.
	maxEvent = 1 << 20
)

// hostWatch prints how a result changes: + came into it, ~ changed, - left it.
type hostWatch struct {
	a       *app
	f       *format
	columns []schema.Column
	names   map[string]string // id -> host name of the hosts that are in the result
	whole   bool              // names has all of them
	total   int
	widths  []int // of the columns of a table, in characters
}

// watchHosts prints the first page and then every change. The stream is opened before the page is read, so
// that nothing falls in between.
func (a *app) watchHosts(c *cobra.Command, f *format, query url.Values, columns []schema.Column) error {
	server, err := a.client()
	if err != nil {
		return err
	}
	ctx := c.Context()
	stream, err := server.send(ctx, http.MethodGet, "/hosts/watch", url.Values{"q": query["q"]}, nil, "")
	if err != nil {
		return err
	}
	defer func() { _ = stream.Body.Close() }()
	w := &hostWatch{a: a, f: f, columns: columns}
	first, err := w.read(ctx, server, query)
	if err != nil {
		return err
	}
	if f.kind == "table" || f.kind == "wide" {
		if err := w.head(first); err != nil {
			return err
		}
		a.say("%s %s; = was there at first, + came, ~ changed, - left", grouped(w.total), plural(w.total, "host"))
	}
	for i := range first {
		if err := w.line("=", &first[i]); err != nil {
			return err
		}
	}
	err = w.follow(ctx, server, query, stream.Body)
	if ctx.Err() != nil {
		return nil // interrupted, which is how it ends
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s ended the stream: it stopped, or the login did; start again to go on", server.shown)
}

// read lists the result: the first page is returned, and who is in it remembered.
func (w *hostWatch) read(ctx context.Context, server *client, query url.Values) ([]schema.Host, error) {
	w.names, w.whole = map[string]string{}, false
	page := url.Values{"q": query["q"], "sort": query["sort"], "limit": query["limit"]}
	var first []schema.Host
	for n := 0; ; n++ {
		var p schema.Hosts
		if err := server.call(ctx, http.MethodGet, "/hosts", page, nil, &p); err != nil {
			return nil, err
		}
		if n == 0 {
			first = p.Hosts
		}
		for _, h := range p.Hosts {
			w.names[h.ID] = h.Hostname
		}
		w.total = p.Total
		if p.Next == "" {
			w.whole = true
			return first, nil
		}
		if len(w.names) >= maxWatched {
			return first, nil
		}
		page.Set("limit", "1000")
		page.Set("after", p.Next)
	}
}

// follow reads the events of the stream until it ends.
func (w *hostWatch) follow(ctx context.Context, server *client, query url.Values, body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	name := ""
	for lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = event
			continue
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if name == "reset" {
			if err := w.reset(ctx, server, query); err != nil {
				return err
			}
			continue
		}
		if err := w.event(name, []byte(data)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// event prints what one event says.
func (w *hostWatch) event(name string, data []byte) error {
	var e struct {
		Host  schema.Host `json:"host"`
		ID    string      `json:"id"`
		Total int         `json:"total"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("an event cannot be read: %w", err)
	}
	switch name {
	case "change":
		sign := "~"
		if _, in := w.names[e.Host.ID]; !in && w.whole {
			sign = "+"
		}
		w.names[e.Host.ID] = e.Host.Hostname
		return w.line(sign, &e.Host)
	case "leave":
		was, in := w.names[e.ID]
		if !in {
			return nil // it was never part of the result
		}
		delete(w.names, e.ID)
		return w.line("-", &schema.Host{ID: e.ID, Hostname: was})
	case "total":
		if e.Total != w.total && (w.f.kind == "table" || w.f.kind == "wide") {
			w.a.say("%s %s", grouped(e.Total), plural(e.Total, "host"))
		}
		w.total = e.Total
	}
	return nil
}

// reset reads the result anew and prints who came and who left meanwhile.
func (w *hostWatch) reset(ctx context.Context, server *client, query url.Values) error {
	before, whole := w.names, w.whole
	w.a.say("so much changed that it is read anew")
	all := url.Values{"q": query["q"], "sort": query["sort"], "limit": {"1000"}}
	first, err := w.read(ctx, server, all)
	if err != nil {
		return err
	}
	if !whole || !w.whole {
		return nil
	}
	for i := range first { // more than a page of newcomers is told by its number
		if _, in := before[first[i].ID]; !in {
			if err := w.line("+", &first[i]); err != nil {
				return err
			}
		}
	}
	for id, name := range before {
		if _, in := w.names[id]; !in {
			if err := w.line("-", &schema.Host{ID: id, Hostname: name}); err != nil {
				return err
			}
		}
	}
	w.a.say("%s %s", grouped(w.total), plural(w.total, "host"))
	return nil
}

// line prints one change. Data is one JSON object on each line, and = marks the hosts that were there at first.
func (w *hostWatch) line(sign string, h *schema.Host) error {
	now := time.Now().UTC()
	switch w.f.kind {
	case "json":
		e := json.NewEncoder(w.a.out)
		e.SetEscapeHTML(false)
		return e.Encode(struct {
			At     time.Time    `json:"at"`
			Change string       `json:"change"`
			Host   *schema.Host `json:"host"`
		}{now.Truncate(time.Millisecond), sign, h})
	case "name":
		_, err := fmt.Fprintln(w.a.out, sign, fault.Printable(h.ID))
		return err
	case "table", "wide":
	default:
		return errors.New("-o " + w.f.kind + " cannot be written as it comes; use -o json")
	}
	cells := []any{h.Hostname, "left"}
	if sign != "-" {
		cells = hostCells(h, w.columns)
	}
	return w.row(now.Format("15:04:05"), sign, cells)
}

// maxWidth is how wide a column of a table is made for what stands in it at first, in characters.
const maxWidth = 40

// head writes the titles of the columns, which are as wide as the first hosts need.
func (w *hostWatch) head(first []schema.Host) error {
	w.widths = make([]int, len(w.columns))
	titles := make([]any, len(w.columns))
	for i, c := range w.columns {
		titles[i] = c.Title
		w.widths[i] = utf8.RuneCountInString(c.Title)
	}
	for i := range first {
		for k, x := range hostCells(&first[i], w.columns) {
			w.widths[k] = max(w.widths[k], min(utf8.RuneCountInString(cell(x, false)), maxWidth))
		}
	}
	return w.row("AT", " ", titles)
}

// row writes one line of a table that grows. A cell that is wider than its column shifts what follows it.
func (w *hostWatch) row(at, sign string, cells []any) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s  %s", at, sign)
	for i, x := range cells {
		b.WriteString("  " + cell(x, w.a.colours()))
		if i < len(cells)-1 && i < len(w.widths) {
			b.WriteString(strings.Repeat(" ", max(0, w.widths[i]-utf8.RuneCountInString(cell(x, false)))))
		}
	}
	_, err := fmt.Fprintln(w.a.out, strings.TrimRight(b.String(), " "))
	return err
}
