package main

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/kustomize/kyaml/yaml/merge2"
	"sigs.k8s.io/yaml"
)

// A directory for Helm's own files. None is made where the configuration has one, and nothing is kept in it.
const helmHome = "/.driftless/helm"

// How kustomize merges values.
const (
	mergeIntoChart  = "override"
	mergeIntoInline = "merge"
)

// An inflation is an entry of `helmCharts`: it does what kustomize's generator does, with Helm's library instead of its program.
type inflation struct {
	builtins.HelmChartInflationGeneratorPlugin
	helpers *resmap.PluginHelpers
	charts  *charts
}

// String names the generator where kustomize prints it in messages; the default has addresses in it.
func (i *inflation) String() string { return "helmCharts entry " + i.Name }

// Config reads and checks an entry as kustomize does.
func (i *inflation) Config(helpers *resmap.PluginHelpers, config []byte) error {
	i.helpers = helpers
	i.ConfigHome = helmHome
	return i.HelmChartInflationGeneratorPlugin.Config(helpers, config)
}

// Generate returns what a chart renders to; nothing where the chart is missing.
func (i *inflation) Generate() (resmap.ResMap, error) {
	root := i.helpers.Loader().Root()
	at := path.Join(chartHome(root, i.HelmGlobals, i.HelmChart), i.Name)
	present, err := i.charts.provide(root, at, i.HelmChart)
	if err != nil || !present {
		return nil, err
	}
	values, err := i.values()
	if err != nil {
		return nil, err
	}
	job, err := i.request(at)
	if err != nil {
		return nil, err
	}
	printed, err := i.charts.render(job, withFile{source: i.charts.files, name: job.ValueFiles[0], content: values})
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", at, err)
	}
	return i.resources([]byte(printed))
}

// request returns what `helm template` is asked for, with values of its own before the files of values.
func (i *inflation) request(at string) (*helmRequest, error) {
	job := &helmRequest{
		Chart: at, ReleaseName: i.NameTemplate, Namespace: i.Namespace, KubeVersion: i.KubeVersion,
		ValueFiles: append([]string{i.Name + "-kustomize-values.yaml"}, i.AdditionalValuesFiles...),
		SkipCRDs:   !i.IncludeCRDs, SkipTests: i.SkipTests, skipHooks: i.SkipHooks,
	}
	for _, versions := range i.ApiVersions {
		job.APIVersions = append(job.APIVersions, strings.Split(versions, ",")...)
	}
	if i.ReleaseName != "" {
		if i.NameTemplate != "" {
			return nil, errors.New("cannot set --name-template and also specify a name")
		}
		job.ReleaseName, job.literalName = i.ReleaseName, true
	}
	return job, nil
}

// values returns the first file of values: the one of the entry or the chart, merged with those in the entry.
func (i *inflation) values() ([]byte, error) {
	if len(i.ValuesInline) == 0 {
		return i.helpers.Loader().Load(i.ValuesFile)
	}
	if i.ValuesMerge != mergeIntoChart && i.ValuesMerge != mergeIntoInline {
		return yaml.Marshal(i.ValuesInline)
	}
	content, err := i.helpers.Loader().Load(i.ValuesFile)
	if err != nil {
		return nil, err
	}
	ofFile, err := kyaml.Parse(string(content))
	if err != nil {
		return nil, fmt.Errorf("could not parse values file into rnode: %w", err)
	}
	ofEntry, err := kyaml.FromMap(i.ValuesInline)
	if err != nil {
		return nil, fmt.Errorf("could not parse values inline into rnode: %w", err)
	}
	strong, weak := ofEntry, ofFile
	if i.ValuesMerge == mergeIntoInline {
		strong, weak = ofFile, ofEntry
	}
	merged, err := merge2.Merge(strong, weak.Copy(), kyaml.MergeOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not merge values: %w", err)
	}
	values, err := merged.Map()
	if err != nil {
		return nil, fmt.Errorf("could not parse merged values into map: %w", err)
	}
	return yaml.Marshal(values)
}

// resources makes resources of what `helm template` prints.
func (i *inflation) resources(printed []byte) (resmap.ResMap, error) {
	made, err := i.helpers.ResmapFactory().NewResMapFromBytes(printed)
	if err != nil {
		// Some YAML is read this way only.
		nodes, readErr := (&kio.ByteReader{Reader: bytes.NewReader(printed), OmitReaderAnnotations: true}).Read()
		if readErr != nil {
			return nil, fmt.Errorf("error reading helm output: %w", readErr)
		}
		if len(nodes) == 0 {
			return nil, fmt.Errorf("could not parse bytes into resource map: %w", err)
		}
		if made, err = i.helpers.ResmapFactory().NewResMapFromRNodeSlice(nodes); err != nil {
			return nil, fmt.Errorf("could not parse rnode slice into resource map: %w", err)
		}
	}
	for _, resource := range made.Resources() {
		if err := resource.PipeE(kyaml.SetAnnotation(konfig.HelmGeneratedAnnotation, "true")); err != nil {
			return nil, fmt.Errorf("failed to set helm annotation: %w", err)
		}
	}
	return made, nil
}
