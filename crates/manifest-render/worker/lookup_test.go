package main

import (
	"errors"
	"testing"
)

func TestQuestionsAreAskedOnce(t *testing.T) {
	var asked []question
	look := repository{"/a/b.yaml": "b"}.lookups(&asked)
	for range 2 {
		look.read("/a/b.yaml")
		look.stat("/a/b.yaml")
		look.list("/a")
		look.stat("/a")
		look.stat("/")
	}
	if len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
}

func TestOutcomes(t *testing.T) {
	look := repository{"/a/b.yaml": "b", "/a/c/d.yaml": "d"}.lookups(nil)
	if content, found := look.read("/a/b.yaml"); string(content) != "b" || found != outcomeFile {
		t.Errorf("read of a file: %q, %d", content, found)
	}
	if _, found := look.read("/a"); found != outcomeDirectory {
		t.Errorf("read of a directory: %d", found)
	}
	if _, found := look.read("/b"); found != outcomeNothing {
		t.Errorf("read of nothing: %d", found)
	}
	if entries, _ := look.list("/a"); len(entries) != 2 || entries[1] != (entry{Name: "c", Dir: true}) {
		t.Errorf("list: %v", entries)
	}
	if files, _ := look.tree("/a"); len(files) != 2 || files[1] != "c/d.yaml" {
		t.Errorf("tree: %v", files)
	}
	if _, found := look.tree("/a/b.yaml"); found != outcomeFile {
		t.Errorf("tree of a file: %d", found)
	}
}

func TestFirstFailureStays(t *testing.T) {
	var asked []question
	look := repository{"/a": "fails: first", "/b": "fails: second", "/c": "c"}.lookups(&asked)
	for _, path := range []string{"/a", "/b", "/c"} {
		if _, found := look.read(path); found != outcomeNothing {
			t.Errorf("%s: %d", path, found)
		}
	}
	var known *failure
	if !errors.As(look.err, &known) || known.kind != failLookup || known.message != "fails: first" {
		t.Errorf("%v", look.err)
	}
	if len(asked) != 1 {
		t.Errorf("asked on: %v", asked)
	}
}

func TestListThatDoesNotParse(t *testing.T) {
	look := newLookups(func(question) (answer, error) { return answer{outcomeDirectory, []byte(`[{"size":1}]`)}, nil })
	look.list("/")
	var broken *brokenConversation
	if !errors.As(look.err, &broken) {
		t.Errorf("%v", look.err)
	}
}
