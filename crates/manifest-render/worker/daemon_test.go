package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain takes the environment and standard input away, as the program does.
func TestMain(m *testing.M) {
	oracles = os.Getenv("DRIFTLESS_ORACLES")
	if oracles == "" {
		oracles, _ = filepath.Abs("../../../target/oracles")
	}
	if len(os.Args) == 2 && os.Args[1] == confinedChild {
		os.Exit(runConfined())
	}
	if len(os.Args) == 2 && os.Args[1] == servingChild {
		os.Exit(start(nil))
	}
	os.Clearenv()
	os.Stdin = nil
	os.Exit(m.Run())
}

// Where `make oracles` puts the command lines.
var oracles string

// A repository is files by absolute path; the daemon of tests answers from it.
type repository map[string]string

// lookups answers from the repository; asked gets each question.
func (r repository) lookups(asked *[]question) *lookups {
	return newLookups(func(question question) (answer, error) {
		if asked != nil {
			*asked = append(*asked, question)
		}
		return r.answer(question), nil
	})
}

func (r repository) answer(question question) answer {
	content, isFile := r[question.Path]
	if strings.HasPrefix(content, "fails: ") {
		return answer{outcomeFailed, []byte(content)}
	}
	if isFile {
		if question.Op != "read" {
			content = ""
		}
		return answer{outcomeFile, []byte(content)}
	}
	below := strings.TrimSuffix(question.Path, "/") + "/"
	files, entries := []string{}, []entry{}
	for name := range r {
		if rest, ok := strings.CutPrefix(name, below); ok {
			files = append(files, rest)
			first, _, isDir := strings.Cut(rest, "/")
			entries = append(entries, entry{Name: first, Dir: isDir})
		}
	}
	if len(files) == 0 {
		return answer{outcome: outcomeNothing}
	}
	slices.Sort(files)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	switch question.Op {
	case "tree":
		content, _ := json.Marshal(files)
		return answer{outcomeDirectory, content}
	case "list":
		content, _ := json.Marshal(slices.Compact(entries))
		return answer{outcomeDirectory, content}
	}
	return answer{outcome: outcomeDirectory}
}

// onDisk writes the repository below a new directory.
func (r repository) onDisk(t testing.TB) string {
	t.Helper()
	top := t.TempDir()
	for name, content := range r {
		at := filepath.Join(top, name)
		if err := os.MkdirAll(path.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// oracle runs a command line of upstream in a directory and returns its standard output.
func oracle(t *testing.T, directory, name string, arguments ...string) (string, error) {
	t.Helper()
	program := filepath.Join(oracles, name)
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not built: make oracles", program)
	}
	command := exec.Command(program, arguments...)
	command.Dir = directory
	command.Env = []string{"HOME=" + t.TempDir()}
	var errors strings.Builder
	command.Stderr = &errors
	out, err := command.Output()
	if err != nil {
		t.Logf("%s %v: %s", name, arguments, errors.String())
	}
	return string(out), err
}

// checkText compares texts and shows the first line that differs.
func checkText(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for at := range max(len(gotLines), len(wantLines)) {
		if at >= len(gotLines) || at >= len(wantLines) || gotLines[at] != wantLines[at] {
			t.Errorf("line %d differs\ngot:\n%s\nwant:\n%s", at+1, got, want)
			return
		}
	}
}
