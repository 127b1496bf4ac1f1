package api

import (
	"strconv"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func TestDispatchResolvesItsTargets(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostUp)
	r.site(oslo, "oslo")
	for name, c := range map[string]struct {
		body   schema.Dispatch
		status int
		kind   fault.Kind
		says   string
	}{
		"no such kind":     {schema.Dispatch{Kind: "rm -rf", Site: "berlin", Hosts: []string{"*"}}, 422, fault.Invalid, "kind: "},
		"nobody":           {schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{}}, 400, fault.Invalid, "no hosts are named"},
		"no such host":     {schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"berlin-a", "x1", "x2"}}, 404, fault.NotFound, "no host x1, x2"},
		"another's host":   {schema.Dispatch{Kind: "ping", Site: "oslo", Hosts: []string{"berlin-a"}}, 404, fault.NotFound, "site oslo has no host berlin-a"},
		"a site of none":   {schema.Dispatch{Kind: "ping", Site: "oslo", Hosts: []string{"*"}}, 400, fault.Invalid, "nobody"},
		"all and one":      {schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"*", "berlin-a"}}, 400, fault.Invalid, "cannot be mixed"},
		"no such site":     {schema.Dispatch{Kind: "ping", Site: "rome", Hosts: []string{"*"}}, 404, fault.NotFound, `"rome"`},
		"an id that is no": {schema.Dispatch{ID: "7", Kind: "ping", Site: "berlin", Hosts: []string{"*"}}, 400, fault.Invalid, "is not an id"},
		"no time at all":   {schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"*"}, TTL: "1ms"}, 400, fault.Invalid, "ttl"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{T: t, mem: r.mem, server: r.server}
			r.refused(r.do("POST", "/api/v1/commands", c.body), c.status, c.kind, c.says)
		})
	}
	dry := read[schema.Command](r, r.do("POST", "/api/v1/commands", schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"*"}, DryRun: true}), 200)
	if dry.TaskN["queued"] != 2 || len(dry.Tasks) != 2 || len(r.mem.commands) != 0 {
		t.Errorf("a dry run: %+v, %d commands", dry, len(r.mem.commands))
	}
	body := schema.Dispatch{
		ID: "0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69", Kind: "ping", Site: berlin.String(),
		Hosts: []string{"BERLIN-B", hostID(berlin, 0).String(), "berlin-b"}, TTL: "1h",
	}
	for range 2 {
		c := read[schema.Command](r, r.do("POST", "/api/v1/commands", body), 201)
		if c.ID != body.ID || c.State != "queued" || c.TaskN["queued"] != 2 || c.Actor != "local:0" || !c.ExpiresAt.Equal(noon.Add(time.Hour)) {
			t.Errorf("%+v", c)
		}
	}
	if len(r.mem.commands) != 1 {
		t.Errorf("asked twice, dispatched %d times", len(r.mem.commands))
	}
	if list := read[schema.Commands](r, r.do("GET", "/api/v1/commands", nil), 200); len(list.Commands) != 1 || list.Commands[0].Site != "berlin" {
		t.Errorf("%+v", list)
	}
}

func TestCommandIsWaitedFor(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostUp)
	c := read[schema.Command](r, r.do("POST", "/api/v1/commands", schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"*"}, TTL: "1h"}), 201)
	id, err := model.ParseCommandID(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/commands/" + c.ID
	if same := read[schema.Command](r, r.do("GET", path+"?wait=1ms&after=1", nil), 200); same.Version != c.Version {
		t.Errorf("nothing happened and the version is %d, not %d", same.Version, c.Version)
	}
	moves := []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded}
	seen := c.Version
	for task := range 2 {
		for _, to := range moves {
			answered := make(chan schema.Command)
			go func() {
				defer close(answered)
				answered <- read[schema.Command](r, r.do("GET", path+"?wait=30s&after="+itoa(seen), nil), 200)
			}()
			r.mem.edit(func() {}) // a commit that has nothing to do with the command must not answer
			r.mem.move(id, task, to, model.TimeOf(noon))
			got := <-answered
			if got.Version <= seen {
				t.Fatalf("task %d to %s: version %d after %d", task, to, got.Version, seen)
			}
			seen = got.Version
		}
	}
	// A command that has ended is answered at once: there is nothing left to wait for.
	end := read[schema.Command](r, r.do("GET", path+"?wait=60s&after="+itoa(seen), nil), 200)
	if end.State != "succeeded" || len(end.Tasks) != 2 || len(end.Tasks[0].History) != 4 || end.Overdue {
		t.Errorf("%+v", end)
	}
	r.refused(r.do("GET", path+"?wait=1h", nil), 400, fault.Invalid, "wait")
	r.refused(r.do("GET", "/api/v1/commands/0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69", nil), 404, fault.NotFound, "no command")
}

func TestOverdueIsSaid(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	c := read[schema.Command](r, r.do("POST", "/api/v1/commands", schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"*"}, TTL: "1m"}), 201)
	r.pass(2 * time.Minute)
	if got := read[schema.Command](r, r.do("GET", "/api/v1/commands/"+c.ID, nil), 200); !got.Overdue || got.State != "queued" {
		t.Errorf("%+v", got)
	}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// TestHostNameOfSeveral: a name that several hosts have picks none of them, and the refusal says which
// there are.
func TestHostNameOfSeveral(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostUp, model.HostUp)
	for i := range 2 {
		h := r.mem.hosts[hostID(berlin, i)]
		h.Hostname = "twin"
		r.mem.hosts[h.ID] = h
	}
	body := schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: []string{"twin"}}
	r.refused(r.do("POST", "/api/v1/commands", body), 409, fault.Conflict,
		`2 hosts of site berlin are named "twin": give the id of one: `+hostID(berlin, 0).String()+", "+hostID(berlin, 1).String())
}
