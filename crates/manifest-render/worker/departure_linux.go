package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// followDaemon ends the process when the daemon is gone, also in the middle of a render that never ends.
func followDaemon(in *os.File) {
	descriptor := int32(in.Fd())
	go func() {
		for {
			watched := []unix.PollFd{{Fd: descriptor, Events: 0}}
			_, err := unix.Poll(watched, -1)
			if err == unix.EINTR {
				continue
			}
			if err != nil || watched[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
				break
			}
		}
		os.Exit(exitDone)
	}()
}
