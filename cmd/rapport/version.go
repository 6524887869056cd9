package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionReport says what the program was built from, as recorded by the Go tool.
type versionReport struct {
	Schema   int    `json:"schema"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Date     string `json:"commit_date,omitempty"`
	Go       string `json:"go"`
	Modified *bool  `json:"modified,omitempty"` // after that revision; nil is not recorded
}

func version() versionReport {
	r := versionReport{Schema: 1, Version: "development", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		r.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Revision = s.Value
		case "vcs.time":
			r.Date = s.Value
		case "vcs.modified":
			r.Modified = new(s.Value == "true")
		}
	}
	return r
}

func printVersion(cmd *cobra.Command) error {
	asJSON, _ := cmd.Flags().GetBool("json")
	return render(cmd, asJSON, version(), func(w io.Writer, r versionReport) {
		text := "rapport " + r.Version // ends in +dirty after changes
		if r.Revision != "" {
			text += fmt.Sprintf(" (%.12s of %s)", r.Revision, r.Date)
		}
		fmt.Fprintln(w, text, r.Go)
	})
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the revision it was built from",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printVersion(cmd) },
	}
}
