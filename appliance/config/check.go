package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// problem is a value that cannot be accepted, and where it stands: a.b, or a[3].
type problem struct {
	key  string
	text string
}

func (p problem) Error() string { return p.key + ": " + p.text }

func wrong(key, format string, args ...any) error {
	return problem{key, fmt.Sprintf(format, args...)}
}

// Validate checks every setting against its bounds. The error is Invalid and begins with the key.
func (c Config) Validate() error { return plain(c.check()) }

// Validate checks every setting against its bounds. The error is Invalid and begins with the key.
func (c AgentConfig) Validate() error { return plain(c.check()) }

func plain(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Invalid, "", "%w", err)
}

var dnsForm = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$`)

func (c Config) check() error {
	switch c.Role {
	case model.RoleController, model.RoleSite:
	case "":
		return wrong("role", "it is missing: want controller or site")
	default:
		return wrong("role", "%s: want controller or site", fault.Clip(string(c.Role), maxQuote))
	}
	if !model.IsName(c.Name) {
		return wrong("name", "%q is no name: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", fault.Clip(c.Name, maxQuote))
	}
	if c.Data == "" {
		return wrong("data", "it is empty: want the folder that holds what this server keeps")
	}
	if err := checkListen(c.Listen); err != nil {
		return err
	}
	if len(c.Names) > 32 {
		return wrong("names", "there are %d: at most 32", len(c.Names))
	}
	for i, n := range c.Names {
		if _, err := netip.ParseAddr(n); err != nil && (len(n) > 253 || !dnsForm.MatchString(n)) {
			return wrong(fmt.Sprintf("names[%d]", i), "%q is neither a DNS name nor an IP address", fault.Clip(n, maxQuote))
		}
	}
	if c.Socket == "" {
		return wrong("socket", "it is empty: want a path")
	}
	if len(c.Socket) > 100 {
		return wrong("socket", "the path %s has %d bytes: at most 100, because systems allow no more; set `socket` to a shorter one", c.Socket, len(c.Socket))
	}
	if err := c.Log.check(); err != nil {
		return err
	}
	if err := c.Advisories.check(c.Role); err != nil {
		return err
	}
	if err := c.Federation.check(); err != nil {
		return err
	}
	switch {
	case c.Web.CertFile != "" && c.Web.KeyFile == "":
		return wrong("web.cert_file", "it is set without web.key_file: want both or neither")
	case c.Web.CertFile == "" && c.Web.KeyFile != "":
		return wrong("web.key_file", "it is set without web.cert_file: want both or neither")
	case c.Role == model.RoleController && c.Agents != Agents{}:
		return wrong("agents", "a controller has no agents: they enroll at a site")
	case c.Role == model.RoleController && c.Detail != Detail{}:
		return wrong("detail", "a controller holds no detail of hosts: their sites do")
	case c.Role == model.RoleController && !c.Uplink.zero():
		return wrong("uplink", "a controller has no uplink: only sites have")
	case c.Role == model.RoleSite && c.Cluster != Cluster{}:
		return wrong("cluster", "a site is in no group: only controllers are")
	case c.Role == model.RoleController:
		return c.Cluster.check()
	case c.Role == model.RoleSite:
		if err := c.Detail.Retention.check(); err != nil {
			return err
		}
		if err := c.Uplink.check(); err != nil {
			return err
		}
		if c.Agents.Report != 0 {
			if err := checkInterval("agents.report", c.Agents.Report); err != nil {
				return err
			}
		}
		return checkInterval("agents.interval", c.Agents.Interval)
	}
	return nil
}

func (c AgentConfig) check() error {
	if c.Data == "" {
		return wrong("data", "it is empty: want the folder that holds what the agent keeps")
	}
	if err := c.Log.check(); err != nil {
		return err
	}
	if len(c.Certificates) > 64 {
		return wrong("certificates", "there are %d: at most 64", len(c.Certificates))
	}
	for i, folder := range c.Certificates {
		if folder == "" {
			return wrong(fmt.Sprintf("certificates[%d]", i), "it is empty: want a folder")
		}
	}
	if len(c.Tags) > 32 {
		return wrong("tags", "there are %d: at most 32", len(c.Tags))
	}
	for i, tag := range c.Tags {
		if tag == "" || !plainText(tag, 64) {
			return wrong(fmt.Sprintf("tags[%d]", i), "%q is no tag: want 1 to 64 bytes of plain text", fault.Clip(tag, maxQuote))
		}
	}
	if !plainText(c.Owner, 256) {
		return wrong("owner", "%q names nobody: want at most 256 bytes of plain text", fault.Clip(c.Owner, maxQuote))
	}
	return checkInterval("interval", c.Interval)
}

// plainText reports whether s has at most limit bytes, and none that cannot be shown.
func plainText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (l Log) check() error {
	switch l.Level {
	case "debug", "info", "warn", "error":
	default:
		return wrong("log.level", "%s: want debug, info, warn or error", fault.Clip(l.Level, maxQuote))
	}
	if l.Format != "text" && l.Format != "json" {
		return wrong("log.format", "%s: want text or json", fault.Clip(l.Format, maxQuote))
	}
	return nil
}

func (c Cluster) check() error {
	if c.Node != "" && !model.IsName(c.Node) {
		return wrong("cluster.node", "%q is no name: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", fault.Clip(c.Node, maxQuote))
	}
	if c.Address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Address)
	n, bad := strconv.Atoi(port)
	if err != nil || host == "" || bad != nil || n < 1 || n > 65535 || len(c.Address) > 260 {
		return wrong("cluster.address", "%q is no address that others could dial: want HOST:PORT, as in hq-1.example.com:8443", fault.Clip(c.Address, maxQuote))
	}
	if _, err := netip.ParseAddr(host); err != nil && !dnsForm.MatchString(host) {
		return wrong("cluster.address", "%q is neither an IP address nor a host name", fault.Clip(host, maxQuote))
	}
	return nil
}

func checkListen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return wrong("listen", "%q is no address: want HOST:PORT, as in 127.0.0.1:8443 or :8443", fault.Clip(addr, maxQuote))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return wrong("listen", "%q is no port: want 0 to 65535", fault.Clip(port, maxQuote))
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !dnsForm.MatchString(host) {
		return wrong("listen", "%q is neither an IP address nor a host name", fault.Clip(host, maxQuote))
	}
	return nil
}

func checkInterval(key string, d Duration) error {
	if d.Std() < time.Second || d.Std() > 24*time.Hour {
		return wrong(key, "%s is out of bounds: want 1s to 24h", d)
	}
	return nil
}

func parseDuration(text string) (Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: want a number with its unit, as in 90s, 15m or 1h30m", fault.Clip(text, maxQuote))
	}
	return Duration(d), nil
}

// maxQuote is how many bytes of foreign input a message quotes.
const maxQuote = 60
