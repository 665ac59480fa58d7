package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// A script is what the daemon says: frames, and answers to look-ups from a repository.
type script struct {
	files  repository
	frames []frame
}

func hello() frame { return frame{fromDaemonHello, []byte(`{"protocol":1}`)} }

func renderFrame(text string) frame { return frame{fromDaemonRender, []byte(text)} }

// talk runs the worker with a daemon that follows a script, and returns what the worker said besides look-ups.
func (s script) talk(t *testing.T) (said []frame, status int, complaints string) {
	t.Helper()
	toWorker, daemonSays := io.Pipe()
	daemonHears, fromWorker := io.Pipe()
	ended := make(chan struct{})
	var errors bytes.Buffer
	go func() {
		status = serve(newConversation(toWorker, fromWorker), &errors)
		toWorker.Close()
		fromWorker.Close()
		close(ended)
	}()
	heard := make(chan []frame)
	go func() {
		var said []frame
		for {
			read, err := readFrame(daemonHears)
			if err != nil {
				heard <- said
				return
			}
			if read.kind != toDaemonLookup {
				if said = append(said, read); len(said) == max(2, len(s.frames)) {
					daemonSays.Close()
				}
				continue
			}
			var asked question
			if err := json.Unmarshal(read.payload, &asked); err != nil {
				t.Error(err)
			}
			found := s.files.answer(asked)
			if err := writeFrame(daemonSays, fromDaemonAnswer, append([]byte{byte(found.outcome)}, found.content...)); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, frame := range s.frames {
		if writeFrame(daemonSays, frame.kind, frame.payload) != nil {
			break
		}
	}
	said = <-heard
	<-ended
	return said, status, errors.String()
}

const buildOver = `{"limits":{"outputBytes":1000000},"helm":null,"kustomize":{"path":"/over","edits":[],"patches":[],"loadRestrictions":"rootOnly","remotes":{}}}`
const templateWeb = `{"limits":{"outputBytes":1000000},"helm":{"chart":"/chart","releaseName":"web","namespace":"shop","kubeVersion":"v1.36.3","apiVersions":[],"valueFiles":[],"values":"","parameters":[],"fileParameters":[],"skipCrds":false,"skipTests":false,"skipSchemaValidation":false},"kustomize":null}`

func TestConversation(t *testing.T) {
	files := base().with(chartOf(repository{"templates/a.yaml": "a: <b>\n", "Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ndeprecated: true\n"}))
	for name, test := range map[string]struct {
		request string
		kind    byte
		want    string
	}{
		"kustomize": {buildOver, toDaemonRendered, `{"output":"apiVersion: v1\nkind: Service\n`},
		"helm":      {templateWeb, toDaemonRendered, `{"output":"---\n# Source: web/templates/a.yaml\na: <b>\n","warnings":["WARNING: This chart is deprecated"],"unstable":false}`},
		"warning":   {strings.Replace(buildOver, "/over", "/old", 1), toDaemonRendered, `{"output":"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n  selector:\n    app: web\n","warnings":["# Warning: 'bases' is deprecated. `},
		"failure":   {strings.Replace(buildOver, "/over", "/z", 1), toDaemonFailed, `{"kind":"content","message":"must build at directory: `},
		"look-up":   {strings.Replace(buildOver, "/over", "/fails", 1), toDaemonFailed, `{"kind":"lookup","message":"fails: no such luck","remotes":[],"charts":[]}`},
		"limit":     {strings.Replace(buildOver, "1000000", "10", 1), toDaemonFailed, `{"kind":"limit","message":"the output is larger than 10 bytes","remotes":[],"charts":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			files := files.with(repository{"/old/kustomization.yaml": "bases: [../svc]\n", "/svc/kustomization.yaml": "resources: [s.yaml]\n", "/svc/s.yaml": service, "/fails/kustomization.yaml": "fails: no such luck"})
			said, status, complaints := script{files, []frame{hello(), renderFrame(test.request)}}.talk(t)
			if status != exitDone || complaints != "" || len(said) != 2 {
				t.Fatalf("%d, %s, %v", status, complaints, said)
			}
			if said[1].kind != test.kind || !strings.HasPrefix(string(said[1].payload), test.want) {
				t.Errorf("kind %d: %s", said[1].kind, said[1].payload)
			}
		})
	}
}

func TestBrokenConversations(t *testing.T) {
	for name, test := range map[string]struct {
		frames []frame
		want   string
	}{
		"other version":        {[]frame{{fromDaemonHello, []byte(`{"protocol":2}`)}}, "the daemon speaks version 2 of the protocol, this worker version 1; install both from one release"},
		"hello does not parse": {[]frame{{fromDaemonHello, []byte(`{"protocol":1,"more":1}`)}}, "unknown field"},
		"no hello":             {[]frame{renderFrame(buildOver)}, "a message of kind 2 came where 1 is due"},
		"answer unasked":       {[]frame{hello(), {fromDaemonAnswer, []byte{0}}}, "a message of kind 3 came where 2 is due"},
		"unknown kind":         {[]frame{hello(), {9, nil}}, "a message of kind 9 came where 2 is due"},
		"unknown field":        {[]frame{hello(), renderFrame(strings.Replace(buildOver, `"path"`, `"pith"`, 1))}, `unknown field "pith"`},
		"neither":              {[]frame{hello(), renderFrame(`{"limits":{"outputBytes":1},"helm":null,"kustomize":null}`)}, "one of helm, kustomize and jsonnet"},
		"no output":            {[]frame{hello(), renderFrame(strings.Replace(buildOver, "1000000", "0", 1))}, "must allow some output"},
		"two values":           {[]frame{hello(), renderFrame(buildOver + "{}")}, "more than one value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, status, complaints := script{base(), test.frames}.talk(t)
			if status != exitProtocol || !strings.Contains(complaints, test.want) {
				t.Errorf("%d, %s", status, complaints)
			}
		})
	}
}

func TestEndOfInput(t *testing.T) {
	var input bytes.Buffer
	if err := writeFrame(&input, fromDaemonHello, hello().payload); err != nil {
		t.Fatal(err)
	}
	if status := serve(newConversation(&input, io.Discard), io.Discard); status != exitDone {
		t.Errorf("after hello: %d", status)
	}
	if status := serve(newConversation(strings.NewReader("\x00"), io.Discard), io.Discard); status != exitProtocol {
		t.Errorf("inside a message: %d", status)
	}
}

// An answer that is none ends the worker and not only the render.
func TestBrokenAnswers(t *testing.T) {
	for answer, want := range map[string]int{"": exitProtocol, "\x04": exitProtocol, "end": exitDone} {
		var input bytes.Buffer
		for _, frame := range []frame{hello(), renderFrame(buildOver)} {
			if err := writeFrame(&input, frame.kind, frame.payload); err != nil {
				t.Fatal(err)
			}
		}
		if answer != "end" {
			if err := writeFrame(&input, fromDaemonAnswer, []byte(answer)); err != nil {
				t.Fatal(err)
			}
		}
		if status := serve(newConversation(&input, io.Discard), io.Discard); status != want {
			t.Errorf("%q: %d", answer, status)
		}
	}
}

func TestPanicIsTold(t *testing.T) {
	look := newLookups(func(question) (answer, error) { panic("words") })
	job, err := decodeRequest([]byte(buildOver))
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	ended := perform(job, look, &complaints)
	told, ok := ended.message.(failed)
	if !ok || !ended.panicked || ended.kind != toDaemonFailed || told.Kind != failInternal || told.Message != "the library panicked: words" {
		t.Errorf("%+v", ended)
	}
	if !strings.Contains(complaints.String(), "panic: words") {
		t.Errorf("%s", complaints.String())
	}
}

func TestVersionsAreNamed(t *testing.T) {
	var line bytes.Buffer
	if err := (versions{Protocol: 1, Helm: "v3", Kustomize: "v5"}).print(&line); err != nil {
		t.Fatal(err)
	}
	if line.String() != `{"protocol":1,"helm":"v3","kustomize":"v5"}`+"\n" {
		t.Errorf("%s", line.String())
	}
}
