package probe

import "golang.org/x/sys/unix"

func sizeMB(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return int64(s.Blocks) * int64(s.Bsize) >> 20, nil
}

// synchronised asks the kernel whether somebody keeps its clock right.
func synchronised() *bool {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return nil
	}
	return new(t.Status&unix.STA_UNSYNC == 0)
}
