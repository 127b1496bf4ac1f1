package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// demo is one run.
type demo struct {
	*local.Group
	began time.Time
	step  int
	open  bool // a step's line waits for its end
}

// say begins a step; the func it returns ends it.
func (d *demo) say(format string, args ...any) func(format string, args ...any) {
	d.step++
	began := time.Now()
	fmt.Printf("[%d/%d] %s … ", d.step, steps, fmt.Sprintf(format, args...))
	d.open = true
	return func(format string, args ...any) {
		d.open = false
		fmt.Printf("%s (%.1f s)\n", fmt.Sprintf(format, args...), time.Since(began).Seconds())
	}
}

// endLine ends the line of a step that did not come to its end.
func (d *demo) endLine() {
	if d.open {
		fmt.Println("not finished")
		d.open = false
	}
}

// secret writes a secret to a file of its own, so that it stands in no process list.
func (d *demo) secret(name, text string) (string, error) {
	file := filepath.Join(d.Dir, name)
	return file, os.WriteFile(file, []byte(text+"\n"), 0o600)
}

const steps = 9

// patience bounds each wait for something to happen.
const patience = 3 * time.Minute

// fleetHosts is how many hosts the gateway at oslo has, fleetSeed which ones.
const (
	fleetHosts = 5000
	fleetSeed  = 1
)

// show builds the federation step by step and prints what there is to see.
func (d *demo) show(ctx context.Context, advisories string, size size) error {
	addrs, err := local.FreePorts(3)
	if err != nil {
		return err
	}
	hq, berlin, oslo := addrs[0], addrs[1], addrs[2]

	done := d.say("start a controller")
	if _, err := d.Server(ctx, "hq", "controller", hq); err != nil {
		return err
	}
	password := rand.Text()[:16]
	file, err := d.secret("password", password)
	if err != nil {
		return err
	}
	if _, err := d.Run(ctx, "hq", "skerry", "accounts", "add", "admin", "--password-file", file); err != nil {
		return err
	}
	done("%s, a Raft group of one", hq)
	if err := d.simulate(hq, size); err != nil {
		return err
	}

	done = d.say("start two sites and enroll them with one-time tokens")
	for _, s := range []struct{ name, addr, location, lat, lng string }{
		{"berlin", berlin, "Berlin, Germany", "52.52", "13.40"}, {"oslo", oslo, "Oslo, Norway", "59.91", "10.75"},
	} {
		if _, err := d.Server(ctx, s.name, "site", s.addr); err != nil {
			return err
		}
		var t schema.Token
		if err := d.Ask(ctx, "hq", &t, "sites", "enroll", s.name, "--location", s.location, "--lat", s.lat, "--lng", s.lng); err != nil {
			return err
		}
		file, err := d.secret(s.name+".token", t.Token)
		if err != nil {
			return err
		}
		if _, err := d.Run(ctx, s.name, "skerry", "federation", "enroll", "--controller", "https://"+hq, "--token-file", file,
			"--config", filepath.Join(d.Dir, s.name+".yaml")); err != nil {
			return err
		}
	}
	if err := local.Until(ctx, patience, "both sites' links", func() (bool, error) {
		up, err := d.sites(ctx)
		return err == nil && up["berlin"].Link == "up" && up["oslo"].Link == "up", err
	}); err != nil {
		return err
	}
	done("berlin %s, oslo %s", berlin, oslo)

	done = d.say("ingest advisories")
	ingested, name, err := d.ingest(ctx, advisories)
	if err != nil {
		return err
	}
	done("%s records from %s, %d malformed", thousands(ingested.AdvisoryN), name, ingested.MalformedN)

	done = d.say("carry them down the links")
	if err := local.Until(ctx, patience, "the advisories at both sites", func() (bool, error) {
		s, err := d.sites(ctx)
		for _, name := range []string{"berlin", "oslo"} {
			if e := s[name].Exposure; e == nil || e.AdvisoryN != ingested.AdvisoryN {
				return false, err
			}
		}
		return true, nil
	}); err != nil {
		return err
	}
	done("both sites hold all of them")

	done = d.say("run an agent that reports this very machine to berlin")
	var t schema.Token
	if err := d.Ask(ctx, "berlin", &t, "agents", "enroll", "this-machine"); err != nil {
		return err
	}
	data := filepath.Join(d.Dir, "agent")
	if file, err = d.secret("agent.token", t.Token); err != nil {
		return err
	}
	if _, err := d.Run(ctx, "berlin", "skerry-agent", "enroll", "--site", "https://"+berlin, "--token-file", file, "--data", data); err != nil {
		return err
	}
	if _, err := d.Start("agent", "skerry-agent", "run", "--data", data); err != nil {
		return err
	}
	var me schema.Host
	if err := local.Until(ctx, patience, "this machine's findings at the controller", func() (bool, error) {
		err := d.Ask(ctx, "hq", &me, "hosts", "get", t.ID)
		return err == nil && me.AsOf.Exposure != nil, err
	}); err != nil {
		return err
	}
	done("%s, %s packages", me.Hostname, thousands(me.PackageN))

	done = d.say("simulate %s hosts at oslo", thousands(fleetHosts))
	if err := d.Ask(ctx, "oslo", &t, "agents", "enroll", "fleet", "--gateway"); err != nil {
		return err
	}
	if file, err = d.secret("fleet.token", t.Token); err != nil {
		return err
	}
	if _, err := d.Start("fleet", "skerry", "simulate", "--site", "https://"+oslo, "--token-file", file, "--hosts", fmt.Sprint(fleetHosts),
		"--seed", fmt.Sprint(fleetSeed), "--data", filepath.Join(d.Dir, "fleet")); err != nil {
		return err
	}
	if err := local.Until(ctx, patience, "the fleet at the controller", func() (bool, error) {
		s, err := d.sites(ctx)
		return err == nil && s["oslo"].Hosts == fleetHosts, err
	}); err != nil {
		return err
	}
	done("all of them are in the controller's directory")

	done = d.say("match every inventory")
	matched, err := simulate.Inventoried(fleetSeed, fleetHosts)
	if err != nil {
		return err
	}
	var oslos schema.Site
	if err := local.Until(ctx, patience, "the fleet's findings", func() (bool, error) {
		s, err := d.sites(ctx)
		oslos = s["oslo"]
		return err == nil && oslos.Exposure != nil && oslos.Exposure.MatchedHosts == matched, err
	}); err != nil {
		return err
	}
	done("oslo: %s of %s hosts with packages are affected", thousands(oslos.Exposure.AffectedHosts), thousands(matched))

	done = d.say("send a command to this machine")
	state, err := d.command(ctx, me.ID)
	if err != nil {
		return err
	}
	done("inventory.refresh %s", state)

	done = d.say("bring %s simulated sites with %s hosts up", thousands(size.sites), thousands(size.hosts))
	there, err := d.simulated(ctx, size)
	if err != nil {
		return err
	}
	done("the directory has %s hosts", thousands(there))

	d.summary(hq, password, me)
	return nil
}

func (d *demo) sites(ctx context.Context) (map[string]schema.Site, error) {
	var list []schema.Site
	if err := d.Ask(ctx, "hq", &list, "sites", "list"); err != nil {
		return nil, err
	}
	out := map[string]schema.Site{}
	for _, s := range list {
		out[s.Name] = s
	}
	return out, nil
}

// ingest takes the advisories at path, or the sample that ships with the project. Malformed records
// among them are counted and do not end the demo.
func (d *demo) ingest(ctx context.Context, path string) (schema.Ingested, string, error) {
	name := path
	if path == "" {
		path, name = sample, "the shipped sample"
	}
	var in schema.Ingested
	path, err := filepath.Abs(path)
	if err != nil {
		return in, name, err
	}
	r, err := d.CLI(ctx, "hq", "skerry", "advisories", "ingest", path, "-o", "json")
	if err != nil {
		return in, name, err
	}
	if json.Unmarshal([]byte(r.Out), &in) != nil || r.Code != 0 && in.MalformedN == 0 {
		return in, name, fmt.Errorf("ingest %s: exit code %d: %s", name, r.Code, strings.TrimSpace(r.Err))
	}
	return in, name, nil
}

// sample is the shipped sample, from the root of the repository.
const sample = "scripts/sample/data/advisories.tar.zst"

// command dispatches inventory.refresh and waits for its end.
func (d *demo) command(ctx context.Context, host string) (string, error) {
	var c schema.Command
	if err := d.Ask(ctx, "hq", &c, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", host, "--yes"); err != nil {
		return "", err
	}
	err := local.Until(ctx, patience, "the command's end", func() (bool, error) {
		err := d.Ask(ctx, "hq", &c, "commands", "get", c.ID)
		return err == nil && (c.State == "succeeded" || c.State == "failed"), err
	})
	if err != nil {
		return "", err
	}
	if len(c.Tasks) == 1 && c.Tasks[0].Output != "" {
		return c.State + ": " + c.Tasks[0].Output, nil
	}
	return c.State, nil
}

func (d *demo) summary(hq, password string, me schema.Host) {
	e := me.Exposure
	total := e.Critical + e.High + e.Medium + e.Low + e.None + e.Unknown
	fmt.Printf(`
The federation is up after %.0f s.

  Page      https://%s/   (its certificate is the federation's own: the browser asks once)
  Account   admin
  Password  %s

This machine (%s, %s) is exposed to %s CVEs:
%s critical, %s high, %s medium, %s low, %s not rated by any source here.

Commands to try, in another terminal:

  export PATH=%s:$PATH SKERRY_SERVER=%s
  skerry hosts get %s --detail
  skerry exposure list
  skerry commands dispatch ping --site oslo --hosts '*' --yes

Searches to try, there or in the page's box:

  skerry hosts list 'status:down region:ap* os:debian>=12'
  skerry hosts list 'name:*db* tag:pci -tag:legacy cve:critical>0' --sort=-cve:critical
  skerry hosts facets 'seen:>2h (country:FR or city:Singapore)'
  skerry hosts group 'reboot:yes' --by os,region

Ctrl-C stops everything and removes %s.
`, time.Since(d.began).Seconds(), hq, password, me.Hostname, me.OS.Name, thousands(total),
		thousands(e.Critical), thousands(e.High), thousands(e.Medium), thousands(e.Low), thousands(e.Unknown),
		d.Bin, d.Socket("hq"), me.Hostname, d.Dir)
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, parts...), ",")
}
