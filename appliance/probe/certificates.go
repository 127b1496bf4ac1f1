package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of a search for certificates.
const (
	maxCertFile  = 1 << 20 // bytes of one file
	maxCertDepth = 6       // folders below the given one
	maxCerts     = 5000    // of one host
	maxCertFiles = 50_000  // files and folders looked at
	maxCertNames = 100     // names of one certificate
	maxCertErrs  = 20      // errors returned
)

// keyFile matches the names that private keys go by; such files are not even opened.
var keyFile = regexp.MustCompile(`^((.*[-_.])?key|privkey\d*)\.(pem|crt|cer|der)$`)

// Certificates finds X.509 certificates, PEM or DER, in files named .pem, .crt, .cer or .der under the
// folders, each certificate of a chain, sorted by path and fingerprint, each with the one that issued it where
// that was found as well. It follows a link to a file or folder once.
//
// What it cannot read it leaves out and says so in the errors, at most 20 (NotFound for a folder that
// is not there); the list holds all else. An end of ctx is among the errors.
func Certificates(ctx context.Context, folders []string) ([]model.Certificate, []error) {
	s := search{ctx: ctx, seen: map[string]bool{}}
	for _, f := range folders {
		info, err := os.Stat(f)
		switch {
		case absent(err):
			s.fail(fault.New(fault.NotFound, "probe certificates", "the folder %s does not exist", f))
		case err != nil:
			s.fail(fault.New(fault.Other, "probe certificates", "%w", err))
		case !info.IsDir():
			s.fail(fault.New(fault.Invalid, "probe certificates", "%s is not a folder", f))
		default:
			s.folder(f, 0)
		}
	}
	slices.SortFunc(s.found, func(a, b parsed) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	s.found = slices.CompactFunc(s.found, func(a, b parsed) bool { return a.Path == b.Path && a.Fingerprint == b.Fingerprint })
	chain(s.found)
	var out []model.Certificate
	for _, c := range s.found {
		out = append(out, c.Certificate)
	}
	return out, s.errs
}

// parsed is a certificate with what ties it to the one that issued it.
type parsed struct {
	model.Certificate
	subject, issuer string // DER
	id, issuerID    string // key ids; empty: it names none
}

// chain finds for each certificate the one that issued it: a CA whose name is the issuer's, and whose key id is the
// one that it names where both say one. One in the same file comes before others, then the one that holds longest.
func chain(list []parsed) {
	named := map[string][]int{}
	for i, c := range list {
		if c.CA {
			named[c.subject] = append(named[c.subject], i)
		}
	}
	for i := range list {
		c := &list[i]
		if c.SelfSigned {
			continue
		}
		var best *parsed
		for _, j := range named[c.issuer] {
			by := &list[j]
			if by.Fingerprint == c.Fingerprint || by.id != "" && c.issuerID != "" && by.id != c.issuerID {
				continue
			}
			if best == nil || better(c, by, best) {
				best = by
			}
		}
		if best != nil {
			c.IssuedBy = best.Fingerprint
		}
	}
}

func better(c, a, b *parsed) bool {
	if here, there := a.Path == c.Path, b.Path == c.Path; here != there {
		return here
	}
	if a.NotAfter != b.NotAfter {
		return a.NotAfter > b.NotAfter
	}
	return a.Fingerprint < b.Fingerprint
}

type search struct {
	ctx     context.Context
	found   []parsed
	errs    []error
	seen    map[string]bool // folders by their real path, so that a link back up ends
	entries int
	stop    bool
}

func (s *search) fail(err error) {
	if len(s.errs) < maxCertErrs {
		s.errs = append(s.errs, err)
	}
}

func (s *search) give(err error) {
	if !s.stop {
		s.stop = true
		s.fail(err)
	}
}

func (s *search) folder(dir string, depth int) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		s.fail(fault.New(fault.Other, "probe certificates", "%w", err))
		return
	}
	// On Red Hat's relatives the folder of a host's own certificates has links into the trust store.
	if s.seen[real] || strings.Contains(real+"/", "/ca-trust/extracted/") {
		return
	}
	s.seen[real] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.fail(fault.New(fault.Other, "probe certificates", "%w", err))
		return
	}
	for _, e := range entries {
		if s.entries++; s.entries > maxCertFiles {
			s.give(fault.New(fault.TooLarge, "probe certificates", "stopped in %s: more than %d files to look at; configure narrower folders", dir, maxCertFiles))
		}
		if err := s.ctx.Err(); err != nil {
			s.give(fault.New(fault.Other, "probe certificates", "stopped in %s: %w", dir, err))
		}
		if s.stop {
			return
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows a link
		switch {
		case absent(err): // a dangling link, or gone since it was listed
		case err != nil:
			s.fail(fault.New(fault.Other, "probe certificates", "%w", err))
		case info.IsDir():
			if depth < maxCertDepth {
				s.folder(path, depth+1)
			}
		case info.Mode().IsRegular():
			s.file(path, e.Type()&os.ModeSymlink != 0)
		}
	}
}

func (s *search) file(path string, link bool) {
	name := strings.ToLower(filepath.Base(path))
	switch filepath.Ext(name) {
	case ".pem", ".crt", ".cer", ".der":
	default:
		return
	}
	if keyFile.MatchString(name) {
		return
	}
	if link {
		if real, err := filepath.EvalSymlinks(path); err != nil || strings.Contains(real, "/ca-trust/extracted/") {
			return
		}
	}
	b, err := readFile(path, maxCertFile)
	if err != nil {
		s.fail(fault.New(fault.KindOf(err), "probe certificates", "%w", err))
		return
	}
	list, err := parseCertificates(b)
	clear(b) // it may have held a private key beside the certificates
	if err != nil {
		s.fail(fault.New(fault.Corrupt, "probe certificates", "%s: %w", path, err))
	}
	for _, c := range list {
		if len(s.found) == maxCerts {
			s.give(fault.New(fault.TooLarge, "probe certificates", "stopped at %s: more than %d certificates; configure narrower folders", path, maxCerts))
			return
		}
		c.Path = clean(path)
		s.found = append(s.found, c)
	}
}

// parseCertificates returns the certificates of one file without their path. On an error the list
// holds those that could be read.
func parseCertificates(b []byte) ([]parsed, error) {
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		c, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "", "neither PEM nor a DER certificate: %w", err)
		}
		return []parsed{certificate(c)}, nil
	}
	var list []parsed
	var bad error
	for len(list) <= maxCerts {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			clear(block.Bytes)
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			bad = fault.New(fault.Corrupt, "", "certificate %d cannot be read: %w", len(list)+1, err)
			continue
		}
		list = append(list, certificate(c))
	}
	return list, bad
}

func certificate(c *x509.Certificate) parsed {
	sum := sha256.Sum256(c.Raw)
	out := model.Certificate{
		Subject: clip(c.Subject.String(), maxField), Issuer: clip(c.Issuer.String(), maxField), Serial: clip(c.SerialNumber.Text(16), 128),
		NotBefore: model.TimeOf(c.NotBefore), NotAfter: model.TimeOf(c.NotAfter), Fingerprint: hex.EncodeToString(sum[:]), CA: c.IsCA,
		// Names and key ids decide; the signature is not computed, as a file may hold a key of any size.
		SelfSigned: bytes.Equal(c.RawIssuer, c.RawSubject) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId)),
	}
	for _, n := range c.DNSNames {
		out.Names = append(out.Names, clip(n, maxName))
	}
	for _, a := range c.IPAddresses {
		out.Names = append(out.Names, a.String())
	}
	out.Names = out.Names[:min(len(out.Names), maxCertNames)]
	return parsed{
		Certificate: out, subject: string(c.RawSubject), issuer: string(c.RawIssuer), id: string(c.SubjectKeyId), issuerID: string(c.AuthorityKeyId),
	}
}
