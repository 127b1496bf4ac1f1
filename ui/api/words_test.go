package api

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

// What is refused by the shape of a request alone is said as a person would say it, and never repeats a value.
func TestRefusalsInWords(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		want         string
	}{
		{"POST", "/accounts", `{"name":"bob","password":"hunter2"}`, 422, "password: at least 8 characters"},
		{"POST", "/accounts", `{"name":"hunter2 hunter2","password":"correct horse"}`, 422, "name: " + nameWords},
		{"POST", "/accounts", `{"name":"","password":"correct horse"}`, 422, "name: " + nameWords},
		{"POST", "/accounts", `{"name":"` + strings.Repeat("hunter2", 10) + `","password":"correct horse"}`, 422, "name: at most 64 characters"},
		{"POST", "/accounts", `{"name":"bob"}`, 422, "password: it is missing"},
		{"POST", "/accounts", `{"name":"bob","password":"correct horse","hunter":1}`, 422, "hunter: there is no such field"},
		{"POST", "/accounts", `{"name":"bob","password":["hunter2"]}`, 422, "password: want a text"},
		{"POST", "/accounts", `hunter2`, 400, "the request's body: it is no JSON: invalid character 'h' looking for beginning of value"},
		{"POST", "/accounts", `["hunter2"]`, 422, "the request's body: want a JSON object"},
		{"POST", "/commands", `{"kind":"hunter2","site":"berlin","hosts":["a"]}`, 422, "kind: want one of ping, inventory.refresh"},
		{"POST", "/commands", `{"kind":"ping","site":"berlin","hosts":[7]}`, 422, "hosts[0]: want a text"},
		{"POST", "/sites", `{"name":"berlin","lat":91,"lng":0}`, 422, "lat: at most 90"},
		{"POST", "/sites", `{"name":"A","lat":91,"lng":-181,"x":1,"y":2}`, 422, "and 2 more"},
		{"GET", "/hosts?limit=hunter2", nil, 422, "limit: want a whole number from 1 to 1000"},
		{"GET", "/hosts?limit=0", nil, 422, "limit: want a whole number from 1 to 1000"},
		{"GET", "/hosts/facets?top=0", nil, 422, "top: want a whole number from 1 to 1000"},
		{"GET", "/hosts?limit=1&limit=2", nil, 422, "limit: give it once"},
		{"GET", "/hosts/export?format=hunter2", nil, 422, "format: want one of ndjson, csv"},
		{"GET", "/hosts/group?by=os,site&top=0", nil, 422, "top: at least 1"},
		{"PUT", "/federation/sites/a", `{"max_bundle_size":10000000000}`, 422, "max_bundle_size: at most 1 GiB"},
		{"PUT", "/searches/a", `{"query":7}`, 422, "query: want a text"},
		{"GET", "/hosts?hunter=1", nil, 422, "hunter: there is no such parameter"},
		{"POST", "/keys/trust", schema.KeyTrust{Name: "k", Public: strings.Repeat("hunter2", 1000)}, 422, "public: at most 4096 characters"},
		{"POST", "/keys/trust", `{"name":"k","public":"` + strings.Repeat("hunter2", maxJSON/7) + `"}`, 413, "larger than the 1048576 bytes that trust-key takes: is it the right file?"},
	} {
		p := read[schema.Problem](r, r.do(c.method, "/api/v1"+c.path, c.body), c.status)
		if c.want != p.Detail && !(strings.HasPrefix(c.want, "and ") || strings.HasPrefix(c.want, "larger")) || !strings.HasSuffix(p.Detail, c.want) {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, p.Detail, c.want)
		}
		if strings.Contains(p.Detail, "hunter2") || strings.Contains(p.Detail, "expected") {
			t.Errorf("%s %s: %q", c.method, c.path, p.Detail)
		}
	}
}
