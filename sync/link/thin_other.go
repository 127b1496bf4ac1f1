//go:build !linux && !darwin

package link

import "net"

func thin(net.Conn) {}
