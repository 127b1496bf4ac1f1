// Package config reads the settings of the server and of the agent.
//
// It owns the names of the settings, their defaults and their bounds. A setting comes from the
// defaults, then the file, then the environment; flags are the command line's business. An unknown or
// repeated key and a value out of bounds are errors that show the line with a caret. It never opens a
// socket or a store, and no package below reads it: the roots hand on what a part needs.
package config

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/skerryhq/skerry/engine/model"
)

// Config is the settings of one server. The zero value is not usable; see Default and Load.
type Config struct {
	// Role is what this server is. There is no default: nobody should become a controller by accident.
	Role model.Role `yaml:"role"`
	// Name is the label of this controller group, or what a site calls itself before it is enrolled.
	// 1 to 64 of a-z 0-9 . _ -, not beginning with a mark. Default: the role.
	Name string `yaml:"name"`
	// Data is the folder that holds everything this server keeps. Default /var/lib/skerry. A relative
	// path is taken from the folder of the file.
	Data string `yaml:"data"`
	// Listen is the one TCP address for the API, the page and the link: HOST:PORT; no HOST is every
	// address, port 0 a free one. Default 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// Names are DNS names and IP addresses for the server's own certificate, beside localhost and the
	// host's name. At most 32.
	Names []string `yaml:"names,omitempty"`
	// Socket is the path of the local socket through which commands on this machine come in without a
	// login. Default: skerry.sock in Data. At most 100 bytes, because systems allow no more.
	Socket string `yaml:"socket"`
	Log    Log    `yaml:"log"`
	Web    Web    `yaml:"web,omitempty"`
	// Metrics is who may read /metrics beside those with a login.
	Metrics Metrics `yaml:"metrics,omitempty"`
	// Cluster is this node's place in its group; a controller only.
	Cluster Cluster `yaml:"cluster,omitempty"`
	// Agents is the door for agents; a site only.
	Agents Agents `yaml:"agents,omitempty"`
	// Detail is what is kept of hosts beyond the directory; a site only.
	Detail Detail `yaml:"detail,omitempty"`
	// Uplink is the line to the controller; a site only.
	Uplink Uplink `yaml:"uplink,omitempty"`
	// Advisories is where advisories are fetched.
	Advisories Advisories `yaml:"advisories"`
	// Federation is what goes for bundles of advisories, and who is told of changes.
	Federation Federation `yaml:"federation"`
}

// Log says what is logged, to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error. Default info.
	Format string `yaml:"format"` // text or json. Default text.
}

// Web is the certificate that browsers see. Both files or neither; neither: the server's own.
type Web struct {
	CertFile string `yaml:"cert_file,omitempty"` // PEM, the server's first
	KeyFile  string `yaml:"key_file,omitempty"`  // PEM
}

// Metrics lets a collector of metrics in, which has no login.
type Metrics struct {
	// TokenFile is a file with one word of 16 to 1,024 characters: who sends it as a bearer token may read the
	// metrics, and nothing else. Default: nobody may.
	TokenFile string `yaml:"token_file,omitempty"`
}

// Cluster is what one controller says of itself to the other nodes of its group.
type Cluster struct {
	// Node is the label of this node. 1 to 64 of a-z 0-9 . _ -, not beginning with a mark. Default: the host's
	// name, or what the node was called when it joined.
	Node string `yaml:"node,omitempty"`
	// Address is HOST:PORT where the other nodes and the sites reach this one. At most 260 bytes. Default: the
	// first of Names, else the host of Listen, else the host's name, with the port that it listens on.
	Address string `yaml:"address,omitempty"`
}

// Agents is how a site judges its agents.
type Agents struct {
	// Interval is how often an agent is expected to be heard; after three of them without a word its
	// hosts are down. 1 s to 24 h. Default 60 s.
	Interval Duration `yaml:"interval,omitempty"`
	// Report is how often each agent is to look at its packages and certificates, whatever its own configuration says; it
	// is told when its link opens. 1 s to 24 h. Default 0: as each agent is configured.
	Report Duration `yaml:"report,omitempty"`
}

// Default returns the settings of a server of that role before any file is read.
func Default(role model.Role) Config {
	c := Config{
		Role: role, Name: string(role), Data: "/var/lib/skerry", Listen: "127.0.0.1:8443",
		Socket: "/var/lib/skerry/" + socketName, Log: Log{Level: "info", Format: "text"},
	}
	if role == model.RoleSite {
		c.Agents.Interval = Duration(time.Minute)
	}
	return c.withDetail()
}

const socketName = "skerry.sock"

// AgentConfig is the settings of skerry-agent.
type AgentConfig struct {
	// Data is the folder that holds the agent's key, outbox and journal. Default
	// /var/lib/skerry-agent. A relative path is taken from the folder of the file.
	Data string `yaml:"data"`
	Log  Log    `yaml:"log"`
	// Certificates are the folders that are searched for certificates. At most 64; absolute, or taken
	// from the folder of the file. Default: none named, and the agent looks in the usual places.
	Certificates []string `yaml:"certificates,omitempty"`
	// Tags are labels that the host carries in the directory. At most 32 of 64 bytes.
	Tags []string `yaml:"tags,omitempty"`
	// Owner is who answers for this host, a person or a team. At most 256 bytes. Default: nobody is named.
	Owner string `yaml:"owner,omitempty"`
	// Interval is the pause between two looks at packages and certificates. 1 s to 24 h. Default 15 min.
	Interval Duration `yaml:"interval"`
}

// DefaultAgent returns the agent's settings before any file is read.
func DefaultAgent() AgentConfig {
	return AgentConfig{
		Data: "/var/lib/skerry-agent", Log: Log{Level: "info", Format: "text"},
		Interval: Duration(15 * time.Minute),
	}
}

// Duration is a time.Duration that is written as text with a unit: 90s, 15m, 1h30m.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the text form, without the units that are zero: 15m rather than 15m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalYAML returns the text form.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML refuses a bare number: seconds and nanoseconds look the same.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	text := n.String()
	if s, ok := n.(*ast.StringNode); ok {
		text = s.Value
	}
	v, err := parseDuration(text)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	*d = v
	return nil
}
