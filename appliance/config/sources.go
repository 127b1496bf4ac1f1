package config

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/pull"
)

// Advisories is where this server fetches advisories by itself. No variable of the environment sets it: it is a list of groups.
type Advisories struct {
	// Sources are fetched on schedule: at a controller by the leader of its group, at a site bundles alone. At most 64.
	Sources []AdvisorySource `yaml:"sources"`
}

// AdvisorySource is one source of advisories; see sync/pull.
type AdvisorySource struct {
	// Name is the label of the source, and unique. 1 to 64 of a-z 0-9 . _ -, not beginning with a mark.
	Name string `yaml:"name"`
	// Kind is osv, kev, epss, nvd, csaf, openvex or bundle. A site has bundles alone.
	Kind string `yaml:"kind"`
	// URL is an https address, of at most 2,048 bytes; Path is a folder or a file that somebody mirrors into, absolute or
	// from the folder of this file. One of both.
	URL  string `yaml:"url,omitempty"`
	Path string `yaml:"path,omitempty"`
	// CAFile has the certificates (PEM) that the server of URL is trusted by. Default: those of the system.
	CAFile string `yaml:"ca_file,omitempty"`
	// TokenFile has one line that is sent to the server of URL as a bearer token. Default: none is sent.
	TokenFile string `yaml:"token_file,omitempty"`
	// Every is how often it is looked at. 1m to 720h. Default 6h.
	Every Duration `yaml:"every,omitempty"`
	// Source is what the records are of. 1 to 64 of a-z 0-9 . _ -, not beginning with a mark. Default: cisa-kev, epss and nvd for
	// those kinds, and osv for files of that kind; the name for other files, and for folders the folder that each record lies
	// in. What a source may speak for goes by it; one that nobody knows may speak for no ecosystem that others are known for.
	Source string `yaml:"source,omitempty"`
	// Ecosystems are those that an osv source is taken for, without releases, as in Debian. At most 64. Default: all.
	Ecosystems []string `yaml:"ecosystems,omitempty"`
}

const (
	maxSources    = 64
	maxURL        = 2048
	maxEcosystems = 64
	usualEvery    = Duration(6 * time.Hour)
	leastEvery    = time.Minute
	mostEvery     = 720 * time.Hour
)

// sources makes the paths absolute and fills in what is not said.
func (s *source) sources(list []AdvisorySource) {
	for i := range list {
		at := &list[i]
		s.absolute(&at.Path)
		s.absolute(&at.CAFile)
		s.absolute(&at.TokenFile)
		at.Every = cmp.Or(at.Every, usualEvery)
	}
}

func (a Advisories) check(role model.Role) error {
	if len(a.Sources) > maxSources {
		return wrong("advisories.sources", "there are %d: at most %d", len(a.Sources), maxSources)
	}
	names := map[string]bool{}
	for i, at := range a.Sources {
		key := fmt.Sprintf("advisories.sources[%d]", i)
		switch {
		case !model.IsName(at.Name):
			return wrong(key+".name", "%q is no name: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", fault.Clip(at.Name, maxQuote))
		case names[at.Name]:
			return wrong(key+".name", "there is another source %q: each has a name of its own", at.Name)
		case !slices.Contains(pull.Kinds(), at.Kind):
			return wrong(key+".kind", "%q is no kind: want one of %s", fault.Clip(at.Kind, maxQuote), strings.Join(pull.Kinds(), ", "))
		case role == model.RoleSite && at.Kind != pull.KindBundle:
			return wrong(key+".kind", "a site takes signed bundles alone: want bundle, or have the controller fetch this source")
		}
		names[at.Name] = true
		if err := at.check(key); err != nil {
			return err
		}
	}
	return nil
}

func (a AdvisorySource) check(key string) error {
	switch {
	case (a.URL == "") == (a.Path == ""):
		return wrong(key, "want url or path, and not both")
	case a.URL != "":
		u, err := url.Parse(a.URL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || len(a.URL) > maxURL {
			return wrong(key+".url", "%q is no address: want one of at most %d bytes, as in https://example.com/all.zip", fault.Clip(a.URL, maxQuote), maxURL)
		}
		if u.User != nil || u.Fragment != "" {
			return wrong(key+".url", "an address with a name, a password or a # in it is not fetched")
		}
	case !filepath.IsAbs(a.Path):
		return wrong(key+".path", "%q is no absolute path", fault.Clip(a.Path, maxQuote))
	case a.CAFile != "":
		return wrong(key+".ca_file", "a path has no server to be trusted: want it beside a url")
	case a.TokenFile != "":
		return wrong(key+".token_file", "a path has no server that would ask for it: want it beside a url")
	}
	if a.Every.Std() < leastEvery || a.Every.Std() > mostEvery {
		return wrong(key+".every", "%s is out of bounds: want %s to %s", a.Every, Duration(leastEvery), Duration(mostEvery))
	}
	if a.Source != "" && canonical.CheckSource(a.Source) != nil {
		return wrong(key+".source", "%q is no source: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", fault.Clip(a.Source, maxQuote))
	}
	if a.Source != "" && a.Kind == pull.KindBundle {
		return wrong(key+".source", "a bundle says of each record itself what it is of")
	}
	if len(a.Ecosystems) > 0 && a.Kind != pull.KindOSV {
		return wrong(key+".ecosystems", "only an osv source is taken for some ecosystems")
	}
	if len(a.Ecosystems) > maxEcosystems {
		return wrong(key+".ecosystems", "there are %d: at most %d", len(a.Ecosystems), maxEcosystems)
	}
	for i, e := range a.Ecosystems {
		if e == "" || !plainText(e, 64) || strings.Contains(e, ":") {
			return wrong(fmt.Sprintf("%s.ecosystems[%d]", key, i), "%q is no ecosystem: want it without its release, as in Debian or npm", fault.Clip(e, maxQuote))
		}
	}
	return nil
}

// Pull returns the sources in the form in which they are fetched.
func (a Advisories) Pull() []pull.Source {
	out := make([]pull.Source, 0, len(a.Sources))
	for _, s := range a.Sources {
		of := s.Source
		switch {
		case of != "" || s.Kind == pull.KindBundle:
		case s.Kind == pull.KindKEV:
			of = "cisa-kev"
		case s.Kind == pull.KindEPSS || s.Kind == pull.KindNVD:
			of = s.Kind
		case s.URL != "" && s.Kind == pull.KindOSV: // a collection of everybody's records, whatever its name here is
			of = pull.KindOSV
		case s.URL != "":
			of = s.Name
		}
		out = append(out, pull.Source{
			Name: s.Name, Kind: s.Kind, URL: s.URL, Path: s.Path, CAFile: s.CAFile, TokenFile: s.TokenFile, Every: s.Every.Std(), Of: of, Ecosystems: s.Ecosystems,
		})
	}
	return out
}
