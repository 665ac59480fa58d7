package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The longest payload of a frame.
const maxPayload = 256 << 20

// A payload up to this size is allocated before it has arrived.
const trustedPayload = 1 << 20

// A frame is one message: its kind and its payload.
type frame struct {
	kind    byte
	payload []byte
}

// errTooLong is the error of what does not fit into a frame.
var errTooLong = fmt.Errorf("a message is longer than %d bytes", maxPayload)

// readFrame reads one frame. The error is io.EOF only where the input ends between frames.
func readFrame(r io.Reader) (frame, error) {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return frame{}, io.EOF
		}
		return frame{}, fmt.Errorf("the input ends inside the header of a message: %w", err)
	}
	length := binary.BigEndian.Uint32(header[:4])
	if length > maxPayload {
		return frame{}, errTooLong
	}
	payload, err := readPayload(r, int(length))
	if err != nil {
		return frame{}, fmt.Errorf("the input ends inside a message: %w", err)
	}
	return frame{kind: header[4], payload: payload}, nil
}

// readPayload allocates no more than a few times what arrives, whatever length the header promises.
func readPayload(r io.Reader, length int) ([]byte, error) {
	if length <= trustedPayload {
		payload := make([]byte, length)
		_, err := io.ReadFull(r, payload)
		return payload, unexpected(err)
	}
	var payload bytes.Buffer
	payload.Grow(trustedPayload)
	_, err := io.CopyN(&payload, r, int64(length))
	return payload.Bytes(), unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeFrame writes one frame.
func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxPayload {
		return errTooLong
	}
	var header [5]byte
	binary.BigEndian.PutUint32(header[:4], uint32(len(payload)))
	header[4] = kind
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}
