package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// client talks to one server, or to whichever of a group answers.
type client struct {
	http  *http.Client
	base  string // https://HOST:PORT, or http://local for a socket
	shown string // how messages name the server
	token string
	rest  []endpoint           // who else may be asked, in turn
	stale bool                 // reads are content with what the server has
	aged  bool                 // that an answer is old was said
	tell  func(string, ...any) // says that another server is asked; nil: nobody listens
}

const apiBase = "/api/v1"

// client finds the server. Any flag that names one comes before the environment: --server, then
// --context, then the socket of --config. After the flags: SKERRY_SERVER, the socket of SKERRY_CONFIG,
// SKERRY_CONTEXT, the current context, the default socket.
func (a *app) client() (*client, error) {
	c, err := a.chosen()
	if err == nil {
		c.stale, c.tell = a.stale, a.say
	}
	return c, err
}

func (a *app) chosen() (*client, error) {
	server, name, conf := a.server, a.context, a.config
	if server == "" && name == "" && conf == "" {
		server, _ = a.env("SKERRY_SERVER")
		name, _ = a.env("SKERRY_CONTEXT")
		if conf, _ = a.env("SKERRY_CONFIG"); conf != "" {
			name = ""
		}
	}
	if server == "" && name == "" && conf != "" {
		c, err := a.load(conf)
		if err != nil {
			return nil, err
		}
		return socketClient(c.Socket), nil
	}
	saved, err := a.loadContexts()
	if err != nil {
		return nil, err
	}
	var chosen *savedContext
	switch {
	case server != "":
		chosen = &savedContext{}
		if known := saved.at(server); known != nil {
			*chosen = *known
		}
		chosen.Server = server
	case name != "":
		if chosen = saved.Contexts[name]; chosen == nil {
			return nil, usagef("there is no context %q; `skerry contexts list` shows those there are", name)
		}
	case saved.Current != "" && saved.Contexts[saved.Current] != nil:
		chosen = saved.Contexts[saved.Current]
	default:
		return socketClient(config.Default(model.RoleController).Socket), nil
	}
	return a.clientFor(*chosen)
}

func (a *app) clientFor(c savedContext) (*client, error) {
	servers, err := parseServers(c.Server)
	if err != nil {
		return nil, err
	}
	if file := a.flagOr(a.ca, "SKERRY_CA"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("--ca: %w", err)
		}
		c.CA, c.Fingerprint = string(pem), ""
	}
	if token, ok := a.env("SKERRY_TOKEN"); ok && token != "" {
		c.Token = token
	}
	patience := 10 * time.Second
	if len(servers) > 1 { // another one is as good
		patience = 3 * time.Second
	}
	var all []endpoint
	for _, u := range servers {
		if u.Scheme == "unix" {
			s := socketClient(u.Path)
			all = append(all, endpoint{s.http, s.base, s.shown})
			continue
		}
		t, err := c.tls(u.Hostname())
		if err != nil {
			return nil, err
		}
		transport := &http.Transport{
			TLSClientConfig: t, ForceAttemptHTTP2: true, TLSHandshakeTimeout: patience,
			DialContext: (&net.Dialer{Timeout: patience}).DialContext, Proxy: http.ProxyFromEnvironment,
		}
		all = append(all, endpoint{&http.Client{Transport: transport}, "https://" + u.Host, "https://" + u.Host})
	}
	return &client{http: all[0].http, base: all[0].base, shown: all[0].shown, rest: all[1:], token: c.Token}, nil
}

func socketClient(path string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "unix", path)
	}
	// Both ends are this machine: packing and unpacking would cost it more than carrying.
	transport := &http.Transport{DialContext: dial, DisableCompression: true}
	return &client{http: &http.Client{Transport: transport}, base: "http://local", shown: "unix://" + path}
}

// parseServer reads https://HOST:PORT or unix:///PATH.
func parseServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	bad := usagef("%q is not a server: want https://HOST:PORT or unix:///PATH", s)
	switch {
	case err != nil:
		return nil, bad
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return u, nil
	case u.Scheme == "https" && u.Hostname() != "" && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.User == nil:
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "8443")
		}
		u.Path = ""
		if _, port, err := net.SplitHostPort(u.Host); err != nil || !numbered(port) { // url.Parse lets stray brackets and any number through
			return nil, bad
		}
		return u, nil
	}
	return nil, bad
}

// numbered reports whether port is one that TCP has.
func numbered(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// call sends in (nil: nothing) as JSON and decodes the answer into out (nil: it is discarded).
func (c *client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	typ := ""
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, typ = bytes.NewReader(raw), "application/json"
	}
	resp, err := c.send(ctx, method, path, query, body, typ)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", c.shown, err)
	}
	return nil
}

// try asks the one server that the client asks now.
func (c *client) try(ctx context.Context, method, path string, query url.Values, body io.Reader, typ, key string) (*http.Response, error) {
	target := c.base + apiBase + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	err = c.refused(resp)
	if resp.StatusCode == http.StatusServiceUnavailable {
		err = elsewhere{error: err, said: true, reached: true}
	}
	return nil, err
}

// refused turns a problem into an error with its kind.
func (c *client) refused(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var p schema.Problem
	if typ, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); typ != "application/problem+json" || json.Unmarshal(raw, &p) != nil || p.Detail == "" {
		return fmt.Errorf("%s answered %s: is it a skerry server?", c.shown, resp.Status)
	}
	detail := fault.Printable(p.Detail)
	if strings.HasPrefix(detail, "site: it is missing") {
		detail += " (--site NAME)"
	}
	if len(p.Errors) > 0 { // the server points at what is wrong in the command line
		if p.Caret != "" {
			detail += "\n" + indented(p.Caret)
		}
		return usage{refusal{errors.New(detail)}}
	}
	if fault.KindNamed(p.Kind) == fault.Invalid {
		return refusal{fault.New(fault.Invalid, "", "%s", detail)}
	}
	detail = strings.ReplaceAll(detail, "consistency=stale in the address", "--stale")
	if resp.StatusCode == http.StatusUnauthorized && !strings.HasPrefix(detail, "the account") {
		detail += fmt.Sprintf(" (`skerry login %s`)", c.shown)
	}
	if resp.StatusCode == http.StatusNotFound {
		detail += listsThem(detail)
	}
	return fault.New(fault.KindNamed(p.Kind), "", "%s", detail)
}

// listsThem is the command that lists what was not found. The server speaks to people at a browser as well, and
// so leaves it out.
func listsThem(detail string) string {
	for _, x := range [...]struct{ missing, command string }{
		{"the list of origins", "sites list --federation"},
		{"no source ", "advisories sources"},
		{"no acceptance ", "exposure accepted"},
		{"no host ", "hosts list"},
		{"no site ", "sites list"},
		{"no search ", "searches list"},
		{"no agent ", "agents list"},
		{"no account ", "accounts list"},
		{"no key ", "keys list"},
		{"no private key ", "keys list"},
		{"no command ", "commands list"},
		{"no node ", "cluster peers"},
	} {
		if strings.Contains(detail, x.missing) && !strings.Contains(detail, "`skerry") {
			return " (`skerry " + x.command + "`)"
		}
	}
	return ""
}

// indented is what points into a search, line by line.
func indented(caret string) string {
	var lines []string
	for l := range strings.SplitSeq(caret, "\n") {
		lines = append(lines, "  "+fault.Printable(l))
	}
	return strings.Join(lines, "\n")
}

// untrusted says why the server's certificate is not believed and what settles it. A pin that does not
// fit has its own advice.
func (c *client) untrusted(why error) string {
	text := fmt.Sprintf("%s cannot be trusted: %v", c.shown, why)
	var unknown x509.UnknownAuthorityError
	if !errors.As(why, &unknown) {
		return text
	}
	return text + fmt.Sprintf(": log in once with `skerry login %s --fingerprint HEX` (the CA pin that the server's operator has), or give the authority's certificate with --ca FILE", c.shown)
}

// unreached says why no answer came and what to do.
func (c *client) unreached(ctx context.Context, err error) error {
	var verify *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &verify):
		return fault.New(fault.Unreachable, "", "%s", c.untrusted(verify.Err))
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "", "%s: this user may not use the server's socket; log in with `skerry login https://HOST:PORT`, or run as the server's user", c.shown)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return elsewhere{error: fault.New(fault.Unreachable, "", "no server answers at %s: start it, or name another with --server or --config", c.shown)}
	case errors.As(err, &op):
		return elsewhere{error: fault.New(fault.Unreachable, "", "%s cannot be reached: %w", c.shown, op), reached: dialled(err)}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return elsewhere{error: fault.New(fault.Unreachable, "", "%s: %w", c.shown, err), reached: true}
}
