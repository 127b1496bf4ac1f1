package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// alsoDefault are packages that many Debian machines have and a build machine may not.
const alsoDefault = "apache2-bin,bind9-libs,busybox,containerd,cpio,cups-common,curl,dnsmasq-base,docker.io,exim4-base,firefox-esr-l10n-en-gb,git,haproxy,inetutils-telnet," +
	"libavcodec59,libcurl4,libarchive13,libpng16-16,libpq5,libssh-4,libxml2,linux-libc-dev,mariadb-common,nginx-common,openssh-client,openvpn,php8.2-common,podman,postfix,qemu-system-data,python3-django," +
	"redis-tools,rsync,runc,samba-libs,screen,squid-common,sudo,systemd,tomcat10-common,unbound,vim-common,wget,wpasupplicant"

// binary is one binary package in its newest version.
type binary struct {
	name, source, version string
	size                  int64
	local                 bool // that version is installed
}

// command runs a program and returns what it prints.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args[:min(3, len(args))], " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// changelogs returns the changelog of each source package that is installed or named in also, in the
// newest version that apt knows, sorted by name.
func changelogs(ctx context.Context, debs string, also []string) ([]changelog, error) {
	all, err := binaries(ctx, also)
	if err != nil {
		return nil, err
	}
	bySource := map[string][]binary{}
	for _, b := range all {
		bySource[b.source] = append(bySource[b.source], b)
	}
	names := make([]string, 0, len(bySource))
	for name := range bySource {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []changelog
	fetched := 0
	for _, name := range names {
		list := bySource[name]
		// What has to be fetched is newer than what is here; of that the smallest.
		slices.SortFunc(list, func(a, b binary) int {
			if a.local != b.local {
				if a.local {
					return 1
				}
				return -1
			}
			return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(a.name, b.name))
		})
		l := changelog{source: name}
		pending := !list[0].local
		for i, b := range list {
			if !pending || i == 4 {
				break
			}
			fetched++
			text, err := debChangelog(ctx, debs, b)
			if err != nil {
				return nil, err
			}
			if text != "" {
				l.texts = append(l.texts, text)
				break
			}
			pending = i+1 < len(list) && !list[i+1].local
		}
		for _, b := range list {
			text, err := localChangelog(b.name)
			if err != nil {
				return nil, err
			}
			if text != "" {
				l.texts = append(l.texts, text)
				break
			}
		}
		if len(l.texts) == 0 {
			log.Printf("no changelog: %s (%d binary packages)", name, len(list))
			continue
		}
		out = append(out, l)
	}
	log.Printf("%d source packages, %d of %d with a changelog; %d downloads", len(names), len(out), len(names), fetched)
	return out, nil
}

// binaries lists the installed packages and those of also that apt knows.
func binaries(ctx context.Context, also []string) ([]binary, error) {
	raw, err := command(ctx, "", "dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n")
	if err != nil {
		return nil, err
	}
	has := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 && strings.HasPrefix(f[0], "ii") {
			has[f[1]] = f[2]
		}
	}
	names := slices.Clone(also)
	for name := range has {
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	raw, err = command(ctx, "", "apt-cache", append([]string{"policy"}, names...)...)
	if err != nil {
		return nil, err
	}
	var want []string
	local := map[string]bool{}
	name := ""
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, " ") {
			name, _, _ = strings.Cut(strings.TrimSpace(line), ":")
		}
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && v != "(none)" {
			want = append(want, name+"="+v)
			local[name] = has[name] == v
		}
	}
	raw, err = command(ctx, "", "apt-cache", append([]string{"show"}, want...)...)
	if err != nil {
		return nil, err
	}
	var out []binary
	for paragraph := range strings.SplitSeq(string(raw), "\n\n") {
		var b binary
		for line := range strings.Lines(paragraph) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "Package":
				b.name = value
			case "Source":
				b.source, _, _ = strings.Cut(value, " ")
			case "Version":
				b.version = value
			case "Size":
				b.size, _ = strconv.ParseInt(value, 10, 64)
			}
		}
		b.source = cmp.Or(b.source, b.name)
		b.local = local[b.name]
		if b.name != "" && slices.Contains(want, b.name+"="+b.version) {
			out = append(out, b)
		}
	}
	return out, nil
}

// localChangelog reads the changelog of an installed package; "" if its documentation is not here.
func localChangelog(name string) (string, error) {
	for _, file := range []string{"changelog.Debian.gz", "changelog.gz"} {
		b, err := os.ReadFile(filepath.Join("/usr/share/doc", name, file))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if text, err := gunzip(b); err != nil || header.MatchString(text) {
			return text, err
		}
	}
	return "", nil
}

// debChangelog downloads a package and reads the changelog in it; "" if it has none.
func debChangelog(ctx context.Context, debs string, b binary) (string, error) {
	pattern := filepath.Join(debs, b.name+"_"+strings.ReplaceAll(b.version, ":", "%3a")+"_*.deb")
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		log.Printf("download %s %s (%d KB)", b.name, b.version, b.size/1024)
		if _, err := command(ctx, debs, "apt-get", "download", "-q", b.name+"="+b.version); err != nil {
			return "", err
		}
		if found, err = filepath.Glob(pattern); err != nil || len(found) == 0 {
			return "", fmt.Errorf("apt-get download left no %s", pattern)
		}
	}
	raw, err := command(ctx, "", "dpkg-deb", "--fsys-tarfile", found[0])
	if err != nil {
		return "", err
	}
	tr := tar.NewReader(bytes.NewReader(raw))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		file := strings.TrimPrefix(h.Name, "./usr/share/doc/"+b.name+"/")
		if h.Typeflag != tar.TypeReg || file != "changelog.Debian.gz" && file != "changelog.gz" {
			continue
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return "", err
		}
		if text, err := gunzip(body); err != nil || header.MatchString(text) {
			return text, err
		}
	}
}

func gunzip(b []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(z, 64<<20))
	return string(text), err
}
