package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/ui/schema"
)

const base = "/api/v1"

// out is an operation's answer.
type out[T any] struct{ Body T }

// none is the input of an operation that takes none, or the answer of one that gives none.
type none struct{}

// routes is the list of all operations.
func (s *Server) routes() {
	op(s, http.MethodPost, "/login", "login", "Open a session", s.login, public)
	op(s, http.MethodPost, "/logout", "logout", "End this session", s.logout)
	op(s, http.MethodGet, "/node", "node", "Which server this is and who is asking", s.node)
	op(s, http.MethodGet, "/node/clock", "clock", "What this site thinks of its machine's clock", s.clock)
	op(s, http.MethodPost, "/node/clock", "accept-clock", "Take the machine's clock for the truth", s.acceptClock)
	op(s, http.MethodGet, "/overview", "overview", "Totals over everything this server knows", s.overview)

	raw(s, "/sites", "list-sites", "All sites", nil, map[string]*huma.MediaType{"application/json": jsonOf[[]schema.Site](s)}, s.listSites)
	op(s, http.MethodPost, "/sites", "enroll-site", "Add a site and make its one-time token", s.enrollSite)
	op(s, http.MethodGet, "/sites/{site}", "get-site", "One site, by id or name", s.getSite)
	op(s, http.MethodPatch, "/sites/{site}", "change-site", "Change where a site is", s.changeSite)
	op(s, http.MethodGet, "/sites/{site}/trend", "site-trend", "How the sums of a site, or of all, came to be", s.siteTrend)
	op(s, http.MethodPost, "/sites/{site}/token", "regenerate-site-token", "Void a pending site's token and make another", s.regenerateToken)

	s.directoryRoutes()
	op(s, http.MethodGet, "/hosts/{host}", "get-host", "One host, by id or unique host name", s.getHost)
	op(s, http.MethodGet, "/hosts/{host}/detail", "get-host-detail", "What only the host's site holds, asked of that site", s.hostDetail)

	s.drillRoutes()
	s.fleetRoutes()

	s.exposureRoutes()
	s.advisoryRoutes()

	s.sourceRoutes()
	s.keyRoutes()
	s.federationRoutes()
	s.eventRoutes()

	op(s, http.MethodPost, "/commands", "dispatch-command", "Dispatch a command to hosts of one site", s.dispatch)
	op(s, http.MethodGet, "/commands", "list-commands", "Commands, newest first", s.listCommands)
	op(s, http.MethodGet, "/commands/{id}", "get-command", "One command with its tasks; with wait, answered at its next move", s.getCommand)

	op(s, http.MethodGet, "/agents", "list-agents", "The agents of this site", s.listAgents)
	op(s, http.MethodPost, "/agents", "enroll-agent", "Add an agent and make its one-time token", s.enrollAgent)
	op(s, http.MethodPost, "/agents/{agent}/token", "regenerate-agent-token", "Void a pending agent's token and make another", s.regenerateAgentToken)

	s.memberRoutes()
	s.clusterRoutes()
	s.alertRoutes()
	s.policyRoutes()

	op(s, http.MethodGet, "/audit", "list-audit", "The audit record, newest first", s.listAudit)
	op(s, http.MethodGet, "/accounts", "list-accounts", "Who may log in", s.listAccounts)
	op(s, http.MethodPost, "/accounts", "put-account", "Add an account or change its password", s.putAccount)
	op(s, http.MethodPost, "/accounts/{name}/disable", "disable-account", "Let nobody log in with an account, and end its logins", s.disableAccount)
	op(s, http.MethodPost, "/accounts/{name}/enable", "enable-account", "Let somebody log in with an account again", s.enableAccount)
	op(s, http.MethodDelete, "/accounts/{name}", "remove-account", "Remove an account for good, and end its logins; the last one that may log in stays", s.removeAccount)
}

// directoryRoutes is the operations on all hosts at once.
func (s *Server) directoryRoutes() {
	page := map[string]*huma.MediaType{"application/json": jsonOf[schema.Hosts](s)}
	raw(s, "/hosts", "list-hosts", "One page of the hosts that a search finds", hostsParams(), page, s.listHosts)
	facets := map[string]*huma.MediaType{"application/json": jsonOf[schema.Facets](s)}
	raw(s, "/hosts/facets", "host-facets", "How many of the hosts that a search finds have which value", facetsParams(), facets, s.hostFacets)
	op(s, http.MethodGet, "/hosts/group", "group-hosts", "How many of the hosts that a search finds have which pair of values", s.groupHosts)
	op(s, http.MethodGet, "/hosts/complete", "complete-search", "What may stand at a place of a search", s.completeSearch)
	raw(s, "/hosts/export", "export-hosts", "Every host that a search finds, as a stream; a transfer without a proper end is not the whole", []param{
		{name: "q", doc: docQuery},
		{name: "sort", doc: docSort},
		{name: "format", doc: "absent: ndjson. In csv a text that a spreadsheet would take for a formula has an apostrophe in front", words: []string{"ndjson", "csv"}},
		{name: "columns", doc: "with commas between them, out of: " + schema.ColumnNames() + "; absent: all"},
	}, map[string]*huma.MediaType{ndjson: jsonOf[schema.Host](s), "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}}, s.exportHosts)
	events := &huma.Schema{OneOf: []*huma.Schema{
		jsonOf[schema.WatchChange](s).Schema, jsonOf[schema.WatchLeave](s).Schema,
		jsonOf[schema.WatchTotal](s).Schema, jsonOf[schema.WatchReset](s).Schema,
	}}
	raw(s, "/hosts/watch", "watch-hosts", "Changes to what a search finds, as server-sent events: change, leave, total, reset", []param{
		{name: "q", doc: docQuery},
	}, map[string]*huma.MediaType{"text/event-stream": {Schema: events}}, s.watchHosts)
	op(s, http.MethodGet, "/fields", "list-fields", "What searches can be about", s.listFields)
	op(s, http.MethodGet, "/searches", "list-searches", "Searches that were saved, by name", s.listSearches)
	op(s, http.MethodGet, "/searches/{name}", "get-search", "One saved search", s.getSearch)
	op(s, http.MethodPut, "/searches/{name}", "put-search", "Save a search under a name, or another one in its place", s.putSearch)
	op(s, http.MethodDelete, "/searches/{name}", "drop-search", "Forget a saved search", s.dropSearch)
	op(s, http.MethodPost, "/storage/check", "check-storage", "Hold the store's indexes against its rows; it may take minutes", s.checkStorage)
}

// op registers one operation; its errors become problems.
func op[I, O any](s *Server, method, path, id, summary string, h func(context.Context, *I) (*O, error), opts ...func(*huma.Operation)) {
	o := s.operation(method, path, id, summary)
	for _, f := range opts {
		f(&o)
	}
	huma.Register(s.api, o, func(ctx context.Context, in *I) (*O, error) {
		answer, err := h(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return answer, nil
	})
}

// operation is what is the same of every operation.
func (s *Server) operation(method, path, id, summary string) huma.Operation {
	problem := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[schema.Problem](), true, "Problem")
	s.name(method, base+path)
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Summary: summary,
		MaxBodyBytes: maxJSON, Parameters: common(method),
		Responses: map[string]*huma.Response{"default": {
			Description: "The operation failed; the body says why",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}},
	}
}

// common is what every operation of that method may be sent.
func common(method string) []*huma.Param {
	if method == http.MethodGet {
		return []*huma.Param{{
			Name: consistency, In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{stale}},
			Description: "stale: answer with what this node of a group of controllers has, as old as the header " + ageHeader +
				" says; absent: with everything that was acknowledged anywhere in the group before",
		}}
	}
	most, least := maxKey, 1
	return []*huma.Param{{
		Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
		Description: "sent again with the same key and body, to whichever node of a group of controllers, the request is carried out once",
	}}
}

// public documents an operation that needs no session (see open).
func public(o *huma.Operation) { o.Security = []map[string][]string{} }

// takes documents a request body that is streamed and not JSON.
func takes(contentType string) func(*huma.Operation) {
	return func(o *huma.Operation) {
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			contentType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}
	}
}

// gives documents an answer that is not JSON.
func gives(contentType string) func(*huma.Operation) {
	return func(o *huma.Operation) {
		o.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
			contentType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}
	}
}
