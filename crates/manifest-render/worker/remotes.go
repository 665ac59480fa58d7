package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/ifc"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/pkg/loader"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Fields of a kustomization that list files, directories, URLs of files and git repositories.
var resourceFields = []string{"resources", "bases", "generators", "transformers", "validators"}

// The field that lists directories and git repositories only.
const componentsField = "components"

// Each directory here is a remote as a whole.
const remotesRoot = "/.driftless/remotes/"

// remotes are the entries of kustomizations that lead out of the repository: where they are, and which are missing.
type remotes struct {
	given map[string]string
	look  *lookups
	// Those that were met and are not given, in the order they were met.
	missing []string
	// The first entry of a remote kustomization that leads out of its repository.
	escape error
}

func newRemotes(given map[string]string, look *lookups) *remotes {
	return &remotes{given: given, look: look}
}

func (r *remotes) miss(entry string) {
	if !slices.Contains(r.missing, entry) {
		r.missing = append(r.missing, entry)
	}
}

// substitute puts paths in place of the remote entries of a kustomization. Those that are missing are left out, so that the
// build goes on and meets more of them.
func (r *remotes) substitute(file string, content []byte) []byte {
	directory := path.Dir(file)
	clone := cloneOf(directory)
	if clone == "" && !mayLeadOut(string(content)) {
		return content
	}
	fields, err := readFields(content)
	if err != nil {
		// kustomize says what is wrong.
		return content
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		isComponents := strings.EqualFold(name, componentsField)
		var entries []string
		if !isComponents && !isResourceField(name) || json.Unmarshal(value, &entries) != nil {
			continue
		}
		located := make([]string, 0, len(entries))
		for _, entry := range entries {
			if isRepository(entry) || !isComponents && isRemoteFile(entry) {
				local, ok := r.locate(entry, directory)
				changed = changed || local != entry
				if !ok {
					continue
				}
				entry = local
			} else if base := path.Join(directory, entry); clone != "" && base != clone && !strings.HasPrefix(base, clone+"/") {
				r.refuse(base, clone)
			}
			located = append(located, entry)
		}
		if fields[name], err = json.Marshal(located); err != nil {
			return content
		}
	}
	if !changed {
		return content
	}
	// JSON is YAML, and kustomize reads a kustomization by way of it.
	substituted, err := json.Marshal(fields)
	if err != nil {
		return content
	}
	return substituted
}

// refuse keeps what a repository has beside it from the kustomizations in it, as a clone would not have it.
func (r *remotes) refuse(base, clone string) {
	if r.escape == nil {
		r.escape = fmt.Errorf("security; bases in kustomizations found in cloned git repos must be within the repo, "+
			"but base '%s' is outside '%s'", base, clone)
	}
}

// locate returns what stands for a remote entry of the kustomization in a directory; false if it is missing.
func (r *remotes) locate(entry, directory string) (string, bool) {
	at, given := r.given[entry]
	if !given {
		r.miss(entry)
		return "", false
	}
	if isRemoteFile(entry) && r.look.stat(at) == outcomeFile {
		// Files are served under their URL: the restriction to the root does not hold for them.
		return entry, true
	}
	local, err := filepath.Rel(directory, at)
	if err != nil {
		return at, true
	}
	return local, true
}

// locateArguments puts paths in place of the remote arguments of `kustomize edit add component`, which would be cloned to
// see whether they exist. It is false where none is left to add.
func (r *remotes) locateArguments(arguments []string, directory string) ([]string, bool) {
	if len(arguments) < 3 || arguments[0] != "add" || !slices.Contains([]string{"component", "resource"}, arguments[1]) {
		return arguments, true
	}
	located := slices.Clone(arguments[:2])
	for _, argument := range arguments[2:] {
		if isRepository(argument) {
			local, ok := r.locate(argument, directory)
			if !ok {
				continue
			}
			argument = local
		}
		located = append(located, argument)
	}
	return located, len(located) > 2
}

// walk reads the kustomizations at and below one that could not be built, for the remote entries and the charts that it did not
// get to.
func (r *remotes) walk(files *mounted, directory string, charts *charts, seen map[string]bool) {
	if seen[directory] {
		return
	}
	seen[directory] = true
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(directory, name)
		content, err := files.ReadFile(file)
		if err != nil {
			continue
		}
		fields, err := readFields(r.substitute(file, content))
		if err != nil {
			continue
		}
		charts.survey(directory, fields)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			value := fields[name]
			var entries []string
			if !strings.EqualFold(name, componentsField) && !isResourceField(name) || json.Unmarshal(value, &entries) != nil {
				continue
			}
			for _, entry := range entries {
				below := path.Join(directory, entry)
				if !strings.ContainsAny(entry, "\n:") && !seen[below] && files.IsDir(below) {
					r.walk(files, below, charts, seen)
				}
			}
		}
	}
}

// cloneOf returns the directory of the remote that a directory belongs to, or nothing.
func cloneOf(directory string) string {
	below, ok := strings.CutPrefix(directory, remotesRoot)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(below, "/")
	return remotesRoot + name
}

func readFields(content []byte) (map[string]json.RawMessage, error) {
	asJSON, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(asJSON, &fields)
}

func isKustomization(file string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(file))
}

func isResourceField(name string) bool {
	return slices.ContainsFunc(resourceFields, func(field string) bool { return strings.EqualFold(field, name) })
}

// mayLeadOut tells quickly that a text has no remote entry: each has a scheme, a user or the host that needs neither.
func mayLeadOut(text string) bool {
	return strings.Contains(text, "://") || strings.Contains(text, "@") || strings.Contains(strings.ToLower(text), "github.com")
}

// isRemoteFile tells whether kustomize would get an entry by HTTP.
func isRemoteFile(entry string) bool {
	parsed, err := url.Parse(entry)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https")
}

var emptyLoader = sync.OnceValue(func() ifc.Loader { return loader.NewFileLoaderAtRoot(filesys.MakeFsInMemory()) })

// isRepository tells whether kustomize would clone an entry. Its rules are its own: its loader is asked for the entry,
// and gets as far as looking for the program `git` only with those that it would clone. The search path is empty.
func isRepository(entry string) bool {
	if !mayLeadOut(entry) {
		return false
	}
	_, err := emptyLoader().New(entry)
	return errors.Is(err, exec.ErrNotFound)
}
