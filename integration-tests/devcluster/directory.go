package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A directory is the place of one control plane: what clients need lies at its top, what the components need in run/.
type directory struct {
	path    string
	lock    *os.File
	created bool
}

// claimDirectory creates and locks the directory and removes what a killed control plane left in it.
func claimDirectory(path string) (directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return directory{}, err
	}
	_, statErr := os.Stat(path)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return directory{}, err
	}
	lock, err := os.Open(path)
	if err != nil {
		return directory{}, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return directory{}, fmt.Errorf("another devcluster runs in %s: stop it or choose another --dir: %w", path, err)
	}
	d := directory{path: path, lock: lock, created: errors.Is(statErr, os.ErrNotExist)}
	if err := d.removeFiles(); err != nil {
		return directory{}, err
	}
	return d, os.MkdirAll(d.runDir(), 0o700)
}

func (d directory) kubeconfigFile() string          { return filepath.Join(d.path, "kubeconfig") }
func (d directory) caFile() string                  { return filepath.Join(d.path, "ca.crt") }
func (d directory) serverFile() string              { return filepath.Join(d.path, "server") }
func (d directory) logFile(component string) string { return filepath.Join(d.path, component+".log") }
func (d directory) runDir() string                  { return filepath.Join(d.path, "run") }
func (d directory) runFile(name string) string      { return filepath.Join(d.runDir(), name) }

// remove deletes what the control plane wrote, and the directory if it was made for it and nobody else put anything there.
func (d directory) remove() error {
	err := d.removeFiles()
	if d.created {
		_ = os.Remove(d.path)
	}
	return errors.Join(err, d.lock.Close())
}

func (d directory) removeFiles() error {
	err := d.removeRun()
	for _, c := range componentNames {
		err = errors.Join(err, removeIfExists(d.logFile(c)))
	}
	return err
}

// removeRun deletes everything but the logs.
func (d directory) removeRun() error {
	return errors.Join(
		os.RemoveAll(d.runDir()),
		removeIfExists(d.kubeconfigFile()),
		removeIfExists(d.caFile()),
		removeIfExists(d.serverFile()),
	)
}

func removeIfExists(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
