// Package peer carries questions and streams between the nodes of one controller group.
//
// A Mesh keeps one session to each address that is called, dials it when it is needed and lets it go
// when it breaks; it serves the sessions that others opened. It owns the frames on a stream (DESIGN.md has
// the bytes), their bounds, and the beats by which a dead session is noticed. It never decides who may
// connect (whoever gives it sessions does), never repeats a call that may have been heard, and knows no
// route's meaning.
package peer

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/skerryhq/skerry/engine/fault"
)

// Bounds.
const (
	MaxBody  = 20 << 20 // bytes of a question's body, and of an answer
	MaxRoute = 64       // bytes of a route

	// DefaultTimeout bounds a call whose context has no deadline.
	DefaultTimeout = 30 * time.Second

	maxServed = 256              // questions and streams of one session that are served at once
	maxHeld   = 128 << 20        // bytes of large bodies that are held at once, over all sessions
	largeBody = 64 << 10         // from which a body counts towards maxHeld
	headTime  = 10 * time.Second // for the head of a question to arrive, once its stream is open
	stallTime = 30 * time.Second // a piece that cannot be written for so long ends its stream
	dialTime  = 5 * time.Second
	// A dial that failed is not tried again for this long: whoever calls in a loop is told the same.
	dialPause = 100 * time.Millisecond

	beatEvery   = time.Second
	silenceTime = 4 * time.Second // without a byte from the other end, a session is dead
)

// Session is an authenticated connection with many streams; sync/link has one. Close ends every stream.
type Session interface {
	Open(ctx context.Context) (net.Conn, error)
	Accept(ctx context.Context) (net.Conn, error)
	// Done is closed when the session has ended.
	Done() <-chan struct{}
	Close() error
}

// Handler answers a question of the node from. Its error reaches the asker with its kind and text. ctx
// ends when the asker gives up, its time is over, or its session ends.
type Handler func(ctx context.Context, from string, body []byte) ([]byte, error)

// Streamer serves a stream that the node from opened with body. What it returns ends the stream: nil is
// the proper end, and an error reaches the other side, behind what was written, with its kind and text. s
// reads io.EOF only where the other side ended what it sends properly; everything else is an error. ctx ends with
// the session, and where the other side leaves before anything of it was read. s is not to be used afterwards.
type Streamer func(ctx context.Context, from string, body []byte, s net.Conn) error

// Config is what New needs.
type Config struct {
	// Self is this node's id, told to those it calls for their log.
	Self string
	// Dial opens a session to the node at addr, and has made sure that it is one of the group.
	Dial func(ctx context.Context, addr string) (Session, error)
	Log  *slog.Logger // nil: nothing is logged
}

// Mesh is this node's end of all sessions. Its methods may be called from many goroutines.
type Mesh struct {
	conf   Config
	log    *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // of the goroutines of the sessions that this end dialled
	held   *semaphore.Weighted

	routes  map[string]route // not changed once a session is served
	beat    time.Duration
	silence time.Duration
	stall   time.Duration

	mu    sync.Mutex // guards closed and lanes
	ended bool
	lanes map[string]*lane
}

type route struct {
	handle Handler
	stream Streamer
}

// New makes a Mesh; register what it serves before the first Serve or Call.
func New(c Config) *Mesh {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Mesh{
		conf: c, log: c.Log, ctx: ctx, cancel: cancel, held: semaphore.NewWeighted(maxHeld),
		routes: map[string]route{}, beat: beatEvery, silence: silenceTime, stall: stallTime, lanes: map[string]*lane{},
	}
}

// Handle registers h for a route, or, where the name ends with "/", for all routes that begin with it and
// that no longer name is registered for; Route tells h which one it is. It panics for a name that is
// taken or cannot be a route.
func (m *Mesh) Handle(name string, h Handler) { m.register(name, route{handle: h}) }

// HandleStream is Handle for streams. A name is for questions or for streams.
func (m *Mesh) HandleStream(name string, h Streamer) { m.register(name, route{stream: h}) }

func (m *Mesh) register(name string, r route) {
	if _, taken := m.routes[name]; taken || !goodRoute(name) {
		panic("peer: the route " + name + " cannot be registered")
	}
	m.routes[name] = r
}

// find returns what serves a route: the longest name that fits.
func (m *Mesh) find(name string) (route, bool) {
	if r, ok := m.routes[name]; ok && !strings.HasSuffix(name, "/") {
		return r, true
	}
	for i := len(name); i > 0; i-- {
		if name[i-1] == '/' && i < len(name) {
			if r, ok := m.routes[name[:i]]; ok {
				return r, true
			}
		}
	}
	return route{}, false
}

// goodRoute accepts what can be read in a log: small letters, digits, and . _ - /.
func goodRoute(name string) bool {
	return name != "" && len(name) <= MaxRoute && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' || r == '/')
	})
}

type routeKey struct{}

// Route returns the route that a Handler or Streamer was called for.
func Route(ctx context.Context) string {
	name, _ := ctx.Value(routeKey{}).(string)
	return name
}

var errClosed = fault.New(fault.Unreachable, "", "this node is stopping")

// Close ends every session and stream, those that are served as well, and waits until this end's own
// goroutines have ended. Calls under way fail.
func (m *Mesh) Close() error {
	m.cancel(errClosed)
	m.mu.Lock()
	m.ended = true
	var live []*live
	for _, l := range m.lanes {
		if s := l.drop(nil); s != nil {
			live = append(live, s)
		}
	}
	m.mu.Unlock()
	for _, s := range live {
		_ = s.session.Close()
	}
	m.wg.Wait()
	return nil
}
