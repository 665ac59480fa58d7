package main

import (
	"runtime/debug"
	"strings"
	_ "unsafe" // for go:linkname

	"k8s.io/component-base/version"
)

// The components report these. Kubernetes sets them by linker flags; set here, a plain `go build` gives a server whose version
// clients can parse.
var (
	//go:linkname gitMajor k8s.io/component-base/version.gitMajor
	gitMajor string
	//go:linkname gitMinor k8s.io/component-base/version.gitMinor
	gitMinor string
	//go:linkname gitVersion k8s.io/component-base/version.gitVersion
	gitVersion string
)

func init() {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	for _, module := range info.Deps {
		parts := strings.Split(strings.TrimPrefix(module.Version, "v"), ".")
		if module.Path == "k8s.io/kubernetes" && len(parts) == 3 {
			gitVersion, gitMajor, gitMinor = module.Version, parts[0], parts[1]
			// It must equal gitVersion, which it does.
			_ = version.SetDynamicVersion(gitVersion)
		}
	}
}
