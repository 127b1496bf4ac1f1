package serve

import (
	"bufio"
	"crypto/sha256"
	"io"
	"os"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of the file with the tokens of those who may fetch bundles.
const (
	maxFetchers   = 1000
	maxFetchFile  = 2 << 20 // bytes
	minFetchToken = 16      // bytes of a token
	maxFetchToken = 1024
)

// Fetchers reads who may fetch bundles from the file of federation.tokens_file, for api.Federation.Fetchers: lines NAME TOKEN; empty ones
// and those that begin with # count for nothing. A name may have two tokens, so that one can be changed for the other. "" is no file, and
// nobody.
func Fetchers(path string) (map[[sha256.Size]byte]string, error) {
	const op = "read who may fetch bundles"
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w; write lines NAME TOKEN to the file that federation.tokens_file names, or leave that out", err)
	}
	defer func() { _ = f.Close() }()
	all := map[[sha256.Size]byte]string{}
	lines := bufio.NewScanner(io.LimitReader(f, maxFetchFile+1))
	size := 0
	for n := 1; lines.Scan(); n++ {
		size += len(lines.Bytes()) + 1
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		// What stands there is a secret, so that no message repeats it.
		switch {
		case len(words) != 2:
			return nil, fault.New(fault.Invalid, op, "%s: line %d has %d words: want NAME TOKEN", path, n, len(words))
		case !model.IsName(words[0]):
			return nil, fault.New(fault.Invalid, op, "%s: line %d: its name is none: want 1 to 64 of a-z 0-9 . _ - that begin with a letter or digit", path, n)
		case len(words[1]) < minFetchToken || len(words[1]) > maxFetchToken:
			return nil, fault.New(fault.Invalid, op, "%s: line %d: its token has %d characters: want %d to %d, as `openssl rand -hex 32` makes them", path, n, len(words[1]), minFetchToken, maxFetchToken)
		case strings.ContainsFunc(words[1], func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fault.New(fault.Invalid, op, "%s: line %d: its token has other characters than printable ASCII", path, n)
		}
		key := sha256.Sum256([]byte(words[1]))
		if other, twice := all[key]; twice && other != words[0] {
			return nil, fault.New(fault.Invalid, op, "%s: line %d: %s has the same token as %s", path, n, words[0], other)
		}
		all[key] = words[0]
	}
	switch {
	case lines.Err() != nil:
		return nil, fault.New(fault.Invalid, op, "%s: %w", path, lines.Err())
	case size > maxFetchFile || len(all) > maxFetchers:
		return nil, fault.New(fault.Invalid, op, "%s: it has more than %d tokens or %d bytes", path, maxFetchers, maxFetchFile)
	}
	return all, nil
}
