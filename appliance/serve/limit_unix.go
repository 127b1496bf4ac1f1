//go:build unix

package serve

import "syscall"

// maxLinks bounds the members whose links one server holds at once: as many as it may have files open, but for those
// that it needs otherwise.
func maxLinks() int {
	const others = 1024
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil || files.Cur > mostLinks+others {
		return mostLinks
	}
	return max(int(files.Cur)-others, int(files.Cur)/2)
}
