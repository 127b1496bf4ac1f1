package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

// Volume is a file system of its own, ext4 in an image file, whose power can be cut. A cut throws away what is in
// memory alone: data that was not synced, and the journal of the file system with it. The image itself is a file of
// the machine, so a barrier that a disk would have needed is not missed.
type Volume struct {
	Dir   string // where it is mounted
	image string
	on    bool
}

const (
	shutdownIoctl = 0x8004587d // EXT4_IOC_SHUTDOWN
	noLogFlush    = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
)

// NoVolumes says why there can be no Volume here; "" if there can.
func NoVolumes() string {
	if why := Missing(true, "mkfs.ext4", "mount", "umount"); why != "" {
		return why
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return "this needs loop devices: " + err.Error()
	}
	return ""
}

// NewVolume makes a volume of size bytes below dir, formatted and mounted. Close it.
func NewVolume(dir string, size int64) (*Volume, error) {
	v := &Volume{Dir: filepath.Join(dir, "volume"), image: filepath.Join(dir, "volume.img")}
	if err := os.MkdirAll(v.Dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(v.image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, err
	}
	return v, v.Format()
}

// Format empties the volume.
func (v *Volume) Format() error {
	if err := v.Unmount(); err != nil {
		return err
	}
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", v.image); err != nil {
		return err
	}
	return v.Mount()
}

// Mount mounts the volume, which repairs it from its journal after a cut.
func (v *Volume) Mount() error {
	if v.on {
		return nil
	}
	var err error
	for range 300 {
		if err := run("mount", "-o", "loop", v.image, v.Dir); err != nil {
			return err
		}
		v.on = true
		probe := filepath.Join(v.Dir, ".probe")
		if err = os.WriteFile(probe, nil, 0o600); err == nil {
			return os.Remove(probe)
		}
		if !errors.Is(err, syscall.EIO) {
			return err
		}
		// A namespace of mounts that somebody made meanwhile (ip netns exec does) has a copy of the last mount, and
		// with it the file system whose power was cut, until it ends.
		if err := v.Unmount(); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
	return fmt.Errorf("mount %s: %w", v.Dir, err)
}

// Cut cuts the power: from here on nothing is written, and what was not durable is gone once the volume is unmounted.
func (v *Volume) Cut() error {
	f, err := os.Open(v.Dir)
	if err != nil {
		return err
	}
	defer f.Close()
	how := uint32(noLogFlush)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdownIoctl, uintptr(unsafe.Pointer(&how))); e != 0 {
		return fmt.Errorf("cut the power of %s: %w", v.Dir, e)
	}
	return nil
}

// Unmount unmounts the volume; no process may use it any more.
func (v *Volume) Unmount() error {
	if !v.on {
		return nil
	}
	var err error
	for range 50 {
		// A process that was killed lets go of its files a moment after it was waited for, if threads of it were in the kernel.
		if err = syscall.Unmount(v.Dir, 0); err == nil {
			v.on = false
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	return fmt.Errorf("unmount %s: %w", v.Dir, err)
}

// Again unmounts and mounts: after a Cut, it is the machine starting again.
func (v *Volume) Again() error {
	if err := v.Unmount(); err != nil {
		return err
	}
	return v.Mount()
}

// filler is the file that takes the room on a volume.
func (v *Volume) filler() string { return filepath.Join(v.Dir, "filler") }

// Fill takes all room on the volume but left bytes, as something else on a disk does. It may be repeated.
func (v *Volume) Fill(left int64) error {
	f, err := os.OpenFile(v.filler(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	for try := int64(64 << 20); try >= 4096; { // a little at a time, since the file system needs some for itself
		var s syscall.Statfs_t
		if err := syscall.Statfs(v.Dir, &s); err != nil {
			return err
		}
		more := min(try, (int64(s.Bavail)*s.Bsize-left)&^4095)
		if more <= 0 {
			return nil
		}
		switch err := syscall.Fallocate(int(f.Fd()), 0, size, more); {
		case err == nil:
			size += more
		case errors.Is(err, syscall.ENOSPC):
			try /= 2
		default:
			return fmt.Errorf("fill %s: %w", v.Dir, err)
		}
	}
	return nil
}

// Empty gives the room back that Fill took.
func (v *Volume) Empty() error { return os.Remove(v.filler()) }

// Close unmounts the volume and removes its image.
func (v *Volume) Close() error {
	return errors.Join(v.Unmount(), os.Remove(v.image))
}
