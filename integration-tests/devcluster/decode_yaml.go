package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf16"
	"unicode/utf8"

	kubejson "k8s.io/apimachinery/pkg/util/json"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// What a request of decode-yaml holds.
const (
	yamlFile = 'y' // a stream of YAML or JSON documents, as in a .yaml or .yml file
	jsonFile = 'j' // exactly one JSON object, as in a .json file
)

// sniffBytes is how far the decoder of Kubernetes tooling looks for an opening brace.
const sniffBytes = 4096

func init() {
	commands["decode-yaml"] = func([]string) int {
		if err := serveDecodeYAML(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "devcluster decode-yaml: %v\n", err)
			return 1
		}
		return 0
	}
}

// serveDecodeYAML answers requests until the input ends. A request is one byte (yamlFile or jsonFile), the length of the file as four
// bytes, big-endian, and the file. An answer is 'k' and a JSON array of the documents that are not null, or 'e' and a message;
// either is followed by its length and itself in the same form.
func serveDecodeYAML(in io.Reader, out io.Writer) error {
	reader, writer := bufio.NewReaderSize(in, 1<<20), bufio.NewWriterSize(out, 1<<20)
	header := make([]byte, 5)
	for {
		if reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(reader, header); errors.Is(err, io.EOF) {
			return writer.Flush()
		} else if err != nil {
			return fmt.Errorf("reading the header of a request: %w", err)
		}
		file := make([]byte, binary.BigEndian.Uint32(header[1:]))
		if _, err := io.ReadFull(reader, file); err != nil {
			return fmt.Errorf("reading a request of %d bytes: %w", len(file), err)
		}
		status, answer := byte('k'), []byte(nil)
		documents, err := decodeFile(header[0], withoutByteOrderMark(file))
		if err == nil {
			answer, err = json.Marshal(documents)
		}
		if err != nil {
			status, answer = 'e', []byte(err.Error())
		}
		binary.BigEndian.PutUint32(header[1:], uint32(len(answer)))
		header[0] = status
		_, _ = writer.Write(header) // a failed write shows when the writer is flushed
		_, _ = writer.Write(answer)
	}
}

// A document takes any JSON value as an unstructured object would: integers of 64 bits stay integers.
type document struct{ value any }

func (d *document) UnmarshalJSON(data []byte) error {
	return kubejson.Unmarshal(data, &d.value)
}

func decodeFile(kind byte, file []byte) ([]any, error) {
	documents := []any{}
	if kind == jsonFile {
		decoder := json.NewDecoder(bytes.NewReader(file))
		var one document
		if err := decoder.Decode(&one); err != nil {
			return nil, err
		}
		if _, isObject := one.value.(map[string]any); !isObject {
			return nil, errors.New("found a value that is not an object")
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("found more than one object")
		}
		return append(documents, one.value), nil
	}
	decoder := kubeyaml.NewYAMLOrJSONDecoder(bytes.NewReader(file), sniffBytes)
	for {
		one := &document{}
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		if one != nil {
			documents = append(documents, one.value)
		}
	}
}

// withoutByteOrderMark does what Argo CD does when it opens a file: a mark is removed, and UTF-16 with a mark becomes UTF-8.
func withoutByteOrderMark(file []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(file, []byte("\xef\xbb\xbf")):
		return file[3:]
	case bytes.HasPrefix(file, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(file, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return file
	}
	units := make([]uint16, 0, len(file)/2)
	for rest := file[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	var out []byte
	for _, char := range utf16.Decode(units) {
		out = utf8.AppendRune(out, char)
	}
	return out
}
