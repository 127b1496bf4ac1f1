package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/printer"
	"github.com/goccy/go-yaml/token"

	"github.com/skerryhq/skerry/engine/fault"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup func(name string) (value string, set bool)

// Load reads the server's file at path over the defaults of its role, then the environment, and
// checks the result. Every path in it is absolute then. The error is Invalid, with the place and the
// line where there is one, or NotFound for a file that is not there.
func Load(path string) (Config, error) { return LoadWith(path, os.LookupEnv) }

// LoadWith is Load with another environment.
func LoadWith(path string, env Lookup) (Config, error) {
	var c Config
	src, err := read(path)
	if err != nil {
		return c, err
	}
	// The role decides the defaults, so it is read first; this pass also finds every mistake of form.
	var first Config
	if err := src.decode(&first); err != nil {
		return Config{}, err
	}
	over := overlay{env: env}
	over.text("role", "SKERRY_ROLE", (*string)(&first.Role))
	c = Default(first.Role)
	c.Name, c.Socket = "", "" // depend on others; filled in below
	if err := src.decode(&c); err != nil {
		return Config{}, err
	}
	files := []*string{&c.Data, &c.Socket, &c.Web.CertFile, &c.Web.KeyFile, &c.Metrics.TokenFile, &c.Federation.TokensFile, &c.Federation.Webhook.SecretFile}
	for _, f := range files {
		src.absolute(f)
	}
	src.sources(c.Advisories.Sources)
	over.text("role", "SKERRY_ROLE", (*string)(&c.Role))
	over.text("name", "SKERRY_NAME", &c.Name)
	over.path("data", "SKERRY_DATA", &c.Data)
	over.text("listen", "SKERRY_LISTEN", &c.Listen)
	over.list("names", "SKERRY_NAMES", &c.Names)
	over.path("socket", "SKERRY_SOCKET", &c.Socket)
	over.text("log.level", "SKERRY_LOG_LEVEL", &c.Log.Level)
	over.text("log.format", "SKERRY_LOG_FORMAT", &c.Log.Format)
	over.path("web.cert_file", "SKERRY_WEB_CERT_FILE", &c.Web.CertFile)
	over.path("web.key_file", "SKERRY_WEB_KEY_FILE", &c.Web.KeyFile)
	over.text("cluster.node", "SKERRY_CLUSTER_NODE", &c.Cluster.Node)
	over.text("cluster.address", "SKERRY_CLUSTER_ADDRESS", &c.Cluster.Address)
	over.path("metrics.token_file", "SKERRY_METRICS_TOKEN_FILE", &c.Metrics.TokenFile)
	over.duration("agents.interval", "SKERRY_AGENTS_INTERVAL", &c.Agents.Interval)
	over.duration("agents.report", "SKERRY_AGENTS_REPORT", &c.Agents.Report)
	over.bandwidth("uplink.bandwidth", "SKERRY_UPLINK_BANDWIDTH", &c.Uplink.Bandwidth)
	over.split("uplink.window", "SKERRY_UPLINK_WINDOW", ";", &c.Uplink.Window) // commas stand between days
	over.detail(&c.Detail.Retention)
	over.list("federation.allowed_sites", "SKERRY_FEDERATION_ALLOWED_SITES", &c.Federation.AllowedSites)
	over.path("federation.tokens_file", "SKERRY_FEDERATION_TOKENS_FILE", &c.Federation.TokensFile)
	over.text("federation.webhook.url", "SKERRY_FEDERATION_WEBHOOK_URL", &c.Federation.Webhook.URL)
	over.path("federation.webhook.secret_file", "SKERRY_FEDERATION_WEBHOOK_SECRET_FILE", &c.Federation.Webhook.SecretFile)
	over.bytes("federation.max_bundle_size", "SKERRY_FEDERATION_MAX_BUNDLE_SIZE", &c.Federation.MaxBundleSize)
	if over.err != nil {
		return Config{}, over.err
	}
	if c.Name == "" {
		c.Name = string(c.Role)
	}
	if c.Socket == "" {
		c.Socket = filepath.Join(c.Data, socketName)
	}
	return c, src.blame(c.check(), over)
}

// LoadAgent reads the agent's file; an empty path means that there is none. Its variables are
// SKERRY_AGENT_DATA, _LOG_LEVEL, _LOG_FORMAT, _CERTIFICATES, _TAGS, _OWNER and _INTERVAL. See Load.
func LoadAgent(path string) (AgentConfig, error) { return LoadAgentWith(path, os.LookupEnv) }

// LoadAgentWith is LoadAgent with another environment.
func LoadAgentWith(path string, env Lookup) (AgentConfig, error) {
	c := DefaultAgent()
	src := &source{dir: "."}
	if path != "" {
		var err error
		if src, err = read(path); err != nil {
			return AgentConfig{}, err
		}
		if err := src.decode(&c); err != nil {
			return AgentConfig{}, err
		}
	}
	src.absolute(&c.Data)
	over := overlay{env: env}
	over.path("data", "SKERRY_AGENT_DATA", &c.Data)
	over.text("log.level", "SKERRY_AGENT_LOG_LEVEL", &c.Log.Level)
	over.text("log.format", "SKERRY_AGENT_LOG_FORMAT", &c.Log.Format)
	over.list("certificates", "SKERRY_AGENT_CERTIFICATES", &c.Certificates)
	over.list("tags", "SKERRY_AGENT_TAGS", &c.Tags)
	over.text("owner", "SKERRY_AGENT_OWNER", &c.Owner)
	over.duration("interval", "SKERRY_AGENT_INTERVAL", &c.Interval)
	if over.err != nil {
		return AgentConfig{}, over.err
	}
	for i := range c.Certificates {
		src.absolute(&c.Certificates[i])
	}
	return c, src.blame(c.check(), over)
}

// Print returns c as the file that would give it: every setting that is in force.
func Print(c Config) ([]byte, error) { return print(c.inForce()) }

// PrintAgent is Print for the agent.
func PrintAgent(c AgentConfig) ([]byte, error) { return print(c) }

func print(v any) ([]byte, error) {
	b, err := yaml.MarshalWithOptions(v, yaml.Indent(2), yaml.IndentSequence(true))
	if err != nil {
		return nil, fault.New(fault.Other, "print the configuration", "%w", err)
	}
	return b, nil
}

// source is a file that was read.
type source struct {
	path string // as given, for messages; empty: there is no file
	dir  string
	text []byte
}

func read(path string) (*source, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "read the configuration", "there is no file %s", path)
	case err != nil:
		return nil, fault.New(fault.Invalid, "read the configuration", "%w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "read the configuration", "%w", err)
	case len(text) > maxFile:
		return nil, fault.New(fault.TooLarge, "read the configuration", "%s has more than %d bytes", path, maxFile)
	}
	return &source{path: path, dir: filepath.Dir(path), text: text}, nil
}

// decode reads the one document over what is in v.
func (s *source) decode(v any) error {
	file, err := parser.ParseBytes(s.text, 0)
	if err != nil {
		return s.show(err, v)
	}
	if len(file.Docs) > 1 {
		at := token.New("---", "---", &token.Position{Line: 1, Column: 1})
		if d := file.Docs[1]; d.Start != nil {
			at = d.Start
		}
		return s.at(at, "a second document begins here: a configuration has one")
	}
	err = yaml.NewDecoder(bytes.NewReader(s.text), yaml.Strict()).Decode(v)
	if errors.Is(err, io.EOF) {
		return nil // empty, or comments only: the defaults
	}
	return s.show(err, v)
}

// show turns an error of the YAML library, met while decoding into v, into ours.
func (s *source) show(err error, v any) error {
	if err == nil {
		return nil
	}
	var at yaml.Error
	if !errors.As(err, &at) {
		return fault.New(fault.Invalid, "", "%s: %w", s.path, err)
	}
	message := at.GetMessage()
	var kind *yaml.TypeError
	var form *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &kind):
		message = "this cannot be " + article(kind.SrcType) + ": want " + article(kind.DstType)
	case errors.As(err, &form):
		message = "this is " + nodeName(form.Actual) + ": want " + nodeName(form.Expected)
	case strings.HasPrefix(message, "unknown field"):
		message = strings.Replace(message, "unknown field", "unknown key", 1) + ": want one of " + strings.Join(keys(reflect.TypeOf(v)), ", ")
	case strings.HasPrefix(message, "mapping key"):
		message = strings.NewReplacer("mapping key", "the key", "already defined", "is set already").Replace(message)
	}
	return s.at(at.GetToken(), message)
}

// keys lists every key that can be set in a struct, or a pointer to one, as a and a.b, and a[].b in a list.
func keys(t reflect.Type) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var all []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		of := f.Type
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			name, of = name+"[]", of.Elem()
		}
		if of.Kind() != reflect.Struct {
			all = append(all, name)
			continue
		}
		for _, below := range keys(of) {
			all = append(all, name+"."+below)
		}
	}
	return all
}

func nodeName(t ast.NodeType) string {
	switch t {
	case ast.MappingType, ast.MappingValueType:
		return "a group of keys"
	case ast.SequenceType:
		return "a list"
	case ast.StringType, ast.LiteralType:
		return "one text"
	case ast.NullType:
		return "nothing"
	}
	return "a " + strings.ToLower(t.YAMLName())
}

func article(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.String:
		return "one text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a group of keys"
	case reflect.Bool:
		return "true or false"
	}
	return "a number"
}

// at is an error with its place, and the lines around it with a caret.
func (s *source) at(t *token.Token, message string) error {
	if t == nil || t.Position == nil {
		return fault.New(fault.Invalid, "", "%s: %s", s.path, message)
	}
	var p printer.Printer
	excerpt := printable(strings.TrimRight(p.PrintErrorToken(t, false), "\n "))
	return fault.New(fault.Invalid, "", "%s:%d:%d: %s\n%s", s.path, t.Position.Line, t.Position.Column, printable(message), excerpt)
}

// printable replaces what could move the cursor of a terminal: the file may be no configuration at all.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

// blame puts a problem where its value came from: a variable, a line of the file, or neither.
func (s *source) blame(err error, over overlay) error {
	var p problem
	if !errors.As(err, &p) {
		return err
	}
	key, _, _ := strings.Cut(p.key, "[")
	if name := over.names[key]; name != "" {
		return fault.New(fault.Invalid, "", "environment variable %s: %w", name, err)
	}
	if s.path == "" {
		return plain(err)
	}
	if path, perr := yaml.PathString("$." + p.key); perr == nil {
		if node, nerr := path.ReadNode(bytes.NewReader(s.text)); nerr == nil && node != nil {
			return s.at(tokenOf(node), p.Error())
		}
	}
	return fault.New(fault.Invalid, "", "%s: %w", s.path, err)
}

// tokenOf is where a value begins; nil for one that is not written, which has no place to point at.
func tokenOf(n ast.Node) *token.Token {
	switch v := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.MappingNode:
		if len(v.Values) > 0 {
			return v.Values[0].Key.GetToken()
		}
	}
	return n.GetToken()
}

// absolute takes a relative path from the folder of the file; an empty one stays.
func (s *source) absolute(path *string) {
	if *path == "" || filepath.IsAbs(*path) {
		return
	}
	if abs, err := filepath.Abs(filepath.Join(s.dir, *path)); err == nil {
		*path = abs
	}
}

// overlay lays the environment over settings, and remembers which it set. A variable that is set but
// empty counts as not set.
type overlay struct {
	env   Lookup
	names map[string]string // key -> variable
	err   error             // the first
}

func (o *overlay) get(key, name string) (string, bool) {
	if o.env == nil {
		return "", false
	}
	v, ok := o.env(name)
	if !ok || v == "" {
		return "", false
	}
	if o.names == nil {
		o.names = map[string]string{}
	}
	o.names[key] = name
	return v, true
}

func (o *overlay) text(key, name string, to *string) {
	if v, ok := o.get(key, name); ok {
		*to = v
	}
}

// path takes a relative path from the working folder, where whoever set the variable stands.
func (o *overlay) path(key, name string, to *string) {
	if v, ok := o.get(key, name); ok {
		*to = v
		if abs, err := filepath.Abs(v); err == nil {
			*to = abs
		}
	}
}

func (o *overlay) list(key, name string, to *[]string) { o.split(key, name, ",", to) }

func (o *overlay) split(key, name, by string, to *[]string) {
	if v, ok := o.get(key, name); ok {
		*to = nil
		for part := range strings.SplitSeq(v, by) {
			*to = append(*to, strings.TrimSpace(part))
		}
	}
}

func (o *overlay) duration(key, name string, to *Duration) {
	if v, ok := o.get(key, name); ok {
		d, err := parseDuration(v)
		if err != nil && o.err == nil {
			o.err = fault.New(fault.Invalid, "", "environment variable %s: %w", name, err)
		}
		*to = d
	}
}

func (o *overlay) bandwidth(key, name string, to *Bandwidth) {
	if v, ok := o.get(key, name); ok {
		b, err := parseBandwidth(v)
		if err != nil && o.err == nil {
			o.err = fault.New(fault.Invalid, "", "environment variable %s: %w", name, err)
		}
		*to = b
	}
}

func (o *overlay) bytes(key, name string, to *Bytes) {
	if v, ok := o.get(key, name); ok {
		b, err := parseBytes(v)
		if err != nil && o.err == nil {
			o.err = fault.New(fault.Invalid, "", "environment variable %s: %w", name, err)
		}
		*to = b
	}
}
