package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// startTimeout is generous: a machine may be busy compiling.
const startTimeout = 3 * time.Minute

func init() {
	commands["up"] = func(args []string) int {
		// The kernel ends the components when the thread that started them ends: the main thread.
		runtime.LockOSThread()
		flags := flag.NewFlagSet("up", flag.ExitOnError)
		dir := flags.String("dir", "", "directory for the kubeconfig, logs and data; required")
		nodes := flags.Int("nodes", 1, "number of fake nodes")
		_ = flags.Parse(args)
		if *dir == "" || *nodes < 0 || flags.NArg() > 0 {
			fmt.Fprintln(os.Stderr, "devcluster up: usage: devcluster up --dir DIR [--nodes N]")
			return 2
		}
		if err := up(*dir, *nodes); err != nil {
			fmt.Fprintln(os.Stderr, "devcluster up:", err)
			return 1
		}
		return 0
	}
}

// up runs a control plane until it is told to stop, which is no error, or a component ends.
func up(path string, nodes int) (err error) {
	ctx, cancel := untilStopped()
	d, err := claimDirectory(path)
	if err != nil {
		return err
	}
	c := &cluster{directory: d, died: cancel}
	defer func() {
		// The components' ends are expected from here on.
		cancel(errStopped)
		c.killAll()
		if err == nil {
			err = d.remove()
		} else {
			// The logs stay: the error tells where they are.
			err = errors.Join(err, d.removeRun())
		}
	}()
	if err := c.startAll(ctx, nodes); err != nil {
		return stopCause(ctx, err)
	}
	fmt.Printf("ready KUBECONFIG=%s\n", d.kubeconfigFile())
	<-ctx.Done()
	return stopCause(ctx, nil)
}

// stopCause gives the reason for which ctx ended, nil when that was asked for, and otherwise err.
func stopCause(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errStopped) {
		return nil
	}
	if cause != nil {
		return cause
	}
	return err
}

// A cluster is a control plane in the making.
type cluster struct {
	directory directory
	died      func(error)
	port      string
	processes []*process
}

// startAll returns when the control plane can be used.
func (c *cluster) startAll(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("not ready after %s: see the logs in %s", startTimeout, c.directory.path))
	defer cancel()
	var err error
	if c.port, err = holdPort(); err != nil {
		return fmt.Errorf("reserve a loopback port: %w", err)
	}
	if err := writeCredentials(c.directory, "https://127.0.0.1:"+c.port); err != nil {
		return fmt.Errorf("write certificates and keys: %w", err)
	}
	if err := writeStages(c.directory); err != nil {
		return fmt.Errorf("write the stages of fake nodes and pods: %w", err)
	}
	if err := c.start("etcd", "kube-apiserver"); err != nil {
		return err
	}
	client, err := newClient(c.directory)
	if err != nil {
		return err
	}
	if err := waitForAPI(ctx, client); err != nil {
		return fmt.Errorf("wait for the API server: %w", context.Cause(ctx))
	}
	if err := c.start("kube-controller-manager", "kube-scheduler", "kwok"); err != nil {
		return err
	}
	if err := createNodes(ctx, client, nodes); err != nil {
		return fmt.Errorf("create the fake nodes: %w", err)
	}
	return waitForControllers(ctx, client, nodes)
}

func (c *cluster) start(components ...string) error {
	for _, name := range components {
		p, err := start(c.directory, name, c.port, c.died)
		if err != nil {
			return err
		}
		c.processes = append(c.processes, p)
	}
	return nil
}

// killAll ends clients before servers, so that none has time to complain in its log.
func (c *cluster) killAll() {
	for _, p := range slices.Backward(c.processes) {
		p.kill()
	}
}
