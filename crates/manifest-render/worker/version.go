package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
)

// versions are those of the protocol and of the libraries.
type versions struct {
	Protocol  int    `json:"protocol"`
	Helm      string `json:"helm"`
	Kustomize string `json:"kustomize"`
}

// builtWith returns the versions of the libraries that the program was built with.
func builtWith() versions {
	return versions{
		Protocol:  protocolVersion,
		Helm:      moduleVersion("helm.sh/helm/v3"),
		Kustomize: moduleVersion("sigs.k8s.io/kustomize/kustomize/v5"),
	}
}

func (v versions) print(w io.Writer) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return ""
}

// announceHelm tells charts the versions that a released `helm` tells them; as a library it knows less.
func announceHelm() {
	capabilities := chartutil.DefaultCapabilities
	if version := moduleVersion("helm.sh/helm/v3"); version != "" {
		capabilities.HelmVersion.Version = version
	}
	// The client of Kubernetes 1.x is v0.x.
	if minor, _, ok := strings.Cut(strings.TrimPrefix(moduleVersion("k8s.io/client-go"), "v0."), "."); ok {
		capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1." + minor + ".0", Major: "1", Minor: minor}
	}
}
