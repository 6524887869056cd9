package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// maxFile bounds a hosts file, in bytes: thousands of hosts.
const maxFile = 1 << 20

// File is a hosts file as [Load] read it. The zero File has no hosts.
type File struct {
	Path     string // as given to Load
	Settings Settings
	hostList
}

// hostList is the hosts of a file, in its order.
type hostList struct{ hosts []Host }

// DefaultPath returns the user's hosts file, rapport/hosts.toml in the configuration folder
// ([os.UserConfigDir]). It fails where the environment names no such folder.
func DefaultPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no configuration folder: %s; set HOME, or name the hosts file with --config", knock.Excerpt(err.Error()))
	}
	return filepath.Join(dir, "rapport", "hosts.toml"), nil
}

// ErrNotTrusted says that others could have put commands into the hosts file.
var ErrNotTrusted = errors.New("it is not trusted")

// Load reads the hosts file at path. A missing file has no hosts. The first mistake in
// the text is an error that begins path:line:column. A file that others can write or
// replace, or own, is refused with ErrNotTrusted, since it may name commands to run, and
// one with a secret that others can read with ErrReadableByOthers.
func Load(path string) (File, error) {
	doc, _, err := load(path, path)
	return File{path, doc.settings, doc.hostList}, err
}

// load reads the file at path, and calls it shown. info is nil where there is no file.
func load(path, shown string) (doc document, info fs.FileInfo, err error) {
	text, info, err := readText(path, shown)
	if err != nil {
		return document{}, nil, err
	}
	// Windows editors may start a file with a byte order mark; TOML has none.
	body := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if doc, err = parse(body); err != nil {
		if p, ok := errors.AsType[*positioned](err); ok {
			line, column := lineColumn(body, p.offset)
			err = fmt.Errorf("%s:%d:%d: %w", knock.Clean(shown, 1024), line, column, p.err)
		}
		return document{}, nil, err
	}
	// Windows has no such bits: there a user's folders are readable by the user alone.
	if info != nil && doc.hasSecret() && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return document{}, nil, fmt.Errorf("hosts file %s holds a secret, and %w; run chmod 600 %s", knock.QuotePath(shown), ErrReadableByOthers, knock.QuotePath(shown))
	}
	folder := filepath.Dir(shown)
	for i := range doc.hosts {
		doc.hosts[i].folder = folder
	}
	return doc, info, nil
}

// hasSecret reports whether the file itself holds a secret.
func (d document) hasSecret() bool {
	return slices.ContainsFunc(d.hosts, func(h Host) bool { return h.Secret.Source() == Inline })
}

func readText(path, shown string) ([]byte, fs.FileInfo, error) {
	fail := func(err error) ([]byte, fs.FileInfo, error) {
		return nil, nil, fmt.Errorf("cannot read hosts file %s: %w", knock.QuotePath(shown), phrase.WithoutPath(err))
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("hosts file %s is a folder", knock.QuotePath(shown))
	}
	if err := checkTrust(path, info, shown); err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("hosts file %s has more than %d bytes; is it one?", knock.QuotePath(shown), maxFile)
	}
	return text, info, nil
}

// Hosts returns the hosts in the order of the file.
func (l hostList) Hosts() []Host { return slices.Clone(l.hosts) }

// Host returns the host with that name, in any case, as in DNS: ssh may pass lower case.
func (l hostList) Host(name string) (Host, bool) {
	if i := l.index(name); i >= 0 {
		return l.hosts[i], true
	}
	return Host{}, false
}

// index returns the index of the host with that name, or -1.
func (l hostList) index(name string) int {
	name = strings.ToLower(name)
	return slices.IndexFunc(l.hosts, func(h Host) bool { return strings.ToLower(h.Name) == name })
}

// Entry is a host as rapport hosts list --json prints it. It holds no secret.
type Entry struct {
	Name    string       `json:"name"`
	Address string       `json:"address"`
	SSHPort int          `json:"ssh_port"`
	Range   knock.Range  `json:"range"`
	Family  knock.Family `json:"family"`
	Skew    float64      `json:"skew_s"`
	Window  float64      `json:"window_s"`
	NTP     []string     `json:"ntp"`
	Tags    []string     `json:"tags"`
	Strict  bool         `json:"strict"`
	Gap     knock.Millis `json:"gap_ms"`
	Guard   int          `json:"sweep_guard"`
	Secret  SecretSource `json:"secret"` // where it is stored
	Path    string       `json:"-"`      // of a file with the secret
}

// Entries returns the hosts of the file, in its order. It is never nil.
func (f File) Entries() []Entry {
	all := []Entry{}
	for _, h := range f.hosts {
		all = append(all, h.entry())
	}
	return all
}

// Entry returns the host of that name as it is shown. It wraps ErrNoHost if there is none.
func (f File) Entry(name string) (Entry, error) {
	h, ok := f.Host(name)
	if !ok {
		return Entry{}, errNoHost(name, f.Near(name))
	}
	return h.entry(), nil
}

func (h Host) entry() Entry {
	return Entry{h.Name, h.Lookup(), h.SSHPort, h.Range, h.Family, h.Skew.Seconds(), h.Window.Seconds(),
		append([]string{}, h.NTP...), append([]string{}, h.Tags...), h.Strict, knock.Millis(h.Gap), h.SweepGuard, h.Secret.Source(), h.Secret.Path}
}

// Print writes the entry for a person, a line for each value.
func (e Entry) Print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("name", e.Name)
	row("address", net.JoinHostPort(e.Address, strconv.Itoa(e.SSHPort)))
	row("family", e.Family)
	row("range", e.Range)
	row("skew", phrase.Duration(time.Duration(e.Skew*float64(time.Second))))
	row("window", phrase.Duration(time.Duration(e.Window*float64(time.Second))))
	if e.Gap > 0 {
		row("gap", phrase.Millis(time.Duration(e.Gap)))
	}
	row("strict", e.Strict)
	if e.Guard > 0 {
		row("sweep guard", phrase.Plural(e.Guard, "wrong port")+" a minute")
	}
	if len(e.NTP) > 0 {
		row("ntp", strings.Join(e.NTP, ", "))
	}
	if len(e.Tags) > 0 {
		row("tags", strings.Join(e.Tags, ", "))
	}
	row("secret", strings.TrimSpace(fmt.Sprintf("%s %s", e.Secret, knock.Clean(e.Path, 1024))))
	_ = table.Flush() // a failed write is remembered by w
}

// CheckNew returns why no host can be added under this name, or nil.
func (f File) CheckNew(name string) error {
	if h, taken := f.Host(name); taken {
		return errExists(h.Name)
	}
	return knock.CheckHost(name)
}

// Near returns the name in the file that this one is a misspelling of, or nothing.
func (l hostList) Near(name string) string {
	var names []string
	for _, h := range l.hosts {
		names = append(names, h.Name)
	}
	return nearest(name, names)
}
