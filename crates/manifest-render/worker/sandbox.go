package main

import (
	"os"
	"time"
)

// confine takes from the process what renders have no use for: the environment, standard input and output, the local
// time zone, and, where the kernel can, all ways to files, other processes and the network.
func confine() error {
	os.Clearenv()
	// The daemon's; a library that uses them would break into the conversation.
	os.Stdin, os.Stdout = nil, nil
	// Output is the same wherever the worker runs.
	time.Local = time.UTC
	return confineKernel()
}
