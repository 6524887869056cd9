package manual

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock/phrase"
)

// BuildDate is the time of the commit that the program was built from, as the Go tool
// recorded it, or zero.
func BuildDate() time.Time {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				t, _ := time.Parse(time.RFC3339, s.Value)
				return t
			}
		}
	}
	return time.Time{}
}

func newMan() *cobra.Command {
	man := &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder, or install them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the folder for the pages: rapport man DIR, or: rapport man install")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return writePages(c, args[0]) },
	}
	man.AddCommand(&cobra.Command{
		Use:   "install",
		Short: "Install the manual pages for you, or as root for all users",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := dataFolder()
			if err != nil {
				return err
			}
			dir := filepath.Join(data, "man")
			if err := writePages(c, dir); err != nil {
				return err
			}
			// man-db looks there only if a folder such as ~/.local/bin is in PATH.
			_, err = fmt.Fprintf(c.OutOrStdout(), "read them with: man rapport\nif man does not look there, put this into your shell's startup file: export MANPATH=%s\n", phrase.ShellWord(":"+dir))
			return err
		},
	})
	return man
}

// writePages writes all pages below dir, and says what it wrote.
func writePages(c *cobra.Command, dir string) error {
	pages := Pages(c.Root(), BuildDate())
	for _, p := range pages {
		if err := write(filepath.Join(dir, filepath.FromSlash(p.File())), []byte(p.Roff)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "wrote %d pages below %s: man1/rapport.1 and others\n", len(pages), dir)
	return err
}

func newCompletionInstall() *cobra.Command {
	return &cobra.Command{
		Use:       "install [bash|zsh|fish]",
		Short:     "Install the completions of your shell for you, or as root for all users",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			shell := filepath.Base(os.Getenv("SHELL"))
			switch {
			case len(args) == 1:
				shell = args[0]
			case os.Getenv("SHELL") == "":
				return errors.New("SHELL is not set; name your shell: rapport completion install bash")
			}
			return installCompletion(c, shell)
		},
	}
}

// installCompletion writes the completions of the shell where that shell looks for them,
// and says what it wrote.
func installCompletion(c *cobra.Command, shell string) error {
	data, err := dataFolder()
	if err != nil {
		return err
	}
	var script bytes.Buffer
	var file, note string
	switch shell {
	case "bash":
		file, note = "bash-completion/completions/rapport", "it is used from the next shell on, if bash-completion is installed"
		err = c.Root().GenBashCompletionV2(&script, true)
	case "zsh":
		file = "zsh/site-functions/_rapport"
		note = "if zsh does not look there, put this before compinit in ~/.zshrc: fpath+=" + filepath.Join(data, "zsh/site-functions")
		err = c.Root().GenZshCompletion(&script)
	case "fish":
		file, note = "fish/vendor_completions.d/rapport.fish", "it is used from the next shell on"
		err = c.Root().GenFishCompletion(&script, true)
	default:
		return fmt.Errorf("the shell %q is not bash, zsh or fish; name one of them: rapport completion install bash", shell)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(data, filepath.FromSlash(file))
	if err := write(path, script.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s\n%s\n", path, note)
	return err
}

// dataFolder is the folder for a user's data by the XDG Base Directory Specification, or
// for root that of the local administrator by the Filesystem Hierarchy Standard.
func dataFolder() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if os.Geteuid() == 0 {
		return "/usr/local/share", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder to install into: %w", err)
	}
	return filepath.Join(home, ".local", "share"), nil
}

// write writes a file and the folders above it.
func write(path string, b []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, b, 0o644) //nolint:gosec // everybody may read a manual
	}
	if err != nil {
		return fmt.Errorf("cannot install: %w", err)
	}
	return nil
}
