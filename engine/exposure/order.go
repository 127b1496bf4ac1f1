package exposure

import "github.com/skerryhq/skerry/engine/model"

// OrderOf returns an ecosystem in whose order (see Compare) the versions of a package are; "" where none is known. Each
// manager has one order, also on systems whose advisories nobody publishes.
func OrderOf(os model.OS, p model.Package) string {
	if p.Ecosystem != "" {
		return p.Ecosystem
	}
	switch p.Manager {
	case "dpkg":
		return "Debian"
	case "apk":
		return "Alpine"
	case "rpm":
		return "AlmaLinux"
	}
	if names, _ := Ecosystems(os, p); len(names) > 0 {
		return names[0]
	}
	return ""
}
