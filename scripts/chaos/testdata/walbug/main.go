// Command walbug is a program of the rounds of scripts/chaos over a log store that is known to break: raft-wal 0.4.0, which
// panics at every start after a kill at the wrong moment. It is a module of its own, so that nothing else ever gets that version.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

func main() {
	dir := os.Args[1]
	if err := os.MkdirAll(dir, 0o700); err != nil {
		fmt.Println("bad wal", err)
		os.Exit(1)
	}
	l, err := wal.Open(dir, wal.WithSegmentSize(256<<10), wal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		fmt.Println("bad wal", err)
		os.Exit(1)
	}
	n, err := l.LastIndex()
	if err != nil {
		fmt.Println("bad wal", err)
		os.Exit(1)
	}
	fmt.Println("held wal", n)
	for n++; ; n++ {
		data := fmt.Append(nil, n, strings.Repeat("x", int(n*7919%3000)))
		if err := l.StoreLogs([]*raft.Log{{Index: n, Term: 1, Data: data}}); err != nil {
			fmt.Println("gone wal", err)
			os.Exit(1)
		}
		fmt.Println("ack wal", n)
	}
}
