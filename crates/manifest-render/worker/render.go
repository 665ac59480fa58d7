package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
)

// A verdict is how a render ended.
type verdict struct {
	// The message for the daemon.
	kind    byte
	message any
	// Nobody is left to tell.
	broken error
	// The process is in a state that nobody knows.
	panicked bool
}

// perform renders what was asked for.
func perform(asked *request, look *lookups, complaints io.Writer) verdict {
	var done rendered
	var err error
	panicked := false
	warnings := hear(func() {
		defer func() {
			if cause := recover(); cause != nil {
				panicked = true
				err = &failure{kind: failInternal, message: fmt.Sprintf("the library panicked: %v", cause)}
				fmt.Fprintf(complaints, "driftless-render-worker: panic: %v\n%s", cause, debug.Stack())
			}
		}()
		switch {
		case asked.Helm != nil:
			done.Output, done.Unstable, err = renderHelm(asked.Helm, look, asked.Limits.OutputBytes)
		case asked.Kustomize != nil:
			done.Output, done.Unstable, err = renderKustomize(asked.Kustomize, look, asked.Limits.OutputBytes)
		default:
			done.Output, err = renderJsonnet(asked.Jsonnet, look, asked.Limits.OutputBytes)
		}
	})
	var broken *brokenConversation
	if errors.As(look.err, &broken) {
		return verdict{broken: broken.err}
	}
	// What a library made of a file that could not be read does not count.
	if look.err != nil && !panicked {
		err = look.err
	}
	if err != nil {
		return verdict{kind: toDaemonFailed, message: message(err), panicked: panicked}
	}
	done.Warnings = warnings
	return verdict{kind: toDaemonRendered, message: done}
}
