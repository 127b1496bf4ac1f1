package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// fakeGroup is a group of two nodes that notes what it is asked for.
type fakeGroup struct {
	asked  []string
	actors []string
	keys   []model.RequestID
	err    error
	pieces []string // of a backup
	broken error    // after them
}

var nodeA, nodeB = model.NodeID{15: 0xa}.String(), model.NodeID{15: 0xb}.String()

func (g *fakeGroup) note(ctx context.Context, what string) {
	g.asked = append(g.asked, what)
	g.actors = append(g.actors, Actor(ctx))
	g.keys = append(g.keys, model.RequestOf(ctx))
}

func (g *fakeGroup) Status(context.Context) (schema.Cluster, error) {
	lag := uint64(3)
	return schema.Cluster{
		ID: group.String(), Name: "hq", Node: nodeA, SeenBy: nodeA, Leader: nodeA, Term: 7, CommitIndex: 100, AppliedIndex: 100, EntryVersion: 3, Epoch: 1,
		Members: []schema.ClusterMember{
			{ID: nodeA, Name: "a", Address: "10.0.0.1:8443", Voter: true, Leader: true, Reachable: true},
			{ID: nodeB, Name: "b", Address: "10.0.0.2:8443", Reachable: true, LagEntries: &lag},
			{ID: model.NodeID{15: 0xc}.String(), Name: "twin"},
			{ID: model.NodeID{15: 0xd}.String(), Name: "twin"},
		},
	}, nil
}

func (g *fakeGroup) Token(ctx context.Context, name string, ttl time.Duration) (schema.ClusterToken, error) {
	g.note(ctx, "token "+name+" "+ttl.String())
	return schema.ClusterToken{ID: nodeB, Name: name, Token: "skerry1.x", ExpiresAt: noon.Add(ttl), Pin: "00"}, g.err
}

func (g *fakeGroup) Transfer(ctx context.Context, to string) error {
	g.note(ctx, "transfer "+to)
	return g.err
}

func (g *fakeGroup) Remove(ctx context.Context, id string) error {
	g.note(ctx, "remove "+id)
	return g.err
}

func (g *fakeGroup) Backup(ctx context.Context, w io.Writer) error {
	if AsItIs(ctx) {
		g.note(ctx, "backup as it is")
	} else {
		g.note(ctx, "backup")
	}
	for _, p := range g.pieces {
		if _, err := io.WriteString(w, p); err != nil {
			return err
		}
	}
	return errors.Join(g.broken, g.err)
}

func groupRig(t *testing.T) (*rig, *fakeGroup) {
	g := &fakeGroup{}
	return newRig(t, func(c *Config) { c.Group, c.URL = g, "https://hq:8443" }), g
}

func TestClusterStatus(t *testing.T) {
	r, _ := groupRig(t)
	c := read[schema.Cluster](r, r.do("GET", "/api/v1/cluster", nil), 200)
	if c.Leader != nodeA || c.Term != 7 || len(c.Members) != 4 || *c.Members[1].LagEntries != 3 || c.Members[0].LagEntries != nil {
		t.Errorf("%+v", c)
	}
	r.refused(r.as("", "GET", "/api/v1/cluster", nil), 401, fault.Login, "log in")
}

func TestNoGroup(t *testing.T) {
	for role, says := range map[model.Role]string{model.RoleSite: "on a controller", model.RoleController: "without a group"} {
		r := newRig(t, func(c *Config) { c.Role = role })
		for _, ask := range []string{"GET /cluster", "POST /cluster/tokens", "POST /cluster/transfer", "DELETE /cluster/members/x", "GET /cluster/backup"} {
			method, path, _ := strings.Cut(ask, " ")
			var body any
			if method == http.MethodPost {
				body = "{}"
			}
			r.refused(r.do(method, "/api/v1"+path, body), 409, fault.Conflict, says)
		}
	}
}

func TestClusterTokens(t *testing.T) {
	r, g := groupRig(t)
	token := read[schema.ClusterToken](r, r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{Name: "b"}), 201)
	if token.Token != "skerry1.x" || token.URL != "https://hq:8443" || !token.ExpiresAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", token)
	}
	read[schema.ClusterToken](r, r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{TTL: "10m"}, keyHeader, "k"), 201)
	if want := []string{"token b 1h0m0s", "token  10m0s"}; !slices.Equal(g.asked, want) || g.actors[0] != "local:0" {
		t.Errorf("asked %q by %q", g.asked, g.actors)
	}
	if !g.keys[1].IsZero() {
		t.Error("a token was asked for under the id of a request: the second attempt would get one that does not hold")
	}
	r.refused(r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{TTL: "1s"}), 400, fault.Invalid, "ttl")
	r.refused(r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{TTL: "1000h"}), 400, fault.Invalid, "ttl")
	r.refused(r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{Name: "No Name"}), 422, fault.Invalid, "name")
	g.err = fault.New(fault.ReadOnly, "", "no leader")
	r.refused(r.do("POST", "/api/v1/cluster/tokens", schema.ClusterInvite{}), 503, fault.ReadOnly, "no leader")
}

func TestClusterChanges(t *testing.T) {
	r, g := groupRig(t)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/transfer", "{}", "transfer "},
		{"POST", "/transfer", `{"to":"b"}`, "transfer " + nodeB},
		{"POST", "/transfer", `{"to":"` + nodeB + `"}`, "transfer " + nodeB},
		{"DELETE", "/members/b", "", "remove " + nodeB},
		{"DELETE", "/members/" + model.NodeID{15: 0xee}.String(), "", "remove " + model.NodeID{15: 0xee}.String()}, // only invited, perhaps
	} {
		g.asked = nil
		var body any
		if c.body != "" {
			body = c.body
		}
		if w := r.do(c.method, "/api/v1/cluster"+c.path, body, keyHeader, "k"); w.Code != 204 || !slices.Equal(g.asked, []string{c.want}) {
			t.Errorf("%s %s %s: %d %s, asked %q", c.method, c.path, c.body, w.Code, w.Body, g.asked)
		}
	}
	r.refused(r.do("DELETE", "/api/v1/cluster/members/nobody", nil), 404, fault.NotFound, `no node "nobody"`)
	r.refused(r.do("DELETE", "/api/v1/cluster/members/twin", nil), 409, fault.Conflict, "2 nodes are named")

	var done []string
	for _, n := range r.mem.audit {
		done = append(done, n.Action)
	}
	if want := []string{"controller.transfer", "controller.transfer", "controller.transfer"}; !slices.Equal(done, want) {
		t.Errorf("audited %q, want %q: of a removal the group itself sees to that", done, want)
	}
	g.err = fault.New(fault.Conflict, "", "b is the last voter")
	r.refused(r.do("DELETE", "/api/v1/cluster/members/b", nil), 409, fault.Conflict, "last voter")
	last := r.mem.audit[len(r.mem.audit)-1]
	if last.Action != "controller.remove" || last.OK || last.Object != nodeB || !strings.Contains(last.Reason, "last voter") || last.Actor != "local:0" {
		t.Errorf("the refusal is audited as %+v", last)
	}
}

func TestBackup(t *testing.T) {
	r, g := groupRig(t)
	g.pieces = []string{"one ", "two"}
	w := r.do("GET", "/api/v1/cluster/backup", nil)
	if w.Code != 200 || w.Body.String() != "one two" || w.Header().Get("Content-Type") != octets {
		t.Fatalf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if n := r.mem.audit[0]; n.Action != "cluster.backup" || !n.OK {
		t.Errorf("audited as %+v", n)
	}
	g.pieces, g.broken = nil, fault.New(fault.Full, "", "no room for the checkpoint")
	r.refused(r.do("GET", "/api/v1/cluster/backup", nil), 507, fault.Full, "no room")
	if n := r.mem.audit[1]; n.Action != "cluster.backup" || n.OK {
		t.Errorf("audited as %+v", n)
	}
}

// A part of a backup must not be taken for the whole by whoever reads it over the network.
func TestBackupThatBreaksOffHasNoEnd(t *testing.T) {
	r, g := groupRig(t)
	g.pieces, g.broken = []string{strings.Repeat("x", 100_000)}, errors.New("the disk")
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				r.server.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), actorKey{}, actor{name: "local:0", local: true})))
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			resp, err := server.Client().Get(server.URL + "/api/v1/cluster/backup")
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 || err == nil {
				t.Errorf("status %d, %d bytes, and the reader was told %v", resp.StatusCode, n, err)
			}
		})
	}
}

func TestOneBackupAtATime(t *testing.T) {
	r, _ := groupRig(t)
	r.server.backups <- struct{}{}
	r.refused(r.do("GET", "/api/v1/cluster/backup", nil), 503, fault.Busy, "another backup")
	<-r.server.backups
	if w := r.do("GET", "/api/v1/cluster/backup", nil); w.Code != 200 {
		t.Errorf("status %d afterwards", w.Code)
	}
	if len(r.server.backups) != 0 {
		t.Error("the place of a backup that has ended is not free")
	}
}

// What is done to the group has an audit entry each time, also where requests share a key: the note has an id of its
// own, and takes none from what was done.
func TestNotesOfTheGroupHaveTheirOwnIDs(t *testing.T) {
	g, p := &fakeGroup{}, &remembering{came: map[model.RequestID]error{}}
	r := newRig(t, func(c *Config) { p.memory = c.Proposer.(*memory); c.Proposer, c.Group = p, g })
	ask := func(err error, method, path string, body any) {
		t.Helper()
		g.err = err
		if w := r.do(method, "/api/v1/cluster"+path, body, keyHeader, "k"); (w.Code >= 300) != (err != nil) {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	no := fault.New(fault.Conflict, "", "not now")
	ask(no, "POST", "/transfer", "{}")
	ask(nil, "POST", "/transfer", "{}")
	ask(no, "DELETE", "/members/b", nil)
	ask(no, "DELETE", "/members/b", nil)
	var done []string
	for _, n := range r.mem.audit {
		done = append(done, fmt.Sprintf("%s %v", n.Action, n.OK))
	}
	if want := []string{"controller.transfer false", "controller.transfer true", "controller.remove false", "controller.remove false"}; !slices.Equal(done, want) {
		t.Errorf("audited %q, want %q", done, want)
	}
	for i, id := range append(slices.Clone(p.ids), g.keys...) {
		if !id.IsZero() {
			t.Errorf("proposal or call %d has the id of its request", i)
		}
	}
}

// A node whose group does not answer gives what it has, where that is asked for: the record cannot be written to, and a
// wait for it would cost the backup. Where the group does answer, it is a backup like any other.
func TestBackupOfWhatANodeHas(t *testing.T) {
	f := newFresh(t)
	g := f.server.c.Group.(*fakeGroup)
	g.pieces = []string{"all"}
	f.err = noLeader
	if w := f.do("GET", "/api/v1/cluster/backup", nil); w.Code != 503 || len(g.asked) != 0 {
		t.Errorf("not asked for: %d %s", w.Code, w.Body)
	}
	w := f.do("GET", "/api/v1/cluster/backup?consistency=stale", nil)
	if w.Code != 200 || w.Body.String() != "all" || w.Header().Get(ageHeader) != "1.500" || !slices.Equal(g.asked, []string{"backup as it is"}) || len(f.mem.audit) != 0 {
		t.Errorf("%d %s, age %q, asked %q, audited %+v", w.Code, w.Body, w.Header().Get(ageHeader), g.asked, f.mem.audit)
	}
	g.asked, f.err = nil, nil
	w = f.do("GET", "/api/v1/cluster/backup?consistency=stale", nil)
	if w.Code != 200 || w.Header().Get(ageHeader) != "0.000" || !slices.Equal(g.asked, []string{"backup"}) || len(f.mem.audit) != 1 {
		t.Errorf("%d %s, age %q, asked %q, audited %+v", w.Code, w.Body, w.Header().Get(ageHeader), g.asked, f.mem.audit)
	}
}
