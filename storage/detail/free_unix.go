//go:build unix

package detail

import "syscall"

// freeBytes returns the bytes that an ordinary user may still write on the file system of dir.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
