package main

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The argument that makes the test binary a worker.
const servingChild = "serving-child"

// A worker whose daemon is killed must not go on with a render that never ends.
func TestWorkerEndsWithTheDaemonInTheMiddleOfARender(t *testing.T) {
	worker := exec.Command(os.Args[0], servingChild)
	in, err := worker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer worker.Process.Kill()
	send := func(kind byte, payload string) {
		buffered := bufio.NewWriter(in)
		if err := writeFrame(buffered, kind, []byte(payload)); err != nil {
			t.Fatal(err)
		}
		if err := buffered.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	answers := bufio.NewReader(out)
	receive := func(due byte) {
		got, err := readFrame(answers)
		if err != nil || got.kind != due {
			t.Fatalf("%v, %v; kind %d is due", got, err, due)
		}
	}
	send(fromDaemonHello, `{"protocol":1}`)
	receive(toDaemonHello)
	send(fromDaemonRender, `{"limits":{"outputBytes":1000},"helm":null,"kustomize":null,"jsonnet":{"path":"/a.jsonnet","extVars":[],"tlas":[],"libs":[]}}`)
	receive(toDaemonLookup)
	send(fromDaemonAnswer, "\x01local f(x) = f(x + 1) tailstrict; f(0)")
	in.Close()
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the worker goes on without its daemon")
	}
}
