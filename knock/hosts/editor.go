package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rapport/knock"
)

// Errors of an Editor that callers test for: a name is taken, or is not there.
var (
	ErrExists = errors.New("host exists already")
	ErrNoHost = errors.New("no such host")
)

// Editor changes the text of a hosts file, and no byte that an edit does not concern.
type Editor struct{ document }

// Add appends a host. It wraps ErrExists if there is one of that name, and fails if
// the hosts file does not allow a value of h.
func (e *Editor) Add(h Host) error {
	if old, ok := e.Host(h.Name); ok {
		return errExists(old.Name)
	}
	if err := check(h); err != nil {
		return err
	}
	text, nl := e.terminated(), e.newline()
	if len(text) > 0 && !bytes.HasSuffix(text, []byte(nl+nl)) {
		text = append(text, nl...)
	}
	return e.replaceText(append(text, e.block(h)...), append(e.Hosts(), h))
}

// Replace sets the name and the values of the host called name to those of h. Changed
// keys are set in place, new ones follow the last key, and those that are back at
// their default are removed. It wraps ErrNoHost if there is none, and ErrExists if
// another host has the new name.
func (e *Editor) Replace(name string, h Host) error {
	i, err := e.find(name)
	if err != nil {
		return err
	}
	if j := e.index(h.Name); j >= 0 && j != i {
		return errExists(h.Name)
	}
	if err := check(h); err != nil {
		return err
	}
	old, s := e.hosts[i], e.sections[i]
	if old.Equal(h) {
		return nil
	}
	if !s.plain {
		return errShape(old.Name)
	}
	want := e.Hosts()
	want[i] = h
	text := e.terminated()
	end, indent := s.lastKey(text)
	var added strings.Builder
	var edits []edit
	if h.Name != old.Name {
		edits = append(edits, edit{s.header, tomlKey(h.Name)})
		old.Name = h.Name // a key that says the new name stays
	}
	for _, k := range keys() {
		was, is := k.text(old), k.text(h)
		at, there := s.keys[k.name]
		switch {
		case was == is:
		case is == "" && bytes.Contains(text[at.end:lineEnd(text, at.end)], []byte("#")):
			edits = append(edits, edit{span{at.start, at.start}, "# "}) // the line's comment stays
		case is == "":
			edits = append(edits, edit{span{lineStart(text, at.start), lineEnd(text, at.end)}, ""})
		case there:
			edits = append(edits, edit{s.values[k.name], is})
		default:
			added.WriteString(indent + k.name + " = " + is + e.newline())
		}
	}
	edits = append(edits, edit{span{end, end}, added.String()})
	return e.replaceText(apply(text, edits), want)
}

// lastKey returns the end of the line of the last key, and how it is indented.
func (s section) lastKey(text []byte) (end int, indent string) {
	end = lineEnd(text, s.header.end)
	for _, k := range s.keys {
		if after := lineEnd(text, k.end); after > end {
			end, indent = after, string(text[lineStart(text, k.start):k.start])
		}
	}
	return end, indent
}

// Remove removes a host: its header, its keys, the comments among them and those
// directly above the header. It wraps ErrNoHost if there is none.
func (e *Editor) Remove(name string) error {
	i, err := e.find(name)
	if err != nil {
		return err
	}
	if !e.sections[i].plain {
		return errShape(e.hosts[i].Name)
	}
	text := e.terminated()
	cut := e.extent(text, i)
	// The empty lines before or after it go too.
	before := cut.start
	for before > 0 && isBlank(text[lineStart(text, before-1):before]) {
		before = lineStart(text, before-1)
	}
	if before == 0 || before < cut.start {
		for cut.end < len(text) && isBlank(text[cut.end:lineEnd(text, cut.end)]) {
			cut.end = lineEnd(text, cut.end)
		}
	}
	if cut.end == len(text) {
		cut.start = before
	}
	want := slices.Delete(e.Hosts(), i, i+1)
	return e.replaceText(apply(text, []edit{{cut, ""}}), want)
}

// extent returns the lines that belong to a plain host.
func (e *Editor) extent(text []byte, i int) span {
	s := e.sections[i]
	x := span{lineStart(text, s.header.start), lineEnd(text, s.header.end)}
	for _, k := range s.keys {
		x.end = max(x.end, lineEnd(text, k.end))
	}
	// A comment at the top of the file belongs to the file.
	above := x.start
	for above > 0 && comment(text[lineStart(text, above-1):above]) {
		above = lineStart(text, above-1)
	}
	if above > 0 {
		x.start = above
	}
	// Comments below the last key belong to the host, unless the next header follows
	// directly: then they belong to that.
	below := x.end
	for below < len(text) && comment(text[below:lineEnd(text, below)]) {
		below = lineEnd(text, below)
	}
	if below == len(text) || isBlank(text[below:lineEnd(text, below)]) {
		x.end = below
	}
	return x
}

// replaceText sets the new text, if it has the hosts in want.
func (e *Editor) replaceText(text []byte, want []Host) error {
	doc, err := parse(text)
	if err == nil && !slices.EqualFunc(doc.hosts, want, Host.Equal) {
		err = errors.New("the result would mean something else")
	}
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it would have more than %d bytes", maxFile)
	}
	if err != nil {
		return fmt.Errorf("cannot edit the hosts file as it is written, it stays as it was: %w; edit it by hand", err)
	}
	for i := range doc.hosts {
		doc.hosts[i].folder = want[i].folder
	}
	e.document = doc
	return nil
}

// check returns why the hosts file does not allow h, or nil.
func check(h Host) error {
	if err := knock.CheckHost(h.Name); err != nil {
		return err
	}
	var e Editor
	doc, err := parse([]byte(e.block(h)))
	if err != nil {
		if p, ok := errors.AsType[*positioned](err); ok {
			err = p.err
		}
		return fmt.Errorf("host %s: %w", knock.Quote(h.Name), err)
	}
	if len(doc.hosts) != 1 || !doc.hosts[0].Equal(h) {
		return fmt.Errorf("host %s: one of its values cannot be written", knock.Quote(h.Name))
	}
	return nil
}

func (e *Editor) block(h Host) string {
	nl := e.newline()
	var b strings.Builder
	b.WriteString("[hosts." + tomlKey(h.Name) + "]" + nl)
	for _, k := range keys() {
		if text := k.text(h); text != "" {
			b.WriteString(k.name + " = " + text + nl)
		}
	}
	return b.String()
}

// find returns the index of a host, and wraps ErrNoHost if there is none.
func (e *Editor) find(name string) (int, error) {
	i := e.index(name)
	if i < 0 {
		return 0, errNoHost(name, e.Near(name))
	}
	return i, nil
}

// errNoHost says that name is not in the file, and what is near.
func errNoHost(name, near string) error {
	if near != "" {
		near = "; did you mean " + near + "?"
	}
	return fmt.Errorf("%w: %s is not in the hosts file%s", ErrNoHost, knock.Quote(name), near)
}

func errExists(name string) error {
	return fmt.Errorf("%w: %s is in the hosts file", ErrExists, knock.Quote(name))
}

func errShape(name string) error {
	return fmt.Errorf("host %s is not written as [hosts.%s] with a key on each line, and is left alone; edit the hosts file by hand",
		knock.Quote(name), tomlKey(knock.Excerpt(name)))
}

func (e *Editor) newline() string {
	if bytes.Contains(e.text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// terminated returns a copy of the text, the last line with its line end.
func (e *Editor) terminated() []byte {
	text := slices.Clone(e.text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, e.newline()...)
	}
	return text
}

// edit puts other text in the place of a span.
type edit struct {
	at   span
	text string
}

// apply carries out edits that do not overlap, from the last to the first.
func apply(text []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return b.at.start - a.at.start })
	for _, e := range edits {
		text = slices.Replace(text, e.at.start, e.at.end, []byte(e.text)...)
	}
	return text
}

// lineStart returns where the line of an offset starts.
func lineStart(text []byte, offset int) int {
	return bytes.LastIndexByte(text[:offset], '\n') + 1
}

// lineEnd returns where the line after that of an offset starts.
func lineEnd(text []byte, offset int) int {
	if i := bytes.IndexByte(text[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(text)
}

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

func comment(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) }
