package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// The same question is answered by the site itself and, over the link, at its controller.
func TestDrillAtBothTiers(t *testing.T) {
	id := hostID(berlin, 0)
	top := model.Answered{Host: id, At: model.TimeOf(noon), AsOf: model.TimeOf(noon), Digest: "d", Total: 9, Next: "d.3"}
	one := 1
	command := model.CommandID{15: 7}
	answers := map[string]any{
		model.RouteHostPackages:     model.HostPackages{Answered: top, OS: model.OS{Name: "Debian"}, Packages: []model.Package{{Manager: "dpkg", Name: "bash", Version: "5"}}},
		model.RouteHostCertificates: model.HostCertificates{Answered: top, Certificates: []model.Certificate{{Path: "/a", IssuedBy: "ff"}}},
		model.RouteHostFacts:        model.HostFacts{Answered: top, Facts: model.OSFacts{TimeZone: "UTC", Mounts: []model.Mount{{Target: "/", SizeMB: 5}}}},
		model.RouteHostHistory:      model.HostHistory{Answered: top, Kind: "packages", Versions: []model.Version{{N: 2, Added: &one, Current: true}, {N: 1}}},
		model.RouteHostOutput:       model.HostOutput{Answered: top, Command: command, Text: "hello", Size: 99},
	}
	diff := model.HostDiff{Answered: top, Kind: "packages", From: model.Version{N: 1}, To: model.Version{N: 2}, Packages: &model.PackagesDiff{
		OSFrom: &model.OS{Name: "12"}, OSTo: &model.OS{Name: "13"}, Changed: []model.PackageChange{{Name: "bash", From: "4", To: "5"}, {Name: "sed", From: "4", To: "3", Change: model.PackageDowngraded}},
		Added: []model.Package{{Name: "new"}}, Removed: []model.Package{{Name: "old"}},
	}}
	var asked []string
	ask := func(_ context.Context, route string, params map[string]string) (any, error) {
		asked = append(asked, fmt.Sprintf("%s %s %s", route, params[model.ParamCursor], params[model.ParamLimit]))
		if params[model.ParamFrom] != "" {
			return diff, nil
		}
		return answers[route], nil
	}
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		t.Run(string(role), func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				if c.Role = role; role == model.RoleSite {
					c.Asker, c.Answer = nil, ask
				} else {
					c.Asker = askerFunc(ask)
				}
			})
			if role == model.RoleSite {
				r.mem.self = model.Found{Self: model.NodeID(berlin), Role: role, Name: "berlin"}
			}
			r.site(berlin, "berlin", model.HostUp)
			r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
			asked = nil
			p := read[schema.HostPackages](r, r.do("GET", "/api/v1/hosts/berlin-a/packages?cursor=d.0&limit=3", nil), 200)
			if p.HostID != id.String() || p.Hostname != "berlin-a" || p.AnsweredBy != "berlin" || p.Total != 9 || p.Next != "d.3" || p.OS != "Debian" || p.Packages[0].Name != "bash" {
				t.Errorf("%+v", p)
			}
			c := read[schema.HostCertificates](r, r.do("GET", "/api/v1/hosts/"+id.String()+"/certificates", nil), 200)
			if c.Certificates[0].IssuedBy != "ff" {
				t.Errorf("%+v", c)
			}
			f := read[schema.HostFacts](r, r.do("GET", "/api/v1/hosts/berlin-a/facts", nil), 200)
			if f.Facts.TimeZone != "UTC" || f.Facts.Mounts[0].SizeMB != 5 {
				t.Errorf("%+v", f)
			}
			h := read[schema.HostHistory](r, r.do("GET", "/api/v1/hosts/berlin-a/history", nil), 200)
			if len(h.Versions) != 2 || *h.Versions[0].Added != 1 || h.Versions[1].Added != nil || !h.Versions[0].Current || h.Diff != nil {
				t.Errorf("%+v", h)
			}
			h = read[schema.HostHistory](r, r.do("GET", "/api/v1/hosts/berlin-a/history?from=1&to=2", nil), 200)
			if h.Diff == nil || h.Diff.OSTo != "13" || h.Diff.ChangedPackages[0].To != "5" || h.Diff.From.N != 1 {
				t.Errorf("%+v", h)
			}
			o := read[schema.CommandOutput](r, r.do("GET", "/api/v1/commands/"+command.String()+"/output/berlin-a", nil), 200)
			if o.Text != "hello" || o.Size != 99 || o.Command != command.String() {
				t.Errorf("%+v", o)
			}
			if d := h.Diff; d.ChangedPackages[0].Change != "changed" || d.ChangedPackages[1].Change != "downgrade" || d.AddedPackages[0].Change != "install" || d.RemovedPackages[0].Change != "removal" {
				t.Errorf("%+v", d)
			}
			want := "host.packages d.0 3|host.certificates  500|host.facts  |host.history  100|host.history  100|host.output  262144"
			if got := strings.Join(asked, "|"); got != want {
				t.Errorf("asked %s\nwant  %s", got, want)
			}
			r.refused(r.do("GET", "/api/v1/hosts/berlin-a/history?from=1", nil), 400, fault.Invalid, "two versions are wanted")
			r.refused(r.do("GET", "/api/v1/commands/x/output/berlin-a", nil), 400, fault.Invalid, "is not an id")
			r.refused(r.do("GET", "/api/v1/hosts/nobody/facts", nil), 404, fault.NotFound, "no host is named")
			other := answers[model.RouteHostFacts]
			answers[model.RouteHostFacts] = model.HostFacts{Answered: model.Answered{Host: hostID(oslo, 0)}}
			r.refused(r.do("GET", "/api/v1/hosts/berlin-a/facts", nil), 500, fault.Corrupt, "another host")
			answers[model.RouteHostFacts] = other
		})
	}
}

// A site that cannot be reached is said to be so, with what there is instead.
func TestDrillWithoutALink(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.asker.err = fault.New(fault.Unreachable, "", "no link")
	for _, path := range []string{"packages", "certificates", "facts", "history"} {
		r.refused(r.do("GET", "/api/v1/hosts/berlin-a/"+path, nil), 503, fault.Unreachable, "site berlin cannot be reached")
	}
	r.refused(r.do("GET", "/api/v1/commands/"+model.CommandID{15: 7}.String()+"/output/berlin-a", nil), 503, fault.Unreachable, "site berlin cannot be reached")
}

// askerFunc answers as a site would, with JSON.
type askerFunc func(context.Context, string, map[string]string) (any, error)

func (f askerFunc) Ask(ctx context.Context, _ model.NodeID, route string, params map[string]string) ([]byte, error) {
	v, err := f(ctx, route, params)
	if err != nil {
		return nil, err
	}
	return model.Encode(v)
}
