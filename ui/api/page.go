package api

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// NoncePlaceholder stands in the page's index.html where the nonce of each answer goes (Vite writes it:
// html.cspNonce).
const NoncePlaceholder = "SKERRY_CSP_NONCE"

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Skerry</title>
<h1>The page was not built into this program</h1>
<p>The server works: use the <code>skerry</code> command, or the interface under <code>/api/v1</code>.</p>
<p>To have the page, run <code>make web</code> and then <code>make build</code> in Skerry's source folder, and start the new program.</p>
</html>
`

// page serves the embedded application. A path that is no file is a view inside the application, so
// it gets index.html.
type page struct {
	files fs.FS
	index []byte
	c     Config
}

func newPage(files fs.FS, built bool, c Config) http.Handler {
	p := page{files: files, index: []byte(notBuilt), c: c}
	if built {
		if index, err := fs.ReadFile(files, "index.html"); err == nil {
			p.index = index
		}
	}
	return p
}

// ServeHTTP implements http.Handler.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	switch {
	case strings.HasPrefix(name, "api/") || name == "api":
		newProblem(http.StatusNotFound, fault.NotFound,
			"there is no operation "+r.Method+" "+r.URL.Path+"; /openapi.json lists them").write(w)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		newProblem(http.StatusMethodNotAllowed, fault.Invalid, "the page is only read").write(w)
		return
	}
	if name != "" && name != "index.html" && !strings.HasPrefix(path.Base(name), ".") {
		if info, err := fs.Stat(p.files, name); err == nil && info.Mode().IsRegular() {
			p.file(w, r, name)
			return
		}
		// A missing file is not a view: answering with the page would hide that it is missing.
		if strings.HasPrefix(name, "assets/") {
			newProblem(http.StatusNotFound, fault.NotFound, "there is no file /"+name+": reload the page").write(w)
			return
		}
	}
	p.shell(w)
}

// file serves one file. Those under assets/ have a digest in their name and never change.
func (p page) file(w http.ResponseWriter, r *http.Request, name string) {
	cache := "no-cache"
	if strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	http.ServeFileFS(w, r, p.files, name)
}

func (p page) shell(w http.ResponseWriter) {
	var b [16]byte
	if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
		newProblem(http.StatusInternalServerError, fault.Other, errors.Join(errors.New("no randomness"), err).Error()).write(w)
		return
	}
	nonce := base64.RawStdEncoding.EncodeToString(b[:])
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy(nonce))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(bytes.ReplaceAll(p.index, []byte(NoncePlaceholder), []byte(nonce)))
}
