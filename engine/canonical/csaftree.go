package canonical

import (
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of the products of a CSAF document.
const (
	maxProducts  = 100_000
	maxProductID = 1_024 // bytes
)

// The members of a CSAF product tree (docs.oasis-open.org/csaf/csaf/v2.0, section 3.2.2) that are read.
type (
	csafTree struct {
		Branches      listOf[csafBranch]       `json:"branches"`
		Names         listOf[csafProduct]      `json:"full_product_names"`
		Relationships listOf[csafRelationship] `json:"relationships"`
		Groups        []struct {
			ID       string   `json:"group_id"`
			Products []string `json:"product_ids"`
		} `json:"product_groups"`
	}
	csafBranch struct {
		Category string             `json:"category"`
		Name     string             `json:"name"`
		Product  *csafProduct       `json:"product"`
		Branches listOf[csafBranch] `json:"branches"`
	}
	csafProduct struct {
		ID     string `json:"product_id"`
		Helper struct {
			PURL string `json:"purl"`
			CPE  string `json:"cpe"`
		} `json:"product_identification_helper"`
	}
	csafRelationship struct {
		Category string      `json:"category"`
		Product  csafProduct `json:"full_product_name"`
		Part     string      `json:"product_reference"`
		Whole    string      `json:"relates_to_product_reference"`
	}
)

// product is what a product id of a document stands for.
type product struct {
	purl     string // as it is written; empty: it has none
	platform string // the CPE of what it is part of, or its own
	versions string // a vers: range, in place of a version
}

// products returns every product of the tree by its id.
func (t *csafTree) products() (map[string]product, error) {
	out := map[string]product{}
	put := func(p *csafProduct, to product) error {
		if len(p.ID) == 0 || len(p.ID) > maxProductID {
			return fault.New(fault.Invalid, opCSAF, "the product id %s is empty or longer than %d bytes", quote(p.ID), maxProductID)
		}
		if _, twice := out[p.ID]; twice {
			return fault.New(fault.Invalid, opCSAF, "the product id %s is there twice", quote(p.ID))
		}
		if len(out) >= maxProducts {
			return fault.New(fault.TooLarge, opCSAF, "it has more than %d products", maxProducts)
		}
		if to.purl == "" {
			to.purl = p.Helper.PURL
		}
		if to.platform == "" {
			to.platform = p.Helper.CPE
		}
		out[p.ID] = to
		return nil
	}
	var walk func(list []csafBranch, versions string) error
	walk = func(list []csafBranch, versions string) error { // as deep as scanTo allows
		for i := range list {
			b := &list[i]
			inside := versions
			if b.Category == "product_version_range" {
				inside = b.Name
			}
			if b.Product != nil {
				if err := put(b.Product, product{versions: inside}); err != nil {
					return err
				}
			}
			if err := walk(b.Branches, inside); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(t.Branches, ""); err != nil {
		return nil, err
	}
	for i := range t.Names {
		if err := put(&t.Names[i], product{}); err != nil {
			return nil, err
		}
	}
	for i := range t.Relationships {
		r := &t.Relationships[i]
		part, whole := out[r.Part], out[r.Whole]
		if err := put(&r.Product, product{purl: orElse(r.Product.Helper.PURL, part.purl), platform: whole.platform, versions: part.versions}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// versRange reads a version range (vers:npm/>=1.0.0|<2.0.0) as exact versions and as ranges. false: it says something that
// events cannot, or nothing that is understood.
func versRange(text string) (versions []string, ranges []model.Range, ok bool) {
	rest, ok := strings.CutPrefix(text, "vers:")
	if !ok || len(text) > maxPURL {
		return nil, nil, false
	}
	kind, list, ok := strings.Cut(rest, "/")
	if !ok || list == "" {
		return nil, nil, false
	}
	form := "ECOSYSTEM"
	if kind == "npm" || kind == "semver" || kind == "golang" || kind == "cargo" {
		form = "SEMVER"
	}
	open := "" // introduced, and not yet at an end
	end := func(e model.Event) {
		from := orElse(open, "0")
		ranges = append(ranges, model.Range{Type: form, Events: []model.Event{{Introduced: from}, e}})
		open = ""
	}
	ended := false
	for c := range strings.SplitSeq(list, "|") {
		v, valid := unescape(strings.TrimSpace(c))
		op := v[:len(v)-len(strings.TrimLeft(v, "<>=!"))]
		v = v[len(op):]
		if !valid || v == "" || len(v) > maxName {
			return nil, nil, false
		}
		switch {
		case v == "*":
			if op != "" || list != c {
				return nil, nil, false
			}
			return nil, []model.Range{{Type: form, Events: []model.Event{{Introduced: "0"}}}}, true
		case op == "" || op == "=":
			versions = append(versions, v)
		case op == ">=" && open == "":
			open = v
		case (op == "<" || op == "<=") && (open != "" || !ended):
			ended = true
			if op == "<" {
				end(model.Event{Fixed: v})
			} else {
				end(model.Event{LastAffected: v})
			}
		default: // > and != are no events; two ends in a row mean nothing
			return nil, nil, false
		}
	}
	if open != "" {
		ranges = append(ranges, model.Range{Type: form, Events: []model.Event{{Introduced: open}}})
	}
	return versions, ranges, true
}
