// Command driftless-render-worker renders Helm charts and kustomizations for the daemon, as PROTOCOL.md says.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	// Templates format times of all zones, and no file is read once requests are.
	_ "time/tzdata"
)

// Exit statuses.
const (
	exitDone     = 0
	exitUsage    = 2
	exitProtocol = 3
	exitPanicked = 4
)

func main() { os.Exit(start(os.Args[1:])) }

func start(arguments []string) int {
	flags := flag.NewFlagSet("driftless-render-worker", flag.ContinueOnError)
	memory := flags.Int64("memory-limit", 0, "`bytes` of memory near which garbage is collected harder; 0 is no limit")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: driftless-render-worker [--memory-limit BYTES] [version]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(arguments); err != nil {
		return exitUsage
	}
	if flags.NArg() == 1 && flags.Arg(0) == "version" {
		if err := builtWith().print(os.Stdout); err != nil {
			return exitUsage
		}
		return exitDone
	}
	if flags.NArg() > 0 || *memory < 0 {
		flags.Usage()
		return exitUsage
	}
	if *memory > 0 {
		debug.SetMemoryLimit(*memory)
	}
	// What stays is kyaml's schema: marking it for every few megabytes of a render would take half of the time.
	debug.SetGCPercent(400)
	// One render at a time needs one thread, and the collector of garbage another.
	runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
	announceHelm()
	in, out, complaints := os.Stdin, os.Stdout, os.Stderr
	followDaemon(in)
	if err := confine(); err != nil {
		fmt.Fprintln(complaints, "driftless-render-worker: not confined by the kernel:", err)
	}
	return serve(newConversation(in, out), complaints)
}

// serve answers render requests until the daemon ends the conversation, and returns the exit status.
func serve(daemon *conversation, complaints io.Writer) int {
	ended := func(err error) int {
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return exitDone
		}
		fmt.Fprintln(complaints, "driftless-render-worker:", err)
		return exitProtocol
	}
	if err := daemon.greet(builtWith()); err != nil {
		return ended(err)
	}
	var memory memory
	for {
		payload, err := daemon.receive(fromDaemonRender)
		if err != nil {
			return ended(err)
		}
		asked, err := decodeRequest(payload)
		if err != nil {
			return ended(err)
		}
		memory.busy()
		answer := perform(asked, daemon.asking(), complaints)
		if answer.broken != nil {
			return ended(answer.broken)
		}
		err = daemon.say(answer.kind, answer.message)
		if errors.Is(err, errTooLong) {
			err = daemon.say(toDaemonFailed, message(&failure{kind: failLimit, message: "the output is longer than a message may be"}))
		}
		if err != nil {
			return ended(err)
		}
		if answer.panicked {
			return exitPanicked
		}
		memory.idle()
	}
}

// memory gives back what renders leave.
type memory struct {
	rest *time.Timer
}

// How long nothing is asked before memory is given back.
const restAfter = time.Second

// busy begins a render.
func (m *memory) busy() {
	if m.rest != nil {
		m.rest.Stop()
	}
}

// idle ends a render.
func (m *memory) idle() {
	if m.rest == nil {
		m.rest = time.AfterFunc(restAfter, debug.FreeOSMemory)
	} else {
		m.rest.Reset(restAfter)
	}
}
