package main

import (
	"fmt"
	"log"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
)

// renderHelm returns what `helm template` prints, and whether printing it once more gives something else.
func renderHelm(job *helmRequest, look source, outputBytes int) (string, bool, error) {
	install, err := installation(job)
	if err != nil {
		return "", false, err
	}
	values, err := mergedValues(job, look)
	if err != nil {
		return "", false, err
	}
	files, err := chartFiles(look, job.Chart, job.Dependencies)
	if err != nil {
		return "", false, err
	}
	loaded, err := loadChart(files)
	if err != nil {
		return "", false, err
	}
	printed, err := template(install, loaded, values, job, outputBytes)
	if err != nil || !mayVary(loaded, values) {
		return printed, false, err
	}
	again, err := renderAgain(job, look, files, outputBytes)
	return printed, err != nil || again != printed, nil
}

// renderAgain renders a chart whose files are known. Rendering changes the chart and the values: all is made anew.
func renderAgain(job *helmRequest, look source, files []*loader.BufferedFile, outputBytes int) (string, error) {
	install, err := installation(job)
	if err != nil {
		return "", err
	}
	values, err := mergedValues(job, look)
	if err != nil {
		return "", err
	}
	loaded, err := loadChart(files)
	if err != nil {
		return "", err
	}
	return template(install, loaded, values, job, outputBytes)
}

// installation returns Helm's action as `helm template` sets it up.
func installation(job *helmRequest) (*action.Install, error) {
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	if job.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(job.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("invalid kube version '%s': %s", job.KubeVersion, err)
		}
		install.KubeVersion = version
	}
	install.ReleaseName = "release-name"
	switch {
	case job.literalName:
		install.ReleaseName = job.ReleaseName
	case job.ReleaseName != "":
		name, err := action.TemplateName(job.ReleaseName)
		if err != nil {
			return nil, err
		}
		install.ReleaseName = name
	}
	install.Namespace = "default"
	if job.Namespace != "" {
		install.Namespace = job.Namespace
	}
	install.DryRun, install.DryRunOption = true, "true"
	install.ClientOnly = true
	install.Replace = true
	install.APIVersions = slices.Clone(job.APIVersions)
	install.DisableHooks = job.skipHooks
	install.IncludeCRDs = !job.SkipCRDs
	install.SkipSchemaValidation = job.SkipSchemaValidation
	return install, nil
}

// template renders a chart and returns what is printed of it.
func template(
	install *action.Install, loaded *chart.Chart, values map[string]any, job *helmRequest, outputBytes int,
) (string, error) {
	if err := checkInstallable(loaded); err != nil {
		return "", err
	}
	released, err := install.Run(loaded, values)
	if err != nil {
		return "", err
	}
	out := &output{limit: outputBytes}
	if _, err := out.WriteString(strings.TrimSpace(released.Manifest) + "\n"); err != nil {
		return "", err
	}
	for _, hook := range released.Hooks {
		if job.skipHooks || job.SkipTests && slices.Contains(hook.Events, release.HookTest) {
			continue
		}
		if _, err := fmt.Fprintf(out, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest); err != nil {
			return "", err
		}
	}
	return out.finished()
}

// checkInstallable refuses library charts and charts that lack dependencies.
func checkInstallable(loaded *chart.Chart) error {
	switch loaded.Metadata.Type {
	case "", "application":
	default:
		return fmt.Errorf("%s charts are not installable", loaded.Metadata.Type)
	}
	if loaded.Metadata.Deprecated {
		log.Print("WARNING: This chart is deprecated")
	}
	if err := action.CheckDependencies(loaded, loaded.Metadata.Dependencies); err != nil {
		return &failure{kind: failDependencies, message: "An error occurred while checking for chart dependencies. " +
			"You may need to run `helm dependency build` to fetch missing dependencies: " + err.Error()}
	}
	return nil
}
