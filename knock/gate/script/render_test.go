package script

import "testing"

// A template says the same as with text/template, and one that needs more than a renderer
// knows is an error, not a script that lacks something.
func TestRenderTemplates(t *testing.T) {
	data := fields{"On": true, "Off": false, "N": 7, "None": 0, "All": []any{fields{"Name": "a"}, fields{"Name": "b"}}, "Empty": []any{}, "Words": []any{"x", "y"}}
	for text, want := range map[string]string{
		"n={{.N}}\n{{- if .On}} on{{else}} off{{end}}":                                           "n=7 on",
		"{{if .Off}}1{{else}}2{{end}}{{if .None}}3{{end}}{{if .Empty}}4{{end}}{{if .N}}5{{end}}": "25",
		"{{range .All}}{{.Name}}{{if $.On}}+{{end}}{{end}}{{range .Words}} {{.}}{{end}}":         "a+b+ x y",
		"{{.Unknown}}":                     "",
		"{{if .Unknown}}{{end}}":           "",
		"{{range .All}}{{.N}}{{end}}":      "",
		"{{.N | .On}}":                     "",
		"{{with .N}}{{end}}":               "",
		"{{if .On}":                        "",
		"{{printf .N}}":                    "",
		"{{$x := .N}}{{$x}}":               "",
		"{{.All.Name}}":                    "",
		"{{\"a text\"}}{{template \"x\"}}": "",
	} {
		r := renderer{root: data}
		r.render("test", text)
		if got := r.String(); r.err == nil && got != want || (r.err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", text, got, r.err, want)
		}
	}
}
