package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// offline is the transport of the process: it serves the files of the kustomization at hand and reaches nothing.
type offline struct{ files *remotes }

var transport = &offline{}

func init() { http.DefaultTransport = transport }

// serve makes the remote files of a kustomization available under their URLs until the returned function is called.
func (r *remotes) serve() func() {
	transport.files = r
	return func() { transport.files = nil }
}

// RoundTrip answers with the content of a remote file that was given.
func (o *offline) RoundTrip(request *http.Request) (*http.Response, error) {
	if o.files == nil {
		return nil, errors.New("nothing is fetched while rendering")
	}
	content, found := o.files.fetch(request.URL.String())
	response := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		StatusCode: http.StatusOK,
		Header:     http.Header{},
		Body:       io.NopCloser(bytes.NewReader(content)),
		Request:    request,
	}
	if !found {
		response.StatusCode = http.StatusNotFound
	}
	return response, nil
}

// fetch returns the content of a remote file; one that is not given is missing.
func (r *remotes) fetch(address string) ([]byte, bool) {
	for entry, at := range r.given {
		// kustomize asks for the URL as it reads it, which may be written in another way.
		if parsed, err := url.ParseRequestURI(entry); entry != address && (err != nil || parsed.String() != address) {
			continue
		}
		content, found := r.look.read(at)
		return content, found == outcomeFile
	}
	r.miss(address)
	return nil, false
}
