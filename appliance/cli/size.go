package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// size is a flag with a number of bytes: 100MB, 64KiB, 1048576.
type size int64

// units are those that a size may have, the longer names first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	number, by := strings.TrimSpace(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, by = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<40/by {
		return fmt.Errorf("%q is no size: want a whole number with its unit, as in 100MB or 64KiB", text)
	}
	*s = size(n * by)
	return nil
}

// String implements pflag.Value: the largest unit that has no fraction.
func (s *size) String() string {
	n := int64(*s)
	if n == 0 {
		return ""
	}
	for _, u := range []string{"GB", "GiB", "MB", "MiB", "kB", "KiB"} {
		for _, x := range sizeUnits {
			if x.name == u && n%x.bytes == 0 {
				return strconv.FormatInt(n/x.bytes, 10) + u
			}
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type implements pflag.Value.
func (s *size) Type() string { return "size" }
