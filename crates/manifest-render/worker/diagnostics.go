package main

import (
	"io"
	"log"
	"os"
	"slices"
	"strings"
)

// Bytes of what a library says during one render that are kept.
const maxDiagnostics = 64 << 10

// hear runs a render and returns what the libraries said meanwhile on standard error, standard output or through log:
// standard output is the daemon's, and a person reads warnings with what they are about.
func hear(render func()) []string {
	read, write, err := os.Pipe()
	if err != nil {
		render()
		return nil
	}
	heard := make(chan string)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(read, maxDiagnostics))
		// Who writes must not wait for a full pipe.
		_, _ = io.Copy(io.Discard, read)
		heard <- string(text)
	}()
	func() {
		stdout, stderr, flags := os.Stdout, os.Stderr, log.Flags()
		os.Stdout, os.Stderr = write, write
		log.SetOutput(write)
		log.SetFlags(0)
		defer func() {
			os.Stdout, os.Stderr = stdout, stderr
			log.SetOutput(stderr)
			log.SetFlags(flags)
			write.Close()
		}()
		render()
	}()
	text := <-heard
	read.Close()
	return lines(text)
}

// lines returns the lines of a text that say something, each once.
func lines(text string) []string {
	said := []string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return said
}
