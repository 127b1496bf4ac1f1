package api

import (
	"errors"
	"net"
	"syscall"
)

// peerUID returns the user on the other end of a Unix socket, as the kernel recorded it when it
// connected (SO_PEERCRED, unix(7)).
func peerUID(c net.Conn) (int, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, errors.New("not a Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
