package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An output is text up to a bound.
type output struct {
	text  strings.Builder
	limit int
}

// Write adds to the output, or fails with a failure of kind limit.
func (o *output) Write(more []byte) (int, error) { return o.WriteString(string(more)) }

// WriteString adds to the output, or fails with a failure of kind limit.
func (o *output) WriteString(more string) (int, error) {
	if o.text.Len()+len(more) > o.limit {
		return 0, &failure{kind: failLimit, message: fmt.Sprintf("the output is larger than %d bytes", o.limit)}
	}
	return o.text.WriteString(more)
}

// finished returns the output. The daemon is told text, so bytes that are none are an error instead of being replaced.
func (o *output) finished() (string, error) {
	text := o.text.String()
	if utf8.ValidString(text) {
		return text, nil
	}
	line := 1
	for at, char := range text {
		if char == '\n' {
			line++
		}
		if char == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[at:]); size == 1 {
				return "", fmt.Errorf("line %d of the output has bytes that are not UTF-8 text; encode binary data as base64", line)
			}
		}
	}
	return text, nil
}
