package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name the folder for the pages: rapport man DIR")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			// The pages do not depend on the time at which they are made.
			epoch := time.Unix(0, 0).UTC()
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "RAPPORT", Section: "1", Source: "rapport", Manual: "rapport", Date: &epoch}, args[0])
		},
	}
}
