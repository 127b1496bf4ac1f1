package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/agent"
	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/ui/schema"
)

// enrolled gives a site the identity of one whose controller cannot be reached.
func enrolled(t *testing.T, c config.Config) {
	t.Helper()
	ca, err := enroll.OpenCA(t.TempDir(), "controller", nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := enroll.OpenKey(identityDir(c))
	if err != nil {
		t.Fatal(err)
	}
	m := model.Member{ID: newID(1), Kind: model.MemberSite, Name: "oslo", Epoch: 1}
	cert, err := ca.IssueMember(m, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	err = enroll.SaveIdentity(identityDir(c), enroll.Identity{
		Member: m.ID, Kind: m.Kind, Name: m.Name, Epoch: 1, Upper: newID(2), UpperName: "hq", URL: "https://127.0.0.1:1", EnrolledAt: model.TimeOf(time.Now()),
		CACert: string(ca.CertPEM()), Cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// running is a site in this process.
type running struct {
	t    *testing.T
	c    config.Config
	url  string
	stop func()
}

// runSite runs a site until stop, or until the test ends.
func runSite(t *testing.T, c config.Config, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	up, ended := make(chan string, 1), make(chan error, 1)
	o.Ready = func(url string) { up <- url }
	if o.Log == nil {
		o.Log = quiet
	}
	go func() { ended <- Run(ctx, c, o) }()
	r := &running{t: t, c: c}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	select {
	case r.url = <-up:
	case err := <-ended:
		cancel()
		ended <- nil
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("the site does not start")
	}
	return r
}

// ask puts a request to the site's local socket.
func (r *running) ask(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://site"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.c.Socket)
	}}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// enrollAgent gives an agent of the site its identity.
func (r *running) enrollAgent(dir, name string) enroll.Identity {
	r.t.Helper()
	var tok schema.Token
	if err := r.ask(http.MethodPost, "/api/v1/agents", map[string]any{"name": name}, &tok); err != nil {
		r.t.Fatal(err)
	}
	token, err := enroll.ParseToken(tok.Token)
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := enroll.OpenKey(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	id, err := enroll.Join(r.t.Context(), r.url, token, key, enroll.Newcomer{Name: name, Software: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// runAgent runs an agent of the site until the returned function is called.
func (r *running) runAgent(dir string, id enroll.Identity) (stop func()) {
	r.t.Helper()
	addr, err := link.Address(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	dial := id.Dial(time.Now)
	a, err := agent.Open(agent.Config{
		Dir: dir, Host: model.HostID(id.Member), Name: id.Name, Epoch: id.Epoch, Site: id.Upper,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			s, err := link.Dial(ctx, addr, dial)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Probe: agent.Probe{
			Facts: func(context.Context) (model.Facts, error) { return model.Facts{Hostname: id.Name}, nil },
			Inventory: func(context.Context) (model.Inventory, error) {
				return model.Inventory{Packages: []model.Package{}}, nil
			},
			Certificates: func(context.Context) ([]model.Certificate, []error) { return nil, nil },
		},
		BackoffCap: time.Second,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if err := a.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

// TestColdBootWithAWrongClock: in 1970 and ten years ahead, with no network. The site serves, its agents get in, and
// times neither stop nor go back.
func TestColdBootWithAWrongClock(t *testing.T) {
	c := configOf(t)
	began := time.Now().Add(-time.Minute)
	enrolled(t, c)
	dir := t.TempDir()
	var id enroll.Identity
	for _, clock := range []struct {
		name string
		off  time.Duration
	}{
		{"1970", -time.Since(time.Unix(0, 0))},
		{"ten years ahead", 10 * 365 * 24 * time.Hour},
		{"1970 again", -time.Since(time.Unix(0, 0))},
	} {
		t.Run(clock.name, func(t *testing.T) {
			r := runSite(t, c, Options{Wall: func() time.Time { return time.Now().Add(clock.off) }})
			if id.Member.IsZero() {
				id = r.enrollAgent(dir, "till-1")
			}
			stop := r.runAgent(dir, id)
			var row schema.Host
			eventually(t, "the host is up", func() bool {
				row = schema.Host{}
				return r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, &row) == nil && row.Status == "up"
			})
			stop()
			if row.LastSeen == nil || row.LastSeen.Before(began) || row.LastSeen.After(time.Now().Add(10*time.Minute)) {
				t.Errorf("its agent was heard at %v", row.LastSeen)
			}
			r.stop()
			raw, err := os.ReadFile(filepath.Join(c.Data, "clock.json"))
			if err != nil || !bytes.Contains(raw, []byte(time.Now().UTC().Format("2006"))) {
				t.Errorf("the floor is %s, %v", raw, err)
			}
		})
	}
}
