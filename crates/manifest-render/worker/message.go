package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The version of the protocol; both sides must have the same.
const protocolVersion = 1

// Kinds of frames from the daemon.
const (
	fromDaemonHello  = 1
	fromDaemonRender = 2
	fromDaemonAnswer = 3
)

// Kinds of frames to the daemon.
const (
	toDaemonHello    = 1
	toDaemonLookup   = 2
	toDaemonRendered = 3
	toDaemonFailed   = 4
)

type daemonHello struct {
	Protocol int `json:"protocol"`
}

type workerHello struct {
	Protocol  int    `json:"protocol"`
	Helm      string `json:"helm"`
	Kustomize string `json:"kustomize"`
}

// A request is one render: of a chart or of a kustomization.
type request struct {
	Limits    limits            `json:"limits"`
	Helm      *helmRequest      `json:"helm"`
	Kustomize *kustomizeRequest `json:"kustomize"`
	Jsonnet   *jsonnetRequest   `json:"jsonnet"`
}

type limits struct {
	OutputBytes int `json:"outputBytes"`
}

type helmRequest struct {
	Chart                string          `json:"chart"`
	ReleaseName          string          `json:"releaseName"`
	Namespace            string          `json:"namespace"`
	KubeVersion          string          `json:"kubeVersion"`
	APIVersions          []string        `json:"apiVersions"`
	ValueFiles           []string        `json:"valueFiles"`
	Values               string          `json:"values"`
	Parameters           []parameter     `json:"parameters"`
	FileParameters       []fileParameter `json:"fileParameters"`
	Dependencies         []dependency    `json:"dependencies"`
	SkipCRDs             bool            `json:"skipCrds"`
	SkipTests            bool            `json:"skipTests"`
	SkipSchemaValidation bool            `json:"skipSchemaValidation"`
	// Charts of kustomizations have these as well: no hooks, and a name that is no template.
	skipHooks, literalName bool
}

type parameter struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	String bool   `json:"string"`
}

type fileParameter struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

type kustomizeRequest struct {
	Path             string            `json:"path"`
	Edits            [][]string        `json:"edits"`
	Patches          []patch           `json:"patches"`
	LoadRestrictions string            `json:"loadRestrictions"`
	Remotes          map[string]string `json:"remotes"`
	Helm             *kustomizeHelm    `json:"helm"`
	Charts           map[string]string `json:"charts"`
}

// A kustomizeHelm switches `helmCharts` on, and says what charts are told of the cluster.
type kustomizeHelm struct {
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
}

type jsonnetRequest struct {
	Path    string         `json:"path"`
	ExtVars []jsonnetValue `json:"extVars"`
	TLAs    []jsonnetValue `json:"tlas"`
	Libs    []string       `json:"libs"`
}

// A jsonnetValue is text, or an expression.
type jsonnetValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Code  bool   `json:"code"`
}

// A patch is an entry of `patches` in a kustomization; what kustomize makes of its parts is up to kustomize.
type patch struct {
	Path    string         `json:"path,omitempty"`
	Patch   string         `json:"patch,omitempty"`
	Target  map[string]any `json:"target,omitempty"`
	Options map[string]any `json:"options,omitempty"`
}

type rendered struct {
	Output   string   `json:"output"`
	Warnings []string `json:"warnings"`
	Unstable bool     `json:"unstable"`
}

type failed struct {
	Kind    failureKind   `json:"kind"`
	Message string        `json:"message"`
	Remotes []string      `json:"remotes"`
	Charts  []pulledChart `json:"charts"`
}

// A failureKind says whose fault a failure is.
type failureKind string

const (
	failContent      failureKind = "content"
	failDependencies failureKind = "dependencies"
	failRemotes      failureKind = "remotes"
	failCharts       failureKind = "charts"
	failLookup       failureKind = "lookup"
	failLimit        failureKind = "limit"
	failInternal     failureKind = "internal"
)

// A failure is an error of a kind other than content.
type failure struct {
	kind    failureKind
	message string
	remotes []string
	charts  []pulledChart
}

func (f *failure) Error() string { return f.message }

// message returns how an error of a render is told to the daemon.
func message(err error) failed {
	told := failed{Kind: failContent, Message: err.Error()}
	var known *failure
	if errors.As(err, &known) {
		told.Kind, told.Remotes, told.Charts = known.kind, known.remotes, known.charts
	}
	if told.Remotes == nil {
		told.Remotes = []string{}
	}
	if told.Charts == nil {
		told.Charts = []pulledChart{}
	}
	return told
}

// decode reads JSON that has no fields but those of into and nothing after it.
func decode(payload []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("there is more than one value")
	}
	return nil
}

func decodeRequest(payload []byte) (*request, error) {
	var read request
	if err := decode(payload, &read); err != nil {
		return nil, fmt.Errorf("a render request does not parse: %w", err)
	}
	asked := 0
	for _, isAsked := range []bool{read.Helm != nil, read.Kustomize != nil, read.Jsonnet != nil} {
		if isAsked {
			asked++
		}
	}
	if asked != 1 {
		return nil, errors.New("a render request must have one of helm, kustomize and jsonnet")
	}
	if read.Limits.OutputBytes <= 0 {
		return nil, errors.New("a render request must allow some output")
	}
	return &read, nil
}

// encode writes JSON; text that has no place in HTML stays readable.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
