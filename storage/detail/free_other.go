//go:build !unix

package detail

import "errors"

// freeBytes does not know.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
