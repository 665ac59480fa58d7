package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// An outcome says what is at a path.
type outcome byte

const (
	outcomeNothing outcome = iota
	outcomeFile
	outcomeDirectory
	outcomeFailed
)

// Added to the outcome of what links lead to; the length and the path of where that is come before the content.
const outcomeElsewhere outcome = 16

// A question is a look-up as the daemon reads it.
type question struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// An answer is what a look-up found.
type answer struct {
	outcome outcome
	content []byte
}

// An entry is a name in a directory.
type entry struct {
	Name string `json:"name"`
	Dir  bool   `json:"dir"`
}

// lookups are the files of one render. Each question is asked once.
type lookups struct {
	ask  func(question) (answer, error)
	seen map[question]answer
	// Where what is at a path really is, if links lead there.
	links map[string]string
	// What went wrong first. Libraries may pass over the failure of a read, so it is kept for the end of the render.
	err error
}

func newLookups(ask func(question) (answer, error)) *lookups {
	return &lookups{ask: ask, seen: map[question]answer{}, links: map[string]string{}}
}

// asking returns the look-ups of a render that is asked for in a conversation.
func (c *conversation) asking() *lookups {
	return newLookups(func(question question) (answer, error) {
		if err := c.say(toDaemonLookup, question); err != nil {
			return answer{}, &brokenConversation{err}
		}
		payload, err := c.receive(fromDaemonAnswer)
		if err != nil {
			return answer{}, &brokenConversation{err}
		}
		if len(payload) == 0 || outcome(payload[0])&^outcomeElsewhere > outcomeFailed {
			return answer{}, &brokenConversation{errors.New("an answer has no outcome that is known")}
		}
		return answer{outcome: outcome(payload[0]), content: payload[1:]}, nil
	})
}

// A brokenConversation means that there is nobody to answer any more.
type brokenConversation struct{ err error }

func (b *brokenConversation) Error() string { return b.err.Error() }
func (b *brokenConversation) Unwrap() error { return b.err }

func (l *lookups) find(op, path string) answer {
	question := question{Op: op, Path: path}
	if known, ok := l.seen[question]; ok {
		return known
	}
	if l.err != nil {
		return answer{}
	}
	found, err := l.ask(question)
	if err == nil && found.outcome >= outcomeElsewhere {
		found, err = l.follow(path, found)
	}
	if err == nil && found.outcome == outcomeFailed {
		err = &failure{kind: failLookup, message: string(found.content)}
	}
	if err != nil {
		l.err = err
		return answer{}
	}
	l.seen[question] = found
	return found
}

// follow takes note of where what is at a path really is.
func (l *lookups) follow(path string, found answer) (answer, error) {
	content := found.content
	if len(content) < 2 || len(content) < 2+int(binary.BigEndian.Uint16(content)) {
		return answer{}, &brokenConversation{errors.New("an answer ends before the path in it")}
	}
	end := 2 + int(binary.BigEndian.Uint16(content))
	l.links[path] = string(content[2:end])
	return answer{outcome: found.outcome - outcomeElsewhere, content: content[end:]}, nil
}

// real returns where what was asked about really is: links are followed.
func (l *lookups) real(path string) string {
	if at, linked := l.links[path]; linked {
		return at
	}
	return path
}

// read returns the content of a file.
func (l *lookups) read(path string) ([]byte, outcome) {
	found := l.find("read", path)
	return found.content, found.outcome
}

// stat tells what is at a path; what a read told is not asked again.
func (l *lookups) stat(path string) outcome {
	if path == "/" {
		return outcomeDirectory
	}
	for _, op := range []string{"read", "list", "tree"} {
		if known, ok := l.seen[question{Op: op, Path: path}]; ok {
			return known.outcome
		}
	}
	return l.find("stat", path).outcome
}

// list returns the entries of a directory, ordered by name.
func (l *lookups) list(path string) ([]entry, outcome) {
	var entries []entry
	found := l.names("list", path, &entries)
	return entries, found
}

// tree returns the paths of all files below a directory, relative to it.
func (l *lookups) tree(path string) ([]string, outcome) {
	var files []string
	found := l.names("tree", path, &files)
	return files, found
}

func (l *lookups) names(op, path string, into any) outcome {
	found := l.find(op, path)
	if found.outcome == outcomeDirectory {
		if err := decode(found.content, into); err != nil {
			l.err = &brokenConversation{fmt.Errorf("the answer to %s %s does not parse: %w", op, path, err)}
			return outcomeNothing
		}
	}
	return found.outcome
}

// pathError returns the error that an operating system gives where a file of the wanted sort is not there.
func pathError(op, path string, found outcome) error {
	problem := syscall.ENOENT
	switch found {
	case outcomeFile:
		problem = syscall.ENOTDIR
	case outcomeDirectory:
		problem = syscall.EISDIR
	}
	return &fs.PathError{Op: op, Path: path, Err: problem}
}
