package watch

import "bytes"

// elementFilter keeps what nft lists, without the elements of sets that the watch does
// not read: those of a sweep guard hold every source of a flood.
type elementFilter struct {
	wanted  func(set string) bool
	kept    bytes.Buffer
	line    []byte // not ended yet
	set     string
	dynamic bool // packets change the set
	skipped bool // the line belongs to elements that are left out
}

// Write implements [io.Writer].
func (f *elementFilter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			f.line = append(f.line, p...)
			return n, nil
		}
		f.add(append(f.line, p[:i+1]...))
		f.line, p = f.line[:0], p[i+1:]
	}
}

// add takes a line. The elements of a set follow its other lines, and end with a brace.
func (f *elementFilter) add(line []byte) {
	words := bytes.TrimSpace(line)
	if name, ok := bytes.CutPrefix(words, []byte("set ")); ok {
		f.set, f.dynamic = string(bytes.TrimSuffix(name, []byte(" {"))), false
	}
	f.dynamic = f.dynamic || bytes.HasPrefix(words, []byte("flags ")) && bytes.Contains(words, []byte("timeout"))
	if bytes.HasPrefix(words, []byte("elements = {")) {
		f.skipped = f.dynamic && !f.wanted(f.set)
	}
	if !f.skipped {
		f.kept.Write(line)
	}
	if bytes.HasSuffix(words, []byte("}")) {
		f.skipped = false
	}
}

// text returns what was kept.
func (f *elementFilter) text() []byte { return append(f.kept.Bytes(), f.line...) }
