// Package web holds the built web application, embedded into the program.
//
// It owns dist/, which `make web` fills from the page's source beside it. It never serves anything
// itself: ui/api does.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS returns the files of the page, index.html at the root, and whether the page was built into
// this program. The files are empty (but valid) where it was not.
func FS() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist, false
	}
	_, err = fs.Stat(files, "index.html")
	return files, err == nil
}
