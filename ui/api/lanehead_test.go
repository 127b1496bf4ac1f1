package api

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// plainOne is a head that is for the lane.
const plainOne = "GET /api/v1/hosts?q=status%3Aup&limit=5 HTTP/1.1\r\nHost: hq:8443\r\nAuthorization: Bearer abc\r\n\r\n"

// oddHeads are heads of which none is for the lane, by what is odd about them.
var oddHeads = map[string]string{
	"another path":           "GET /api/v1/hosts/web-01 HTTP/1.1\r\nHost: hq\r\n\r\n",
	"a path that only ends":  "GET /x/api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"an encoded path":        "GET /api/v1/%68osts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"dots":                   "GET /api/v1/x/../hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"two slashes":            "GET //api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"absolute":               "GET https://hq/api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"another method":         "POST /api/v1/sites HTTP/1.1\r\nHost: hq\r\n\r\n",
	"HEAD":                   "HEAD /api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"lower case":             "get /api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"HTTP/1.0":               "GET /api/v1/hosts HTTP/1.0\r\nHost: hq\r\n\r\n",
	"no version":             "GET /api/v1/hosts\r\nHost: hq\r\n\r\n",
	"two blanks":             "GET  /api/v1/hosts HTTP/1.1\r\nHost: hq\r\n\r\n",
	"a blank in the target":  "GET /api/v1/hosts?q=a b HTTP/1.1\r\nHost: hq\r\n\r\n",
	"no host":                "GET /api/v1/hosts HTTP/1.1\r\n\r\n",
	"two hosts":              "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nhost: other\r\n\r\n",
	"an empty host":          "GET /api/v1/hosts HTTP/1.1\r\nHost: \r\n\r\n",
	"an odd host":            "GET /api/v1/hosts HTTP/1.1\r\nHost: hq/x\r\n\r\n",
	"a length":               "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nContent-Length: 3\r\n\r\n",
	"no length":              "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nContent-Length: 0\r\n\r\n",
	"chunks":                 "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nTransfer-Encoding: chunked\r\n\r\n",
	"odd chunks":             "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nTransfer-Encoding : chunked\r\n\r\n",
	"an upgrade":             "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	"the last one":           "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nConnection: close\r\n\r\n",
	"an expectation":         "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nExpect: 100-continue\r\n\r\n",
	"a header folded":        "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nAccept: a\r\n b\r\n\r\n",
	"a blank before a colon": "GET /api/v1/hosts HTTP/1.1\r\nHost : hq\r\n\r\n",
	"no colon":               "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nAccept\r\n\r\n",
	"a bare line end":        "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\nContent-Length: 3\r\n\r\n",
	"a bare return":          "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\rX: y\r\n\r\n",
	"a zero":                 "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nAccept: a\x00b\r\n\r\n",
	"no ASCII":               "GET /api/v1/hosts?q=\xc3\xa9 HTTP/1.1\r\nHost: hq\r\n\r\n",
	"a tab":                  "GET /api/v1/hosts HTTP/1.1\r\nHost:\thq\r\n\r\n",
	"an unknown header":      "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n",
	"a long name":            "GET /api/v1/hosts HTTP/1.1\r\nHost: hq\r\n" + strings.Repeat("a", 40) + ": 1\r\n\r\n",
}

func TestPlainHead(t *testing.T) {
	for _, head := range []string{
		plainOne,
		"GET /api/v1/hosts HTTP/1.1\r\nhost: [::1]:8443\r\n\r\n",
		"GET /api/v1/sites HTTP/1.1\r\nHost: hq\r\nCookie: __Host-skerry=x\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n",
		"GET /api/v1/hosts/facets?fields= HTTP/1.1\r\nHost:hq\r\nSec-Fetch-Site: same-origin\r\n\r\n",
	} {
		if !plainHead([]byte(head)) {
			t.Errorf("not for the lane: %q", head)
		}
		for n := range head {
			if plainHead([]byte(head[:n])) || !maybePlain([]byte(head[:n])) {
				t.Errorf("the beginning %q is a head, or can become none", head[:n])
			}
		}
	}
	for name, head := range oddHeads {
		if plainHead([]byte(head)) {
			t.Errorf("%s is for the lane: %q", name, head)
		}
	}
	if maybePlain([]byte("POST /api/v1/hosts")) || maybePlain([]byte("GET /api/v2/")) {
		t.Error("what cannot become a head for the lane is waited for")
	}
}

// FuzzPlainHead: what is for the lane is, to http.ReadRequest, a request without a body that ends where its head
// does, and the lane's own reading of a head that comes again makes the same of it.
func FuzzPlainHead(f *testing.F) {
	f.Add([]byte(plainOne))
	for _, head := range oddHeads {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if len(head) > maxLaneHead || !bytes.HasSuffix(head, []byte("\r\n\r\n")) || bytes.Index(head, []byte("\r\n\r\n")) != len(head)-4 || !plainHead(head) {
			return
		}
		next := []byte(plainOne)
		in := bufio.NewReaderSize(bytes.NewReader(slices.Concat(head, head, next)), maxLaneHead)
		l := laneReader{r: in, remote: "r", state: &tls.ConnectionState{}}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		for range 2 {
			req, taken := l.request(head)
			if err != nil {
				if req != nil || !bytes.Equal(taken, head) {
					t.Fatalf("%q is a request in the lane alone, or %q of it were taken", head, taken)
				}
				return
			}
			if req == nil {
				t.Fatalf("%q is no request in the lane", head)
			}
			if req.ContentLength != 0 || req.Body != http.NoBody || len(req.TransferEncoding) > 0 || req.Close || req.Method != http.MethodGet || !slices.Contains(lanePaths, req.URL.Path) {
				t.Fatalf("%q is more than a plain request: %+v", head, req)
			}
			if !reflect.DeepEqual(req.URL, want.URL) || !reflect.DeepEqual(req.Header, want.Header) || req.Host != want.Host || req.RequestURI != want.RequestURI || req.Proto != want.Proto {
				t.Fatalf("%q is read as %+v, want %+v", head, req, want)
			}
		}
		rest := make([]byte, len(next)+1)
		if n, _ := in.Read(rest); !bytes.Equal(rest[:n], next[:n]) || n == 0 {
			t.Fatalf("behind %q comes %q", head, rest[:n])
		}
	})
}
