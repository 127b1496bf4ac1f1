//go:build !linux

package probe

import "errors"

func sizeMB(string) (int64, error) { return 0, errors.ErrUnsupported }

func synchronised() *bool { return nil }
