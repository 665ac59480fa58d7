package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The argument that makes the test binary a process that confines itself and tells what it still can do.
const confinedChild = "confined-child"

func runConfined() int {
	out := os.Stdout
	if err := confine(); err != nil {
		fmt.Fprintln(out, "not confined:", err)
		return 0
	}
	tell := func(what string, err error) {
		outcome := fmt.Sprint(err)
		if errors.Is(err, syscall.EPERM) {
			outcome = "refused"
		}
		fmt.Fprintf(out, "%s: %s\n", what, outcome)
	}
	_, err := os.Open("/etc/hostname")
	tell("open", err)
	tell("create", os.WriteFile("/tmp/driftless-confined", nil, 0o600))
	tell("remove", os.Remove("/tmp/driftless-confined"))
	tell("mkdir", os.Mkdir("/tmp/driftless-confined", 0o700))
	_, err = os.Stat("/")
	tell("stat", err)
	_, err = os.ReadDir("/proc/self/fd")
	tell("list", err)
	_, err = net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
	tell("connect", err)
	_, err = net.Listen("tcp", "127.0.0.1:0")
	tell("listen", err)
	_, err = os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	tell("start", err)
	tell("kill", syscall.Kill(os.Getppid(), 0))
	tell("mount", syscall.Mount("none", "/tmp", "tmpfs", 0, ""))
	// On all threads, and those that start later.
	refusals := make(chan error)
	for range 8 {
		go func() {
			runtime.LockOSThread()
			_, err := os.Open("/etc/hostname")
			refusals <- err
		}()
	}
	for range 8 {
		if err := <-refusals; !errors.Is(err, syscall.EPERM) {
			tell("another thread", err)
		}
	}
	fmt.Fprintln(out, "environment:", len(os.Environ()))
	return renderConfined(out)
}

// renderConfined shows that renders need nothing of what is refused.
func renderConfined(out io.Writer) int {
	announceHelm()
	files := base().with(chartOf(repository{"templates/a.yaml": `a: {{ now | date "MST" }} {{ dateInZone "MST" (toDate "2006-01-02" "2026-07-01") "Europe/Berlin" }} {{ uuidv4 | len }}`}))
	for range 50 {
		if _, err := renderOver(files, kustomizeRequest{Edits: [][]string{{"set", "nameprefix", "--", "x-"}}}); err != nil {
			fmt.Fprintln(out, "kustomize:", err)
		}
	}
	text, _, err := renderChart(files, webRequest())
	fmt.Fprintf(out, "helm: %q %v\n", text, err)
	schema := files.with(repository{"/chart/values.schema.json": `{"$ref": "https://example.com/schema.json"}`})
	_, _, err = renderChart(schema, webRequest())
	fmt.Fprintln(out, "remote schema:", strings.Contains(fmt.Sprint(err), "operation not permitted"))
	schema = files.with(repository{"/chart/values.schema.json": `{"$ref": "file:///etc/passwd"}`})
	_, _, err = renderChart(schema, webRequest())
	fmt.Fprintln(out, "file as schema:", strings.Contains(fmt.Sprint(err), "operation not permitted"))
	return 0
}

func TestConfined(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has seccomp filters")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, confinedChild)
	command.Env = []string{"SECRET=1"}
	var told, complaints bytes.Buffer
	command.Stdout, command.Stderr = &told, &complaints
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, told.String(), complaints.String())
	}
	if strings.HasPrefix(told.String(), "not confined") {
		t.Skip(told.String())
	}
	want := strings.Join([]string{
		"open: refused", "create: refused", "remove: refused", "mkdir: refused", "stat: refused", "list: refused",
		"connect: refused", "listen: refused", "start: refused", "kill: refused", "mount: refused",
		"environment: 0",
		`helm: "---\n# Source: web/templates/a.yaml\na: UTC CEST 36\n" <nil>`,
		"remote schema: true", "file as schema: true", "",
	}, "\n")
	checkText(t, told.String(), want)
}

func TestTransportReachesNothing(t *testing.T) {
	response, err := http.Get("http://127.0.0.1:1/")
	if err == nil {
		response.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "nothing is fetched while rendering") {
		t.Errorf("%v", err)
	}
}
