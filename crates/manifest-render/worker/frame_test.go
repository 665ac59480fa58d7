package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestFramesReadAsWritten(t *testing.T) {
	for _, payload := range []string{"", "{}", strings.Repeat("a", trustedPayload+1)} {
		var pipe bytes.Buffer
		if err := writeFrame(&pipe, 2, []byte(payload)); err != nil {
			t.Fatal(err)
		}
		read, err := readFrame(&pipe)
		if err != nil || read.kind != 2 || string(read.payload) != payload {
			t.Errorf("%d bytes: kind %d, %d bytes, %v", len(payload), read.kind, len(read.payload), err)
		}
		if _, err := readFrame(&pipe); err != io.EOF {
			t.Errorf("after the last frame: %v", err)
		}
	}
}

func TestBrokenFrames(t *testing.T) {
	for input, want := range map[string]string{
		"\x00":                             "inside the header",
		"\x00\x00\x00\x02\x01":             "inside a message",
		"\x00\x00\x00\x02\x01{":            "inside a message",
		"\x0f\xff\xff\xff\x01short":        "inside a message",
		"\x10\x00\x00\x01\x01":             "longer than 268435456 bytes",
		"\xff\xff\xff\xff\x01\x00\x00\x00": "longer than 268435456 bytes",
	} {
		_, err := readFrame(strings.NewReader(input))
		if err == nil || err == io.EOF || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestTooLongFrameIsNotWritten(t *testing.T) {
	if err := writeFrame(io.Discard, 3, make([]byte, maxPayload+1)); err != errTooLong {
		t.Errorf("%v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x01{}"))
	f.Add([]byte("\x00\x00\x00\x00\x03"))
	f.Add([]byte("\x0f\xff\xff\xff\x02"))
	f.Add([]byte("\xff\xff\xff\xff\x02"))
	f.Add([]byte("\x00\x00\x00\x01\x01a\x00\x00\x00\x01\x02b"))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := bytes.NewReader(input)
		for {
			before := r.Len()
			read, err := readFrame(r)
			if err != nil {
				return
			}
			var written bytes.Buffer
			if err := writeFrame(&written, read.kind, read.payload); err != nil {
				t.Fatal(err)
			}
			from := len(input) - before
			if !bytes.Equal(written.Bytes(), input[from:from+written.Len()]) {
				t.Fatalf("read %q, would write %q", input[from:], written.Bytes())
			}
		}
	})
}
