package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// only refuses an operation that belongs to the other role.
func (s *Server) only(role model.Role, what string) error {
	if s.c.Role == role {
		return nil
	}
	return fault.New(fault.Conflict, "", "this server is a %s: %s on a %s", s.c.Role, what, role)
}

func (s *Server) node(ctx context.Context, _ *none) (*out[schema.Node], error) {
	v, done := s.c.Store.View()
	defer done()
	self, _, err := v.Self()
	if err != nil {
		return nil, err
	}
	node := schema.Node{Role: string(s.c.Role), Name: self.Name, Version: s.c.Version, Actor: actorOf(ctx).name, Uplink: s.c.Uplink()}
	if !self.Self.IsZero() {
		node.ID = self.Self.String()
	}
	if node.Name == "" {
		node.Name = s.c.Name
	}
	return &out[schema.Node]{Body: node}, nil
}

func (s *Server) overview(_ context.Context, _ *none) (*out[schema.Overview], error) {
	v, done := s.c.Store.View()
	defer done()
	sites, err := s.sites(v)
	if err != nil {
		return nil, err
	}
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	sum := schema.Overview{
		AsOf: s.c.Now().UTC().Truncate(time.Millisecond), Sites: len(sites), HostsBy: map[string]int64{},
		AdvisoryN: shelf.AdvisoryN, Cursor: s.reaches(shelf).String(),
	}
	for _, site := range sites {
		if site.Link == linkUp || site.Link == linkLate {
			sum.SitesUp++
		}
		sum.Hosts += site.Hosts
		for status, n := range site.HostsBy {
			sum.HostsBy[status] += n
		}
		addAlerts(&sum.Alerts, site.Alerts)
	}
	return &out[schema.Overview]{Body: sum}, nil
}

// reaches is how far the advisories here reach: at a controller by its own log, at a site by what it was
// sent or imported.
func (s *Server) reaches(shelf apply.Shelf) model.Cursor {
	c := shelf.Cursor
	if s.c.Role == model.RoleController {
		return c
	}
	for _, held := range shelf.Imported {
		if c.Compare(held) < 0 {
			c = held
		}
	}
	return c
}

// healthz says that the process answers, and nothing more.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// readyz says whether this server can do its work, and if not, why not.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	reasons := []string{}
	if s.c.Ready != nil {
		reasons = append(reasons, s.c.Ready()...)
	}
	w.Header().Set("Content-Type", "application/json")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
	}{len(reasons) == 0, reasons})
}
