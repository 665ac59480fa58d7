package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errStopped is the cause of an end that was asked for.
var errStopped = errors.New("stopped")

// parentDeathSignal is what the kernel sends when the thread that started devcluster has ended.
const parentDeathSignal = unix.SIGUSR2

// untilStopped gives a context that ends with errStopped at a signal or at the death of the parent process.
func untilStopped() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	parent := os.Getppid()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, parentDeathSignal)
	// Failing to ask for the signal would only mean that devcluster outlives its parent.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(parentDeathSignal), 0, 0, 0)
	go func() {
		for s := range signals {
			// The signal also comes when one thread of a parent that lives on has ended.
			if s != parentDeathSignal || os.Getppid() != parent {
				cancel(errStopped)
			}
		}
	}()
	return ctx, cancel
}

// A process is a component that runs. It dies with the thread that started it.
type process struct {
	command *exec.Cmd
	done    chan struct{}
}

// start runs this binary again as the component. The caller's goroutine must be locked to its thread. When the component ends,
// died is called with an error that shows the end of its log.
func start(d directory, component, port string, died func(error)) (*process, error) {
	log, err := os.Create(d.logFile(component))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, append([]string{component}, arguments(component, d, port)...)...)
	c.Dir = d.runDir()
	c.Env = append(os.Environ(), "HOME="+d.runDir(), "KUBECONFIG=")
	c.Stdout, c.Stderr = log, log
	// A group of its own keeps a Ctrl-C on the terminal from components: devcluster ends them.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", component, err)
	}
	p := &process{command: c, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = c.Wait()
		died(fmt.Errorf("%s ended (%s); the end of %s:\n%s", component, c.ProcessState, log.Name(), tail(log.Name(), 30)))
	}()
	return p, nil
}

// kill ends the process and waits until it is gone. There is nothing it would have to save.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.done
}

// tail gives the last lines of a file, at most 32 KiB of them.
func tail(path string, lines int) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	// A file that is shorter is read from its start.
	_, _ = file.Seek(-32<<10, io.SeekEnd)
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(content)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// holdPort reserves a free loopback port for as long as the process lives. The socket is bound but never listens, so
// connections go to the API server, which binds the same port: the kernel lets it share, and gives the port to nobody who asks for any.
func holdPort() (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return "", err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(address.(*unix.SockaddrInet4).Port), nil
}
