package plain

import (
	"flag"
	"strconv"
	"testing"
)

// Runs makes rapid's tests of a package run that often, or a tenth of it with -short, unless the command line
// says how often (-rapid.checks). It is for a TestMain.
func Runs(n int) {
	_ = flag.Set("rapid.checks", strconv.Itoa(n)) // it is rapid's own, so that it is there
	flag.Parse()
	if testing.Short() && flag.Lookup("rapid.checks").Value.String() == strconv.Itoa(n) {
		_ = flag.Set("rapid.checks", strconv.Itoa(n/10))
	}
}
