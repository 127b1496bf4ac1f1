// Command skerry is the server (as a controller or a site) and the command line to every server.
package main

import (
	"os"
	_ "time/tzdata" // an appliance may have no time zones of its own

	"github.com/skerryhq/skerry/appliance/cli"
)

func main() { os.Exit(cli.Main()) }
