// Command devcluster runs a real Kubernetes control plane on loopback ports, without containers, for tests and demos.
//
// One binary holds every component: `devcluster up` starts itself again under the name of each of them, and `devcluster kubectl` is
// kubectl. Nodes and pods are kwok's fakes: pods become Ready and the pods of Jobs complete, unless the annotation devcluster/pod stops
// a pod at a phase (pending, running or failed). The control plane ends with the process that started it.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A command runs one subcommand with the arguments after its name and returns the exit code of the process.
type command func(args []string) int

// commands holds the subcommands by name; the files of this package add theirs in init.
var commands = map[string]command{}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		names := strings.Join(slices.Sorted(maps.Keys(commands)), ", ")
		fmt.Fprintf(os.Stderr, "devcluster: the first argument must be one of: %s\n", names)
		os.Exit(2)
	}
	os.Exit(commands[os.Args[1]](os.Args[2:]))
}
