// Command skerry-agent is the agent that stands on a host.
package main

import (
	"os"

	"github.com/skerryhq/skerry/appliance/agent"
)

func main() { os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
