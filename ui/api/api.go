// Package api is the public HTTP interface of a Skerry server: the operations under /api/v1 with
// their OpenAPI document, authentication, and the embedded page.
//
// It owns the mapping between engine/model and ui/schema, who may ask what, and the shape of every
// error. It never touches a store: it reads through the View interfaces, writes through Proposer,
// and asks sites through Asker, all of which the roots supply. It is the only importer of Echo, and
// keeps its handlers free of it (they are huma operations), so that a change of router is a change
// of this file.
package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
	"github.com/skerryhq/skerry/ui/web"
)

// Config is what a server's interface is built from. Every field without a stated default is
// required for the role it is for.
type Config struct {
	Role    model.Role
	Name    string // the configured name, shown until the store has an identity
	Version string
	URL     string // where members find this server, as in https://hq.example.com:8443
	Data    string // the data folder: spooled bundles (Data/spool) and signing keys (Data/keys) go there

	Store    Store
	Proposer Proposer
	Links    Links  // links of the tier below: sites at a controller, agents at a site
	Tokens   Tokens // nil: this server cannot enroll members now
	// Cut ends the link of a member, which is told why, and forgets what was judged of a host with that id that is no more;
	// nil: nobody has a link.
	Cut func(id model.NodeID, why error)

	Asker     Asker                 // controller only
	Uplink    func() *schema.Uplink // site only: its link to the controller
	Directory Directory             // answers searches
	// Check reads the whole store and reports whether its indexes are what its rows say; nil: not here.
	Check func(context.Context) (schema.StorageReport, error)
	// Detail is what a site holds of one host (site only). It fails with NotFound for an unknown one.
	Detail func(ctx context.Context, host model.HostID) (model.HostDetail, error)
	// Answer answers a question about a host by its route, as the link does (site only). The answer is of the type
	// that model says beside the route.
	Answer func(ctx context.Context, route string, params map[string]string) (any, error)
	// Asked is told of each question that was put to a site, or to several of them, for the audit record (controller
	// only); nil: nobody writes it down.
	Asked func(context.Context, Asked)
	// Alerts is a page of a site's alerts (site only); nil: it is not enrolled.
	Alerts func(context.Context, model.AlertFilter) (model.AlertPage, error)
	// Results judges hosts of a site by one of its policies (site only); nil: it is not enrolled.
	Results func(context.Context, model.PolicyQuestion) (model.PolicyResults, error)
	// Sources are what this server fetches advisories from; nil: nothing.
	Sources Sources
	Keys    Keyring         // nil: the folder Data/keys
	Upper   Upper           // site only: enrolls this site; nil: not possible while running
	Clock   Clock           // site only; nil: this server goes by its machine's
	Ready   func() []string // why this server is not ready; nil: it is ready once it serves

	// Node is this very server among those of its group; zero: it is alone.
	Node model.NodeID
	// Federation is what goes for all bundles.
	Federation Federation
	// Controller is the controller of this site, whose bundles are always allowed; zero: there is none.
	Controller model.NodeID

	// Room is an error of kind Full where the disk has no room for so many bytes more; nil: nobody looks.
	Room func(bytes int64) error

	// Damaged says which of the stores is damaged, and what to do. Nothing is changed then; and where Store is nil, because
	// it is the rows that are damaged, nothing but that is answered. nil: all is well.
	Damaged error

	// Group is the controller group that this server is a node of; nil: there is none.
	Group Group
	// Fresh returns when the rows here hold everything that was acknowledged anywhere before the call. It is called
	// before an operation reads, must end by itself within seconds, and is to cost next to nothing where nobody
	// need be asked. nil: the rows always do.
	Fresh func(context.Context) error
	// Age is how old the rows here may be; nil: answers do not say.
	Age func() time.Duration
	// Metrics answers GET /metrics; nil: nothing does. See metricsAllowed for who may ask.
	Metrics http.Handler
	// MetricsToken lets in whoever has it to Metrics, and to nothing else; "": nobody has it.
	MetricsToken string
	// Observe is told of every answer: the operation, by one of a fixed set of names, the status, and how long it
	// took. It must not block. nil: nobody is told.
	Observe func(route string, status int, took time.Duration)

	Now  func() time.Time // default time.Now
	Rand io.Reader        // default crypto/rand.Reader
	Log  *slog.Logger     // default: nothing is logged
}

// Server is the interface as an http.Handler. Build it with New.
type Server struct {
	c         Config
	handler   http.Handler
	api       huma.API
	logins    *limiter
	hashing   chan struct{}               // a slot for each password being hashed
	writing   chan struct{}               // held by the one ingest or import at a time
	runBytes  int                         // see maxRun; tests have less
	checking  chan struct{}               // held by the one check of the store at a time
	watchers  chan struct{}               // a slot for each result that is watched
	exports   chan struct{}               // a slot for each export of hosts
	backups   chan struct{}               // held by the one backup at a time
	direct    map[string]http.HandlerFunc // by path: the operations of raw
	named     map[string]string           // by method and path as the router has it: what metrics call an operation
	namedRaw  map[string]string           // the same by path, of the operations of raw
	sessions  sessions
	sitesRead places
	siteList  siteList
	marks     marks
	readings  readings
	pace      pace
	sets      sets
	catalog   catalog
	ending    context.Context // ends when the server is asked to stop
	end       context.CancelFunc
	conns     int // see maxConns
	started   time.Time
}

// New builds the interface. It starts nothing: see Serve and ServeSocket.
func New(c Config) *Server {
	c = c.withDefaults()
	s := &Server{
		c:        c,
		logins:   newLimiter(c.Now),
		hashing:  make(chan struct{}, 2),
		writing:  make(chan struct{}, 1),
		runBytes: maxRun,
		checking: make(chan struct{}, 1),
		watchers: make(chan struct{}, maxWatchers),
		exports:  make(chan struct{}, maxExports),
		backups:  make(chan struct{}, 1),
		direct:   map[string]http.HandlerFunc{},
		named:    map[string]string{},
		namedRaw: map[string]string{},
		pace:     usualPace,
		conns:    maxConns,
		started:  c.Now(),
	}
	s.sessions.strict = c.Fresh != nil
	s.ending, s.end = context.WithCancel(context.Background())
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = s.routeError
	e.Use(s.routed)
	s.api = humaecho.New(e, humaConfig(c.Version))
	s.routes()
	// huma registers its own error type, which never leaves this server.
	delete(s.api.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	delete(s.api.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
	files, built := web.FS()
	e.GET("/healthz", echo.WrapHandler(http.HandlerFunc(s.healthz)))
	e.GET("/readyz", echo.WrapHandler(http.HandlerFunc(s.readyz)))
	e.GET("/metrics", echo.WrapHandler(http.HandlerFunc(s.metrics)))
	e.Any("/*", echo.WrapHandler(newPage(files, built, c)))
	s.handler = s.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := s.direct[r.URL.Path]; h != nil && r.Method == http.MethodGet {
			exchangeOf(r.Context()).route = s.namedRaw[r.URL.Path]
			h(w, r)
			return
		}
		e.ServeHTTP(w, r)
	}))
	if c.Damaged != nil {
		s.handler = s.safe(s.handler)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// OpenAPI returns the description of the interface as JSON, without any server behind it.
func OpenAPI(version string) ([]byte, error) {
	s := New(Config{Role: model.RoleController, Version: version})
	return json.MarshalIndent(s.api.OpenAPI(), "", "  ")
}

func humaConfig(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Skerry", Version: version,
				Description: "Sites, hosts, advisories and commands of one federation. Errors are RFC 9457 problems.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer"},
					"cookie": {Type: "apiKey", In: "cookie", Name: cookieName},
				},
			},
			Security: []map[string][]string{{"bearer": {}}, {"cookie": {}}},
		},
		OpenAPIPath:                  "/openapi",
		DocsPath:                     "",
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{humaProblem},
	}
}

// routeError answers what the router itself refuses.
func (s *Server) routeError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status := http.StatusInternalServerError
	if he, ok := err.(*echo.HTTPError); ok {
		status = he.Code
	}
	detail := http.StatusText(status)
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		detail = "there is no operation " + c.Request().Method + " " + c.Request().URL.Path + "; /openapi.json lists them"
	}
	newProblem(status, kindOf(status), detail).write(c.Response())
}
