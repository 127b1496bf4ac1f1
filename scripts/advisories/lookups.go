package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/scripts/recorded"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/ui/api"
)

// lookupN is how many of each kind are measured, after a tenth of that to warm up; of searches by words, which look at everything, a
// hundredth.
const lookupN = 20_000

func decode(text string, v any) error {
	return json.NewDecoder(bytes.NewReader([]byte(text))).Decode(v)
}

// lookups stops the site and asks its index in this process.
func (b *bench) lookups(ctx context.Context, g *local.Group, site *local.Process) error {
	if err := g.End(site, syscall.SIGTERM); err != nil {
		return err
	}
	return b.look(ctx, filepath.Join(b.dir, "alone", "index"))
}

// look asks an index by all that one is asked by.
func (b *bench) look(ctx context.Context, dir string) error {
	store, err := index.Open(dir, index.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	v := store.View()
	defer v.Close()
	var cves []string
	crowded := model.Canonical{}
	if err := v.EachCanonical("", func(c model.Canonical) error {
		if model.IsCVE(c.ID) {
			cves = append(cves, c.ID)
		}
		if len(c.Members) > len(crowded.Members) {
			crowded = c
		}
		return nil
	}); err != nil {
		return err
	}
	installed, err := installedURLs()
	if err != nil {
		return err
	}
	if err := v.EachAdvisoryJSON(func([]byte) error { return nil }); err != nil { // so that the memory of the index counts for none
		return err
	}
	server := api.New(api.Config{Role: model.RoleSite, Store: serve.Rows{Store: store}})
	find := func(words, purl string) (int, error) {
		page, err := server.FindAdvisories(ctx, words, purl, 100)
		return page.Total, err
	}
	before, spent, began := held(), processor(unix.CLOCK_PROCESS_CPUTIME_ID), time.Now()
	if _, err := find("", "pkg:npm/express"); err != nil {
		return err
	}
	b.printf("\ncatalog: %.2f s, %.2f s of processor time; %d bytes for each canonical held",
		time.Since(began).Seconds(), (processor(unix.CLOCK_PROCESS_CPUTIME_ID) - spent).Seconds(), (held()-before)/int64(server.Catalogued()))
	b.printf("lookup, in process (seed %d): %d CVEs, %d package URLs of recorded inventories; wall time, and in brackets processor time, in us", b.seed, len(cves), len(installed))
	r := rand.New(rand.NewPCG(b.seed, 0))
	any := func(from []string) string { return from[r.IntN(len(from))] }
	raw, err := b.measure("a row read and not decoded", lookupN, 0, func() error { _, err := v.HasCanonical(any(cves)); return err })
	if err != nil {
		return err
	}
	get := func(id string) error { _, err := server.FindAdvisory(ctx, id); return err }
	search := func(words, purl string) error { _, err := find(words, purl); return err }
	kinds := []struct {
		name string
		n    int
		look func() error
	}{
		{"CVE, with all of its records", lookupN, func() error { return get(any(cves)) }},
		{"merge hash, the same", lookupN, func() error { return get(merge.Hash(any(cves))) }},
		{fmt.Sprintf("%s, of %d records", crowded.ID, len(crowded.Members)), lookupN / 10, func() error { return get(crowded.ID) }},
		{"package URL", lookupN, func() error { u, _, _ := strings.Cut(any(installed), "@"); return search("", u) }},
		{"package URL @version", lookupN, func() error { return search("", any(installed)) }},
		{"a word", lookupN / 100, func() error { return search("openssl", "") }},
		{"three words", lookupN / 100, func() error { return search("denial of service", "") }},
	}
	for _, purl := range heavy {
		n, err := find("", purl)
		if err != nil {
			return err
		}
		kinds = append(kinds, struct {
			name string
			n    int
			look func() error
		}{fmt.Sprintf("%s: %d", strings.TrimPrefix(purl, "pkg:"), n), lookupN / 20, func() error { return search("", purl) }})
	}
	for _, k := range kinds {
		if _, err := b.measure(k.name, k.n, raw, k.look); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// heavy are packages that most records name.
var heavy = []string{
	"pkg:deb/debian/linux@6.1.90-1?distro=debian-12", "pkg:deb/debian/linux@6.1.90-1", "pkg:deb/debian/linux", "pkg:deb/ubuntu/linux@4.15.0-20.21?distro=ubuntu-18.04",
	"pkg:apk/alpaquita/linux-lts@6.1.20-r0", "pkg:apk/alpaquita/linux-lts", "pkg:deb/debian/openssl@3.0.8-1", "pkg:apk/alpine/openssl@3.0.1-r0",
	"pkg:deb/ubuntu/chromium-browser@60.0-0ubuntu1", "pkg:apk/alpine/chromium@90.0-r0", "pkg:deb/debian/gcc-12@12.2.0-14", "pkg:bitnami/gitlab@15.0.0", "pkg:pypi/tensorflow@2.3.0",
}

// measure looks n times, after a warm-up, prints what that took, and returns the median of processor time; raw is that of what it is held
// against, 0 for none. The runtime's own work in between, as collecting what nobody uses, counts where this thread has to help.
func (b *bench) measure(name string, n int, raw time.Duration, look func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wall, work := make([]time.Duration, 0, n), make([]time.Duration, 0, n)
	for i := range n + n/10 {
		spent, began := processor(unix.CLOCK_THREAD_CPUTIME_ID), time.Now()
		if err := look(); err != nil {
			return 0, err
		}
		if i >= n/10 {
			wall, work = append(wall, time.Since(began)), append(work, processor(unix.CLOCK_THREAD_CPUTIME_ID)-spent)
		}
	}
	slices.Sort(wall)
	slices.Sort(work)
	at := func(p float64) string {
		i := int(p * float64(n-1))
		return fmt.Sprintf("%8.1f (%7.1f)", wall[i].Seconds()*1e6, work[i].Seconds()*1e6)
	}
	times := ""
	if raw > 0 {
		times = fmt.Sprintf(", %6.1f times a row", float64(work[n/2])/float64(raw))
	}
	b.printf("  %-58s p50 %s  p99 %s  max %s%s", name, at(0.5), at(0.99), at(1), times)
	return work[n/2], nil
}

// processor reads a clock of processor time.
func processor(clock int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// held is the memory in use by this process after collecting what is not.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// installedURLs are the packages of the recorded inventories in the versions that are installed, each once, sorted: by their source packages where the system's
// advisories name those.
func installedURLs() ([]string, error) {
	path, err := recorded.Path("dev-extras.tar.zst")
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	err = recorded.Each(path, func(name string, body []byte) error {
		var rows []struct {
			PURL, Version, Source string
			SourceVersion         string `json:"source_version"`
		}
		if !strings.HasPrefix(name, "inventories/") || json.Unmarshal(body, &rows) != nil {
			return nil
		}
		for _, r := range rows {
			at, qualifiers, _ := strings.Cut(r.PURL, "?")
			if r.Source != "" && (strings.HasPrefix(at, "pkg:deb/") || strings.HasPrefix(at, "pkg:apk/")) {
				at = at[:strings.LastIndex(at, "/")+1] + url.PathEscape(r.Source) + "@" + url.PathEscape(cmp.Or(r.SourceVersion, r.Version))
			}
			if qualifiers != "" {
				at += "?" + qualifiers
			}
			if _, ok := exposure.ReadPackageURL(at); ok {
				all[at] = true
			}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(all)), err
}
