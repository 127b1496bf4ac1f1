package api

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
)

// Federation is what goes for all bundles. The zero value: every origin whose signature is trusted, of any size, and signed.
type Federation struct {
	// AllowedSites are origins, by the name or id that their bundles carry, whose bundles are imported beside those that have a
	// model.Partner. Where there are neither, those of every origin are.
	AllowedSites []string
	MaxBundle    int64 // bytes of a file; zero: the limit of the format
	// Unsigned lets any bundle be imported without a signature that holds, where that is asked for.
	Unsigned bool
	// UnsignedTrusted lets bundles of the named origins be.
	UnsignedTrusted bool
	// NoForce refuses bundles that are not newer than what is held, also where it is asked for.
	NoForce bool
	// MaxItems is how many changes an export holds at the most where nobody says how many; zero: all.
	MaxItems int
	// Fetchers are those who may fetch bundles and do nothing else, by the SHA-256 of the bearer token that they send.
	Fetchers map[[sha256.Size]byte]string
}

// permit is what is allowed of the bundles of one origin.
type permit struct {
	name    string // of the origin, for people
	why     string // why nothing is; empty: it is
	first   string // what to do about that, where it is something else than to add or enable the origin
	max     int64  // bytes; zero: no bound of its own
	sources []string
	pin     *model.Partner // the row that it is allowed by, where that has no origin yet
	// unsigned says that a signature need not hold, where that is asked for.
	unsigned, force bool
}

// permitted returns what is allowed of an origin, by its name or id. What this server or its controller made is always allowed.
func (s *Server) permitted(v View, self model.NodeID, m bundle.Manifest) (permit, error) {
	partners, err := v.Partners()
	if err != nil {
		return permit{}, err
	}
	var first model.NodeID
	if len(partners)+len(s.c.Federation.AllowedSites) > 0 { // else names mean nothing
		if first, err = holder(v, m.OriginName); err != nil {
			return permit{}, err
		}
	}
	return s.permitOf(partners, self, m.Origin, m.OriginName, first), nil
}

// errFound ends a walk that has what it looked for.
var errFound = errors.New("found")

// holder is who a name is of: the origin whose bundles were the first to be imported here under it with a signature that held; zero: none
// were. Without one, name and origin are whatever somebody wrote.
func holder(v View, name string) (first model.NodeID, err error) {
	err = v.EachImport(func(i model.ImportHead) error {
		if i.OriginName != name || i.Unsigned {
			return nil
		}
		first = i.Origin
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return first, err
}

func (s *Server) permitOf(partners []model.Partner, self, origin model.NodeID, name string, holder model.NodeID) permit {
	f := s.c.Federation
	p := permit{name: name, max: f.MaxBundle, unsigned: f.Unsigned, force: !f.NoForce}
	if p.name == "" {
		p.name = origin.String()
	}
	own := origin == self || !s.c.Controller.IsZero() && origin == s.c.Controller
	// A name is what the bundle says of itself: whoever was the first to have it here keeps it, and a row by the id goes before it.
	another := !holder.IsZero() && holder != origin
	var disabled, taken bool
	i := -1
	for n, x := range partners {
		byID := x.Name == origin.String()
		if !byID && x.Name != name {
			continue
		}
		if !byID && (x.Origin.IsZero() && another || !x.Origin.IsZero() && x.Origin != origin) {
			taken = true
			continue
		}
		disabled = disabled || !x.Enabled
		if i < 0 || byID {
			i = n
		}
	}
	named := slices.Contains(f.AllowedSites, origin.String())
	if !named && slices.Contains(f.AllowedSites, name) {
		named, taken = !another && !taken, taken || another
	}
	switch {
	case i >= 0:
		x := partners[i]
		if x.MaxBundle > 0 {
			p.max = x.MaxBundle
		}
		p.sources = x.Sources
		if x.Origin.IsZero() && x.Name != origin.String() {
			p.pin = &x
		}
		p.unsigned = p.unsigned || x.SkipSignature || f.UnsignedTrusted
		if disabled && !own {
			p.why = "imports of it are disabled here"
		}
	case named:
		p.unsigned = p.unsigned || f.UnsignedTrusted
	case taken && !own:
		p.why, p.first = "that name is another site's here", "add this one by its id first"
	case own:
	case len(partners)+len(f.AllowedSites) > 0:
		p.why = "it is not among the sites whose bundles are imported here"
	}
	return p
}

// AdmitSize judges by what is allowed of an origin whether a bundle of so many bytes may come at all, before it does. The kinds
// of its errors: Denied and TooLarge.
func (s *Server) AdmitSize(origin model.NodeID, name string, size int64) error {
	v, done := s.c.Store.View()
	defer done()
	self, _, err := v.Self()
	if err != nil {
		return err
	}
	m := bundle.Manifest{Origin: origin, OriginName: name}
	p, err := s.permitted(v, self.Self, m)
	if err != nil {
		return err
	}
	return p.check(m, size, false, TakeIn{})
}

// check judges a bundle by what is allowed of its origin.
func (p permit) check(m bundle.Manifest, size int64, unsigned bool, how TakeIn) error {
	const op = "import bundle"
	switch {
	case p.why != "":
		return fault.New(fault.Denied, "", "Site not allowed: the bundle is of %s (%s), and %s; %s", p.name, m.Origin, p.why, cmp.Or(p.first, "add or enable that site first"))
	case p.max > 0 && size > p.max:
		return fault.New(fault.TooLarge, "", "Bundle too large: it has %d bytes, and at most %d are taken of %s; raise that bound, or export a smaller delta or parts", size, p.max, p.name)
	case unsigned && !p.unsigned:
		return fault.New(fault.Denied, "", "Signature verification failed: no trusted key signed the bundle, and the policy of %s does not allow to import it all the same", p.name)
	case how.Force && !p.force:
		return fault.New(fault.Denied, op, "the configuration of this server does not allow to force imports")
	}
	return nil
}

// speaks reports whether the origin may speak for a source.
func (p permit) speaks(source string) bool {
	return len(p.sources) == 0 || slices.Contains(p.sources, source)
}
