package simulate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/ui/schema"
)

// Registry is the controller's list of sites; its public API satisfies it.
type Registry interface {
	Sites(ctx context.Context) ([]schema.Site, error)
	// EnrollSite adds a site and returns its one-time token; SiteToken voids a pending site's and returns
	// another.
	EnrollSite(ctx context.Context, s schema.SiteEnroll) (schema.Token, error)
	SiteToken(ctx context.Context, name string) (schema.Token, error)
}

const (
	simulationFile = "simulation.json"
	tokenFile      = "token" // of a site that has not had its answer yet
	heldFile       = "held"  // what a site holds of what comes down
)

// simulation is what a folder is for.
type simulation struct {
	Seed  uint64     `json:"seed"`
	Hosts int        `json:"hosts"`
	Sites int        `json:"sites"`
	Began model.Time `json:"began"` // the present of the fleet
}

// folder is where a simulated federation keeps who its sites are. Nobody else uses it meanwhile.
type folder struct {
	simulation
	dir  string
	lock *os.File
}

// openFolder makes the folder of a simulation, or finds what an earlier run of the same one left.
func openFolder(dir string, want simulation) (*folder, error) {
	op := "open the simulation in " + dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	f := &folder{simulation: want, dir: dir, lock: lock}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.New(fault.Conflict, op, "another simulation is running with this folder; end it, or give another folder"), lock.Close())
	}
	if err := f.load(op); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return f, nil
}

func (f *folder) load(op string) error {
	path := filepath.Join(f.dir, simulationFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err := model.Encode(f.simulation)
		if err != nil {
			return fault.New(fault.Other, op, "%w", err)
		}
		return fault.Wrap(op, replace(path, append(b, '\n')))
	}
	if err != nil {
		return fault.New(fault.ReadOnly, op, "%w", err)
	}
	var was simulation
	if err := model.Decode(raw, &was); err != nil || was.Began == 0 {
		return fault.New(fault.Corrupt, op, "%s holds no simulation; remove the folder, and the sites that it made", path)
	}
	if was.Seed != f.Seed || was.Hosts != f.Hosts || was.Sites != f.Sites {
		return fault.New(fault.Conflict, op, "it is of %d hosts of %d sites with seed %d; give the same numbers, or another folder", was.Hosts, was.Sites, was.Seed)
	}
	f.simulation = was
	return nil
}

func (f *folder) close() error { return f.lock.Close() }

// replace writes a file for this user alone, whole or not at all.
func replace(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

func (f *folder) of(s fleet.Site) string { return filepath.Join(f.dir, "sites", s.Code) }

// location tells the sites of this simulation from those that people made.
func (f *folder) location() string { return fmt.Sprintf("simulated, seed %d", f.Seed) }

// identity returns who a site is, enrolling it where it is not yet anyone. there is the controller's row
// of that name, if it has one.
func (f *folder) identity(ctx context.Context, c Federation, s fleet.Site, there *schema.Site) (enroll.Identity, error) {
	op := "simulate site " + s.Code
	dir := f.of(s)
	id, err := enroll.LoadIdentity(dir)
	switch {
	case err == nil && (there == nil || there.ID != id.Member.String()):
		return id, fault.New(fault.Conflict, op, "the controller does not know the site that %s was enrolled as; give another folder", dir)
	case err == nil || !fault.Is(err, fault.NotFound):
		return id, err
	}
	path := filepath.Join(dir, tokenFile)
	text, err := os.ReadFile(path) // of a run that ended before the answer came
	if err != nil || there == nil || there.Status == string(model.MemberPending) {
		t, err := f.invite(ctx, c.Registry, s, there)
		if err != nil {
			return id, fault.Wrap(op, err)
		}
		text = []byte(t.Token)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return id, fault.New(fault.ReadOnly, op, "%w", err)
		}
		if err := replace(path, text); err != nil {
			return id, fault.Wrap(op, err)
		}
	}
	token, err := enroll.ParseToken(string(text))
	if err != nil {
		return id, fault.Wrap(op, err)
	}
	key, err := enroll.OpenKey(dir)
	if err != nil {
		return id, err
	}
	id, err = enroll.Join(ctx, c.URL, token, key, enroll.Newcomer{Name: s.Code, Software: software(c.Version)})
	if err != nil {
		return id, fault.Wrap(op, err)
	}
	if err := enroll.SaveIdentity(dir, id); err != nil {
		return id, err
	}
	_ = os.Remove(path) // used up; a token that stays opens nothing
	return id, nil
}

// invite returns a token for a site that does not exist, or that an earlier run of this simulation made
// and did not come to enroll.
func (f *folder) invite(ctx context.Context, r Registry, s fleet.Site, there *schema.Site) (schema.Token, error) {
	switch {
	case there == nil:
		return r.EnrollSite(ctx, schema.SiteEnroll{
			Name: s.Code, Location: f.location(), Region: s.Region, Country: s.Country, City: s.City, Lat: &s.Lat, Lng: &s.Lng,
		})
	case there.Location == f.location() && there.Status == string(model.MemberPending):
		return r.SiteToken(ctx, s.Code)
	}
	return schema.Token{}, fault.New(fault.Exists, "", "the controller has a site of that name which %s did not make; continue with the folder that did, or simulate with another --seed", f.dir)
}

// readHeld returns what a site holds of what comes down; none where it is not known.
func (f *folder) readHeld(s fleet.Site) model.Position {
	var at model.Position
	raw, err := os.ReadFile(filepath.Join(f.of(s), heldFile))
	if err != nil || model.Decode(raw, &at) != nil {
		return model.Position{} // it comes again, which costs time alone
	}
	return at
}

func (f *folder) writeHeld(s fleet.Site, at model.Position) error {
	b, err := model.Encode(at)
	if err != nil {
		return err
	}
	return replace(filepath.Join(f.of(s), heldFile), b)
}

func software(version string) string { return strings.TrimSpace("skerry simulate " + version) }

// began is the present of a new simulation: to the second, as people write times.
func began(now time.Time) model.Time { return model.TimeOf(now.Truncate(time.Second)) }
