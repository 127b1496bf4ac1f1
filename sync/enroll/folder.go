package enroll

import (
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// identityDir is where a site and an agent keep their identity, in their data folder.
const identityDir = "identity"

// CheckFolder refuses a data folder that is of another program than that of a member of that kind, so that it can be called
// before anything is written there: a controller's, a site's, or an agent's. It reads no more than names and the kind in
// an identity, damaged or not; one that cannot be read at all is no matter of its. The error is Conflict.
func CheckFolder(data string, kind model.MemberKind) error {
	is, whose := folderOf(data)
	if is == "" || is == noun(kind) {
		return nil
	}
	what := is
	if whose != "" {
		what += " " + whose
	}
	article, advice := "a ", "set data: to another folder, or start it as what it is, with role: "+is
	if is == "agent" {
		article, advice = "an ", "set data: to another folder"
	}
	if noun(kind) == "agent" {
		advice = "give the agent a folder of its own with --data"
	}
	return fault.New(fault.Conflict, "open the data folder", "%s is the data folder of %s%s, and not of this %s: %s", data, article, what, noun(kind), advice)
}

// folderOf says what a data folder is of, with the name in its identity; "" where nothing tells.
func folderOf(data string) (is, whose string) {
	for _, dir := range []string{clusterDir, identityDir} {
		raw, err := os.ReadFile(filepath.Join(data, dir, identityFile))
		if err != nil || len(raw) > maxIdentity {
			continue
		}
		var s stored
		if model.Decode(raw, &s) == nil && s.Kind != "" {
			return noun(s.Kind), `"` + fault.Printable(fault.Clip(s.Name, 64)) + `"`
		}
	}
	// Without an identity, the stores tell.
	for _, x := range [...]struct{ name, is string }{
		{"raft", "controller"}, {"node-id", "controller"}, {"outbox.db", "site"}, {"detail", "site"},
	} {
		if _, err := os.Lstat(filepath.Join(data, x.name)); err == nil {
			return x.is, ""
		}
	}
	return "", ""
}
