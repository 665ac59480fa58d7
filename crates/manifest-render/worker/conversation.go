package main

import (
	"bufio"
	"fmt"
	"io"
)

// A conversation is the two pipes to the daemon.
type conversation struct {
	in  *bufio.Reader
	out *bufio.Writer
}

func newConversation(in io.Reader, out io.Writer) *conversation {
	return &conversation{in: bufio.NewReaderSize(in, 64<<10), out: bufio.NewWriterSize(out, 64<<10)}
}

// receive waits for a message of the kind that is due. The error is io.EOF where the daemon has nothing more to say.
func (c *conversation) receive(due byte) ([]byte, error) {
	read, err := readFrame(c.in)
	if err != nil {
		return nil, err
	}
	if read.kind != due {
		return nil, fmt.Errorf("a message of kind %d came where %d is due", read.kind, due)
	}
	return read.payload, nil
}

// say sends a message.
func (c *conversation) say(kind byte, value any) error {
	payload, err := encode(value)
	if err != nil {
		return err
	}
	if err := writeFrame(c.out, kind, payload); err != nil {
		return err
	}
	return c.out.Flush()
}

// greet says hello and checks the daemon's.
func (c *conversation) greet(versions versions) error {
	hello := workerHello{Protocol: protocolVersion, Helm: versions.Helm, Kustomize: versions.Kustomize}
	if err := c.say(toDaemonHello, hello); err != nil {
		return err
	}
	payload, err := c.receive(fromDaemonHello)
	if err != nil {
		return err
	}
	var theirs daemonHello
	if err := decode(payload, &theirs); err != nil {
		return fmt.Errorf("the daemon's hello does not parse: %w", err)
	}
	if theirs.Protocol != protocolVersion {
		return fmt.Errorf("the daemon speaks version %d of the protocol, this worker version %d; install both from one release",
			theirs.Protocol, protocolVersion)
	}
	return nil
}
