package serve

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/skerryhq/skerry/appliance/config"
)

// WarnReadable warns of each file of secrets that c names and that everybody on this machine may read, or write. It is no error: in a container
// what is mounted for its one user often is like that. What cannot be looked at is left to who reads it.
func WarnReadable(c config.Config, log *slog.Logger) {
	files := []string{c.Federation.TokensFile, c.Federation.Webhook.SecretFile, c.Metrics.TokenFile}
	for _, s := range c.Advisories.Sources {
		files = append(files, s.TokenFile)
	}
	for _, path := range files {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
			log.Warn("everybody on this machine can get at a file of secrets: run chmod o= on it, and think about who has seen it", "file", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
		}
	}
}
