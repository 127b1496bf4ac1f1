package policy

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// verdict is the truth of a search about one host, where a value may not be known.
type verdict int8

const (
	no    verdict = -1
	maybe verdict = 0
	yes   verdict = 1
)

// truth is query.Match with a third answer: where a term is about a value that nobody knows of the host, neither it
// nor its opposite is true. The rest is Kleene's logic: the least of what stands together, the greatest of what is
// offered.
func truth(x query.Expr, h *model.Host, env query.Env) verdict {
	switch x := x.(type) {
	case query.And:
		v := yes
		for _, y := range x {
			v = min(v, truth(y, h, env))
		}
		return v
	case query.Or:
		v := no
		for _, y := range x {
			v = max(v, truth(y, h, env))
		}
		return v
	case query.Not:
		return -truth(x.X, h, env)
	case query.Term:
		if query.Match(x, h, env) {
			return yes
		}
		if !x.Unknown && !known(x.Field, h) {
			return maybe
		}
		return no
	}
	return yes // All
}

// known reports whether the host has a value of a field. A list that is empty, and an owner that nobody named, are
// known once the host told of itself.
func known(f query.Field, h *model.Host) bool {
	switch f {
	case query.FieldStatus:
		return query.StatusOf(h.Status) != model.HostUnknown
	case query.FieldSeen:
		return h.LastSeen != 0
	case query.FieldCVE, query.FieldSeverity:
		return h.ExposureAt != 0
	case query.FieldUpdates:
		return h.Updates != nil
	case query.FieldReboot:
		return h.RebootNeeded != nil
	case query.FieldCertificate:
		return h.CertificatesAt != 0
	case query.FieldPackages:
		return h.PackagesAt != 0
	case query.FieldUptime:
		return h.BootedAt != 0
	case query.FieldCPUs:
		return h.CPUs != 0
	case query.FieldMemory:
		return h.MemoryMB != 0
	case query.FieldKernel:
		return h.Kernel != ""
	case query.FieldArch:
		return h.Arch != ""
	case query.FieldAgent:
		return h.AgentVersion != ""
	case query.FieldOS:
		return h.OS.ID != "" || h.OS.Name != ""
	case query.FieldSerial:
		return h.Serial != ""
	case query.FieldName, query.FieldHostname, query.FieldFQDN, query.FieldIP, query.FieldMAC, query.FieldTag, query.FieldOwner, query.FieldSimulated, query.FieldAny:
		return h.FactsAt != 0
	}
	return true // whose it is, and since when
}

// missing names the first value that x is about and that is not known.
func missing(x query.Expr, h *model.Host) string {
	t, ok := find(x, func(t query.Term) bool { return !t.Unknown && !known(t.Field, h) })
	if !ok {
		return "something that it asks for is not known"
	}
	return t.Field.String() + " of this host is not known"
}

// Ages reports whether the outcome may change with the time alone.
func (x *Program) Ages() bool {
	ages := func(t query.Term) bool {
		k := t.Field.Info().Kind
		return k == query.KindAge || k == query.KindUntil
	}
	if _, ok := find(x.where, ages); ok {
		return true
	}
	for i := range x.checks {
		c := &x.checks[i]
		if c.Expect.Certificates != nil {
			return true
		}
		for _, y := range []query.Expr{c.where, c.expect} {
			if _, ok := find(y, ages); y != nil && ok {
				return true
			}
		}
	}
	return false
}
