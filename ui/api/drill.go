package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// drillRoutes is the operations on what only a host's site holds.
func (s *Server) drillRoutes() {
	op(s, http.MethodGet, "/hosts/{host}/packages", "get-host-packages", "A page of what is installed on a host, asked of its site", s.hostPackages)
	op(s, http.MethodGet, "/hosts/{host}/certificates", "get-host-certificates", "A page of the certificates on a host, asked of its site", s.hostCertificates)
	op(s, http.MethodGet, "/hosts/{host}/facts", "get-host-facts", "The facts of a host's system, asked of its site", s.hostFacts)
	op(s, http.MethodGet, "/hosts/{host}/history", "get-host-history", "What a host had, and what changed between two versions, asked of its site", s.hostHistory)
	op(s, http.MethodGet, "/commands/{id}/output/{host}", "get-command-output", "A page of what a command printed on a host, asked of its site", s.commandOutput)
}

type drillInput struct {
	Host   string `path:"host" maxLength:"255" doc:"id, or a host name that only one host has"`
	Limit  int    `query:"limit" minimum:"1" maximum:"5000" default:"500"`
	Cursor string `query:"cursor" maxLength:"96" doc:"next of the page before"`
}

func (in *drillInput) params() map[string]string {
	return map[string]string{model.ParamLimit: strconv.Itoa(in.Limit), model.ParamCursor: in.Cursor}
}

// drilled asks a host's site, which at a site is this server, and returns its answer with what stands above every one.
func drilled[T any](ctx context.Context, s *Server, name, route string, params map[string]string, head func(*T) *model.Answered) (T, schema.Answered, error) {
	var d T
	var top schema.Answered
	host, err := s.findHost(ctx, name)
	if err != nil {
		return d, top, err
	}
	by, err := s.placesFor([]model.Host{host})
	if err != nil {
		return d, top, err
	}
	place := placeOf(by, host.Site)
	link := s.linkOf(place)
	params[model.ParamHost] = host.ID.String()
	d, err = questioned[T](ctx, s, host.Site, route, params)
	if err != nil {
		return d, top, s.refused(ctx, host, place.Name, link, err)
	}
	a := head(&d)
	if a.Host != host.ID {
		return d, top, fault.New(fault.Corrupt, "ask site "+place.Name, "it answered about another host than %s", host.ID)
	}
	return d, schema.Answered{
		HostID: host.ID.String(), Hostname: host.Hostname, AnsweredBy: place.Name, AnsweredAt: a.At.Std(), AsOf: at(a.AsOf),
		Digest: a.Digest, Total: a.Total, Next: a.Next, Lacking: a.Lacks,
	}, nil
}

// questioned puts one question to a site.
func questioned[T any](ctx context.Context, s *Server, site model.SiteID, route string, params map[string]string) (d T, err error) {
	if s.c.Role == model.RoleSite {
		v, err := s.c.Answer(ctx, route, params)
		if err != nil {
			return d, err
		}
		d, ok := v.(T)
		if !ok {
			return d, fault.New(fault.Other, "", "%q was answered with %T", route, v)
		}
		return d, nil
	}
	raw, err := s.question(ctx, site, route, params)
	if err != nil {
		return d, err
	}
	if err := model.Decode(raw, &d); err != nil {
		return d, fault.New(fault.Corrupt, "", "the answer cannot be read: %w", err)
	}
	return d, nil
}

func (s *Server) hostPackages(ctx context.Context, in *drillInput) (*out[schema.HostPackages], error) {
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostPackages, in.params(), func(d *model.HostPackages) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	return &out[schema.HostPackages]{Body: schema.HostPackages{Answered: top, OS: d.OS.Name, Packages: each(d.Packages, packageRow)}}, nil
}

func (s *Server) hostCertificates(ctx context.Context, in *drillInput) (*out[schema.HostCertificates], error) {
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostCertificates, in.params(), func(d *model.HostCertificates) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	return &out[schema.HostCertificates]{Body: schema.HostCertificates{Answered: top, Certificates: each(d.Certificates, certificateRow)}}, nil
}

func (s *Server) hostFacts(ctx context.Context, in *hostInput) (*out[schema.HostFacts], error) {
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostFacts, map[string]string{}, func(d *model.HostFacts) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	return &out[schema.HostFacts]{Body: schema.HostFacts{Answered: top, Facts: factsRow(d.Facts)}}, nil
}

type outputInput struct {
	ID     string `path:"id"`
	Host   string `path:"host" maxLength:"255" doc:"id, or a host name that only one host has"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1048576" default:"262144" doc:"bytes"`
	Cursor string `query:"cursor" maxLength:"96" doc:"next of the page before"`
}

func (s *Server) commandOutput(ctx context.Context, in *outputInput) (*out[schema.CommandOutput], error) {
	id, err := model.ParseCommandID(in.ID)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read output", "%w", err)
	}
	params := map[string]string{model.ParamCommand: id.String(), model.ParamLimit: strconv.Itoa(in.Limit), model.ParamCursor: in.Cursor}
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostOutput, params, func(d *model.HostOutput) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	return &out[schema.CommandOutput]{Body: schema.CommandOutput{Answered: top, Command: d.Command.String(), Offset: d.Offset, Text: d.Text, Size: d.Size}}, nil
}

type historyInput struct {
	Host   string `path:"host" maxLength:"255" doc:"id, or a host name that only one host has"`
	Kind   string `query:"kind" enum:"packages,certificates,facts" default:"packages"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"96" doc:"next of the page before"`
	From   uint64 `query:"from" doc:"with to: what turns this version into that one"`
	To     uint64 `query:"to"`
}

func (s *Server) hostHistory(ctx context.Context, in *historyInput) (*out[schema.HostHistory], error) {
	params := map[string]string{model.ParamKind: in.Kind, model.ParamLimit: strconv.Itoa(in.Limit), model.ParamCursor: in.Cursor}
	if in.From == 0 && in.To == 0 {
		d, top, err := drilled(ctx, s, in.Host, model.RouteHostHistory, params, func(d *model.HostHistory) *model.Answered { return &d.Answered })
		if err != nil {
			return nil, err
		}
		return &out[schema.HostHistory]{Body: schema.HostHistory{Answered: top, Kind: d.Kind, Versions: each(d.Versions, versionRow)}}, nil
	}
	if in.From == 0 || in.To == 0 {
		return nil, fault.New(fault.Invalid, "read history", "two versions are wanted: from and to, each a number that the history shows")
	}
	params[model.ParamFrom], params[model.ParamTo] = strconv.FormatUint(in.From, 10), strconv.FormatUint(in.To, 10)
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostHistory, params, func(d *model.HostDiff) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	diff := schema.HostDiff{From: versionRow(d.From), To: versionRow(d.To), Sections: d.Sections}
	if p := d.Packages; p != nil {
		diff.AddedPackages = each(p.Added, diffPackage(model.PackageInstalled))
		diff.RemovedPackages = each(p.Removed, diffPackage(model.PackageRemoved))
		diff.ChangedPackages = each(p.Changed, packageChange)
		if p.OSFrom != nil && p.OSTo != nil {
			diff.OSFrom, diff.OSTo = p.OSFrom.Name, p.OSTo.Name
		}
	}
	if c := d.Certificates; c != nil {
		diff.AddedCertificates, diff.RemovedCertificates = each(c.Added, certificateRow), each(c.Removed, certificateRow)
		diff.ChangedCertificates = each(c.Changed, func(c model.CertificateChange) schema.CertificateChange {
			return schema.CertificateChange{From: certificateRow(c.From), To: certificateRow(c.To)}
		})
	}
	return &out[schema.HostHistory]{Body: schema.HostHistory{Answered: top, Kind: d.Kind, Diff: &diff}}, nil
}

// each converts a list; it is never nil.
func each[A, B any](list []A, fn func(A) B) []B {
	rows := make([]B, 0, len(list))
	for _, x := range list {
		rows = append(rows, fn(x))
	}
	return rows
}

func packageRow(p model.Package) schema.Package {
	return schema.Package{Manager: p.Manager, Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, SourceVersion: p.SourceVersion}
}

func diffPackage(change model.VersionChange) func(model.Package) schema.DiffPackage {
	return func(p model.Package) schema.DiffPackage {
		return schema.DiffPackage{Package: packageRow(p), Change: string(change)}
	}
}

// packageChange is a change as its site judged it. One that did not, because it is of an earlier version, or that says what
// this version does not know, leaves it open which way the package went.
func packageChange(c model.PackageChange) schema.PackageChange {
	row := schema.PackageChange{Manager: c.Manager, Name: c.Name, Arch: c.Arch, From: c.From, To: c.To, Change: string(model.PackageChanged)}
	if c.Change == model.PackageUpgraded || c.Change == model.PackageDowngraded {
		row.Change = string(c.Change)
	}
	return row
}

func certificateRow(c model.Certificate) schema.Certificate {
	return schema.Certificate{
		Path: c.Path, Subject: c.Subject, Issuer: c.Issuer, Serial: c.Serial, Names: c.Names, NotBefore: c.NotBefore.Std(),
		NotAfter: c.NotAfter.Std(), Fingerprint: c.Fingerprint, SelfSigned: c.SelfSigned, CA: c.CA, IssuedBy: c.IssuedBy,
	}
}

func versionRow(v model.Version) schema.HostVersion {
	return schema.HostVersion{
		N: v.N, At: v.At.Std(), AsOf: at(v.AsOf), Digest: v.Digest, Size: v.Size, Current: v.Current, Added: v.Added, Removed: v.Removed, Changed: v.Changed,
	}
}

func factsRow(f model.OSFacts) schema.OSFacts {
	return schema.OSFacts{
		Mounts:     each(f.Mounts, func(x model.Mount) schema.Mount { return schema.Mount(x) }),
		Disks:      each(f.Disks, func(x model.Disk) schema.Disk { return schema.Disk(x) }),
		Interfaces: each(f.Interfaces, func(x model.NetInterface) schema.NetInterface { return schema.NetInterface(x) }),
		DMI:        schema.DMI(f.DMI), CPU: schema.CPU(f.CPU), NTP: schema.NTP(f.NTP),
		Services:  each(f.Services, func(x model.Service) schema.Service { return schema.Service(x) }),
		Listeners: each(f.Listeners, func(x model.Listener) schema.Listener { return schema.Listener(x) }),
		Users:     each(f.Users, func(x model.User) schema.User { return schema.User(x) }),
		Sysctls:   each(f.Sysctls, func(x model.Sysctl) schema.Sysctl { return schema.Sysctl(x) }),
		Modules:   f.Modules, TimeZone: f.TimeZone, Cut: f.Cut,
	}
}
