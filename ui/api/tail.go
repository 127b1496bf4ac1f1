package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// maxWatchers bounds the results that are watched at once.
const maxWatchers = 256

// maxChanges is how many hosts a watcher is told of in one second; of more it is told to look again.
const maxChanges = 200

// pace is how often a watcher hears something.
type pace struct {
	coalesce time.Duration // from one look at what changed to the next, at least
	total    time.Duration // from one total to the next, at least
	silence  time.Duration // without a word, at most
	write    time.Duration // for one piece to be taken by the other side
	decide   time.Duration // for a site to have done what was decided about one of its alerts
}

var usualPace = pace{coalesce: 250 * time.Millisecond, total: time.Second, silence: 15 * time.Second, write: 20 * time.Second, decide: 3 * time.Second}

// tail is one watched result.
type tail struct {
	s       *Server
	pace    pace
	who     actor
	w       http.ResponseWriter
	control *http.ResponseController
	where   query.Expr

	place   uint64    // of HostChanges, up to which the watcher has heard
	left    float64   // how many hosts it may be told of now
	counted time.Time // when left was last filled up
	total   int       // as last told
	toldAt  time.Time // when total was last looked at
	stirred bool      // something has changed since
	hold    time.Time // until then it does not look, though something may have changed
	spoke   time.Time // when something was last written
}

// watchHosts tells of every change to the result of a search until the other side goes, its login ends or
// the server stops.
func (s *Server) watchHosts(w http.ResponseWriter, r *http.Request, q asked) error {
	x, err := where("query.q", q.text("q"))
	if err != nil {
		return err
	}
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return fault.New(fault.Busy, "watch hosts", "%d results are watched already, which is the most: try again later", cap(s.watchers))
	}
	t := &tail{
		s: s, pace: s.pace, who: actorOf(r.Context()), w: w, control: http.NewResponseController(w), where: x,
		left: maxChanges, counted: time.Now(),
	}
	_, t.place, _ = s.c.Directory.HostChanges(0, 0)
	first, err := t.count(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // for proxies that would keep it back
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	t.total = first
	if err := t.send(t.totalEvent(nil)); err == nil {
		err = t.run(ctx)
		if err != nil && ctx.Err() == nil {
			s.c.Log.Warn("a watched search broke off", "request", requestID(ctx), "err", err)
			_ = t.send(event(nil, "reset", schema.WatchReset{Reason: "this server cannot follow the search now: ask again"}))
		}
	}
	return nil
}

// run tells what changes until ctx or the login ends, or nothing more can be written.
func (t *tail) run(ctx context.Context) error {
	for {
		seen := t.s.c.Store.Version() // from before looking, so that nothing falls in between
		if !t.s.stillIn(t.who) {
			return nil
		}
		b, err := t.look(ctx)
		if fault.Is(err, fault.Busy) { // who is busy now may not be in the next round
			t.hold, err = time.Now().Add(t.pace.total), nil
		}
		if err != nil {
			return err
		}
		if b, err = t.totals(ctx, b); err != nil && !fault.Is(err, fault.Busy) {
			return err
		}
		if len(b) == 0 && time.Since(t.spoke) >= t.pace.silence {
			b = append(b, ":\n\n"...)
		}
		if len(b) > 0 {
			if err := t.send(b); err != nil {
				return nil // the other side is gone
			}
		}
		if err := t.rest(ctx, seen); err != nil {
			return nil
		}
	}
}

// rest waits until there may be something to tell.
func (t *tail) rest(ctx context.Context, seen uint64) error {
	least := time.NewTimer(t.pace.coalesce)
	defer least.Stop()
	select {
	case <-least.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	until := t.spoke.Add(t.pace.silence)
	if next := t.toldAt.Add(t.pace.silence); next.Before(until) {
		until = next
	}
	if next := t.toldAt.Add(t.pace.total); t.stirred && next.Before(until) {
		until = next
	}
	if t.hold.After(time.Now()) && t.hold.Before(until) {
		until = t.hold
	}
	wait, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if _, err := t.s.c.Store.Wait(wait, seen); err != nil && wait.Err() == nil {
		return err
	}
	return ctx.Err()
}

// look returns the events of the hosts that changed since the last look.
func (t *tail) look(ctx context.Context) ([]byte, error) {
	now := time.Now()
	if now.Before(t.hold) {
		return nil, nil
	}
	t.left = min(maxChanges, t.left+now.Sub(t.counted).Seconds()*maxChanges)
	t.counted = now
	may := int(t.left)
	ids, upto, lost := t.s.c.Directory.HostChanges(t.place, may+1)
	if lost || len(ids) > may {
		_, t.place, _ = t.s.c.Directory.HostChanges(0, 0)
		t.left, t.hold, t.stirred = maxChanges, now.Add(t.pace.total), true
		return event(nil, "reset", schema.WatchReset{Reason: "more changed than can be told one by one: read the result anew"}), nil
	}
	if len(ids) == 0 {
		t.place = upto
		return nil, nil
	}
	hosts, err := t.s.hostsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	by, err := t.s.placesFor(hosts)
	if err != nil {
		return nil, err
	}
	t.place, t.left, t.stirred = upto, t.left-float64(len(ids)), true
	env := query.Env{Now: t.s.now(), Site: func(id model.SiteID) model.Site { return placeOf(by, id).Site }}
	there := make(map[model.HostID]*model.Host, len(hosts))
	for i := range hosts {
		there[hosts[i].ID] = &hosts[i]
	}
	why, d := reasons{s: t.s}, new(dates)
	var b []byte
	for _, id := range ids {
		h := there[id]
		if h == nil || !query.Match(t.where, h, env) {
			b = event(b, "leave", schema.WatchLeave{ID: id.String()})
			continue
		}
		p := placeOf(by, h.Site)
		b = append(b, "event: change\ndata: {\"host\":"...)
		b = append(d.appendHost(b, h, p, why.of(h.Status, p)), "}\n\n"...)
	}
	return b, nil
}

// hostsByID returns those of the hosts that there are, as they are shown.
func (s *Server) hostsByID(ctx context.Context, ids []model.HostID) ([]model.Host, error) {
	var x query.Expr = isHost(ids[0])
	if len(ids) > 1 {
		or := make(query.Or, 0, len(ids))
		for _, id := range ids {
			or = append(or, isHost(id))
		}
		x = or
	}
	page, err := s.find(ctx, query.Search{Where: x, Limit: query.MaxPage, Now: s.now()})
	return page.Hosts, err
}

// totals appends the total to b where it is time for it and it is another one than before.
func (t *tail) totals(ctx context.Context, b []byte) ([]byte, error) {
	age := time.Since(t.toldAt)
	if age < t.pace.total || !t.stirred && age < t.pace.silence {
		return b, nil
	}
	n, err := t.count(ctx)
	if err != nil {
		return b, err
	}
	if n == t.total {
		return b, nil
	}
	t.total = n
	return t.totalEvent(b), nil
}

func (t *tail) totalEvent(b []byte) []byte {
	return event(b, "total", schema.WatchTotal{Total: t.total, AsOf: t.s.c.Now().UTC().Truncate(time.Millisecond)})
}

// count counts the result, and remembers that it did.
func (t *tail) count(ctx context.Context) (int, error) {
	t.toldAt, t.stirred = time.Now(), false
	return within(ctx, budget, func(ctx context.Context) (int, error) {
		return t.s.c.Directory.Count(ctx, t.where, t.s.now())
	})
}

// send writes events through to the other side.
func (t *tail) send(b []byte) error {
	t.spoke = time.Now()
	_ = t.control.SetWriteDeadline(t.spoke.Add(t.pace.write)) // a recorder in a test has none
	if _, err := t.w.Write(b); err != nil {
		return err
	}
	return t.control.Flush()
}

// event appends one event of a stream (the HTML standard, 9.2.6).
func event(b []byte, name string, data any) []byte {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // the types are above
	}
	b = append(append(b, "event: "...), name...)
	return append(append(append(b, "\ndata: "...), raw...), "\n\n"...)
}
