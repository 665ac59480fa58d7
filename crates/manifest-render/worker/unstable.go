package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"helm.sh/helm/v3/pkg/chart"
)

// Functions of templates whose results differ from call to call: by chance, by the time, or by the order of a map.
var varying = []string{
	"shuffle", "uuidv4", "bcrypt", "htpasswd", "encryptAES",
	"now", "ago", "date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone",
	"keys", "values",
}

// And those that begin with one of these and a capital letter.
var varyingPrefixes = []string{"rand", "gen"}

// mayVary tells whether a chart calls something whose result varies; without that its output is always the same. The chart
// is one that was rendered: subcharts that are switched off are gone from it.
func mayVary(rendered *chart.Chart, values map[string]any) bool {
	texts, data := partsOf(rendered)
	if slices.ContainsFunc(texts, func(text string) bool { return calls(text, isVarying) }) {
		return true
	}
	isTpl := func(name string) bool { return name == "tpl" }
	if !slices.ContainsFunc(texts, func(text string) bool { return calls(text, isTpl) }) {
		return false
	}
	// Values and files are templates where templates say so.
	data = append(data, fmt.Sprint(values))
	return slices.ContainsFunc(data, func(text string) bool { return calls(text, isVarying) })
}

// partsOf returns the templates of a chart with its subcharts, and what else it has that templates may render.
func partsOf(of *chart.Chart) (templates, data []string) {
	for _, file := range of.Templates {
		templates = append(templates, string(file.Data))
	}
	for _, file := range of.Files {
		data = append(data, string(file.Data))
	}
	data = append(data, fmt.Sprint(of.Values))
	for _, dependency := range of.Dependencies() {
		moreTemplates, moreData := partsOf(dependency)
		templates, data = append(templates, moreTemplates...), append(data, moreData...)
	}
	return templates, data
}

func isVarying(name string) bool {
	for _, prefix := range varyingPrefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && unicode.IsUpper(rune(rest[0])) {
			return true
		}
	}
	return slices.Contains(varying, name)
}

// calls tells whether an action of a template has a name that is wanted, other than of a field or a variable. Names in the
// strings of an action count: they may be templates.
func calls(text string, wanted func(string) bool) bool {
	for {
		_, action, ok := strings.Cut(text, "{{")
		if !ok {
			return false
		}
		end := endOfAction(action)
		text = action[end:]
		before := ' '
		for action = action[:end]; action != ""; {
			length := strings.IndexFunc(action, func(char rune) bool { return !isNameChar(char) })
			if length < 0 {
				length = len(action)
			}
			if length > 0 {
				if before != '.' && before != '$' && wanted(action[:length]) {
					return true
				}
				before, action = 'x', action[length:]
				continue
			}
			before, action = rune(action[0]), action[1:]
		}
	}
}

// endOfAction returns where an action ends; braces in its strings do not end it.
func endOfAction(action string) int {
	quote := byte(0)
	for at := 0; at < len(action); at++ {
		switch char := action[at]; {
		case quote != 0 && char == '\\' && quote != '`':
			at++
		case quote != 0:
			if char == quote {
				quote = 0
			}
		case char == '"' || char == '`':
			quote = char
		case char == '}' && strings.HasPrefix(action[at:], "}}"):
			return at
		}
	}
	return len(action)
}

func isNameChar(char rune) bool {
	return char == '_' || unicode.IsLetter(char) || unicode.IsDigit(char)
}
