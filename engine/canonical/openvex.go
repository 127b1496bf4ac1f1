package canonical

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const opVEX = "read OpenVEX document"

// The members of an OpenVEX 0.2.0 document (github.com/openvex/spec) that are facts. Earlier versions write products and
// vulnerabilities as plain texts.
type (
	vexDocument struct {
		Context    string               `json:"@context"`
		ID         string               `json:"@id"`
		Author     string               `json:"author"`
		Timestamp  string               `json:"timestamp"`
		Updated    string               `json:"last_updated"`
		Version    jsontext.Value       `json:"version"`
		Statements listOf[vexStatement] `json:"statements"`
	}
	vexStatement struct {
		Vulnerability vexVulnerability   `json:"vulnerability"`
		Products      listOf[vexProduct] `json:"products"`
		Status        string             `json:"status"`
		Justification string             `json:"justification"`
		Impact        string             `json:"impact_statement"`
		Timestamp     string             `json:"timestamp"`
		Updated       string             `json:"last_updated"`
	}
	vexVulnerability struct {
		Name    string   `json:"name"`
		Aliases []string `json:"aliases"`
	}
	vexProduct struct {
		ID          string `json:"@id"`
		Identifiers struct {
			PURL string `json:"purl"`
		} `json:"identifiers"`
		Parts listOf[vexProduct] `json:"subcomponents"`
	}
)

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *vexVulnerability) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '"' {
		*v = vexVulnerability{}
		return json.UnmarshalDecode(dec, &v.Name)
	}
	type plain vexVulnerability
	return json.UnmarshalDecode(dec, (*plain)(v))
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *vexProduct) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '"' {
		*p = vexProduct{}
		return json.UnmarshalDecode(dec, &p.ID)
	}
	type plain vexProduct
	return json.UnmarshalDecode(dec, (*plain)(p))
}

// purl returns the package URL of a product; empty: it has none.
func (p *vexProduct) purl() string {
	for _, s := range []string{p.Identifiers.PURL, p.ID} {
		if _, ok := readPURL(s); ok {
			return s
		}
	}
	return ""
}

// openVEX makes one record of each vulnerability that the document speaks of: what it states of products. Its id is made of the
// document's, which stays when the document is written anew, and the vulnerability's name.
//
// What is said of a part of a product is said of the product alone: the part may well be concerned elsewhere.
func (d *Decoded) openVEX(source, name string, raw []byte) error {
	var in vexDocument
	if err := decodeAs(opVEX, raw, &in); err != nil {
		return err
	}
	if !strings.HasPrefix(in.Context, "https://openvex.dev/ns") {
		return fault.New(fault.Invalid, opVEX, "its @context is %s; want https://openvex.dev/ns", quote(in.Context))
	}
	if in.ID == "" || len(in.ID) > maxPURL {
		return fault.New(fault.Invalid, opVEX, "its @id is empty or longer than %d bytes", maxPURL)
	}
	published, err := when(in.Timestamp)
	if err != nil {
		return fault.New(fault.Invalid, opVEX, "timestamp: %w", err)
	}
	updated, err := when(in.Updated)
	if err != nil {
		return fault.New(fault.Invalid, opVEX, "last_updated: %w", err)
	}
	sum := sha256.Sum256([]byte(in.ID))
	begin := "VEX-" + hex.EncodeToString(sum[:8]) + ":"
	d.Document = &Document{Source: source, ID: in.ID, Prefix: begin, At: cmp.Or(updated, published), Revision: revisionOf(in.Version)}
	defer func() { d.Document.Whole = len(d.Bad) == 0 }()
	places := map[string]int{}
	var records []*model.Advisory
	var states []*stating
	for i := range in.Statements {
		s := &in.Statements[i]
		part := fmt.Sprintf("statement %d", i+1)
		about := strings.TrimSpace(s.Vulnerability.Name)
		if err := s.check(); err != nil {
			d.bad(name, part, err)
			continue
		}
		at, err := s.at(cmp.Or(updated, published))
		if err != nil {
			d.bad(name, part, err)
			continue
		}
		n, ok := places[strings.ToUpper(about)]
		if !ok {
			aliases, err := identifiers("aliases", append([]string{about}, s.Vulnerability.Aliases...))
			if err != nil {
				d.bad(name, part, err)
				continue
			}
			n = len(records)
			places[strings.ToUpper(about)] = n
			a := &model.Advisory{
				AdvisoryKey: model.AdvisoryKey{Source: source, ID: begin + about},
				Aliases:     aliases, Published: published, Modified: d.Document.At, Revision: d.Document.Revision,
				Summary: oneLine("Statements of "+orElse(in.Author, in.ID)+" about "+about, maxSummary),
			}
			records, states = append(records, a), append(states, newStating(a, at))
		}
		states[n].at = at
		for j := range s.Products {
			if err := s.say(states[n], &s.Products[j]); err != nil {
				d.bad(name, part, err)
				break
			}
		}
	}
	for i, a := range records {
		states[i].finish()
		if err := checkID(a.ID); err != nil {
			d.bad(name, "vulnerability "+quote(a.ID), err)
			continue
		}
		if err := d.add(*a); err != nil {
			return err
		}
	}
	return nil
}

// check says whether a statement can be kept.
func (s *vexStatement) check() error {
	switch model.StatementStatus(s.Status) {
	case model.StatementNotAffected:
		// The format wants one of the two: a claim of safety without a reason is none.
		if s.Justification == "" && s.Impact == "" {
			return fmt.Errorf("it is not_affected without a justification or an impact_statement")
		}
	case model.StatementAffected, model.StatementFixed, model.StatementUnderReview:
	default:
		return fmt.Errorf("the status is %s; want not_affected, affected, fixed or under_investigation", quote(s.Status))
	}
	if err := checkID(strings.TrimSpace(s.Vulnerability.Name)); err != nil {
		return fmt.Errorf("vulnerability: %w", err)
	}
	if len(s.Products) == 0 {
		return fmt.Errorf("it names no products")
	}
	return nil
}

// at returns when the statement was made.
func (s *vexStatement) at(document model.Time) (model.Time, error) {
	for _, text := range []string{s.Updated, s.Timestamp} {
		at, err := when(text)
		if err != nil || !at.IsZero() {
			return at, err
		}
	}
	return document, nil
}

func (s *vexStatement) say(to *stating, p *vexProduct) error {
	purl := p.purl()
	if purl == "" {
		return nil
	}
	if to.stated++; to.stated > maxStated {
		return fmt.Errorf("it speaks of more than %d products", maxStated)
	}
	note := oneLine(s.Impact, maxSummary)
	for i := range p.Parts {
		if part := p.Parts[i].purl(); part != "" {
			note = oneLine(strings.TrimSpace(note+" (of "+part+" in it)"), maxSummary)
		}
		if len(note) == maxSummary {
			break
		}
	}
	return to.state(purl, model.StatementStatus(s.Status), s.Justification, note)
}
