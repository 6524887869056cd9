package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"rapport/knock"
)

// document is a parsed hosts file: its hosts, and where they are in the text.
type document struct {
	text []byte
	hostList
	settings Settings
	sections []section // of hosts, one for one
}

// section is where a host is in the text.
type section struct {
	plain  bool // all of it is below one header [hosts.NAME], with a key on each line
	header span
	keys   map[string]span // by name
	values map[string]span
}

// span is a part of the text, by offsets.
type span struct{ start, end int }

// positioned is an error with its place in the text.
type positioned struct {
	offset int
	err    error
}

func (e *positioned) Error() string { return e.err.Error() }
func (e *positioned) Unwrap() error { return e.err }

// lineColumn returns the 1-based line and column, in characters, of an offset.
func lineColumn(text []byte, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// part is one part of a key like hosts.myserver.address.
type part struct {
	name string
	at   span
}

type parser struct {
	document
	toml unstable.Parser
	keys []key
	at   map[string]int // a host's place in hosts, by lower-case name
}

// parse reads a hosts file. Its errors are *positioned, and show no possible secret.
func parse(text []byte) (document, error) {
	// The parser computes offsets from the capacity.
	text = text[:len(text):len(text)]
	p := parser{document: document{text: text, settings: DefaultSettings()}, keys: keys(), at: map[string]int{}}
	p.toml.Reset(text)
	var table []part
	for p.toml.NextExpression() {
		e := p.toml.Expression()
		path := parts(e.Key())
		var err error
		switch e.Kind {
		case unstable.Table:
			table = path
			err = p.table(path)
		case unstable.ArrayTable:
			err = at(path[0], errors.New("[[...]] is a list of tables: write [hosts.NAME]"))
		case unstable.KeyValue:
			whole := span{int(e.Raw.Offset), int(e.Raw.Offset + e.Raw.Length)}
			if len(table) == 0 && len(path) == 1 {
				var known bool
				if known, err = p.settings.setting(path[0].name, e.Value()); known {
					if err != nil {
						return document{}, at(path[0], err)
					}
					continue
				}
			}
			plain := len(table) == 2 && len(path) == 1
			err = p.place(append(table[:len(table):len(table)], path...), e.Value(), whole, plain)
		}
		if err != nil {
			return document{}, err
		}
	}
	if err := p.toml.Error(); err != nil {
		return document{}, p.syntax(err)
	}
	// Only the decoder finds tables that are defined twice.
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return document{}, p.syntax(err)
	}
	return p.document, nil
}

func parts(keys unstable.Iterator) []part {
	var all []part
	for keys.Next() {
		k := keys.Node()
		all = append(all, part{string(k.Data), span{int(k.Raw.Offset), int(k.Raw.Offset + k.Raw.Length)}})
	}
	return all
}

func at(p part, err error) error { return &positioned{p.at.start, err} }

// syntax adds a place to an error of the TOML library, and leaves out the characters that
// it quotes, for the text may be a secret.
func (p *parser) syntax(err error) error {
	message, offset := "not valid TOML", 0
	if pe, ok := errors.AsType[*unstable.ParserError](err); ok {
		message = pe.Message
		if o := cap(p.text) - cap(pe.Highlight); o >= 0 && o <= len(p.text) {
			offset = o
		}
	} else if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		message = strings.TrimPrefix(de.Error(), "toml: ")
		row, column := de.Position()
		for ; row > 1; row-- {
			offset += bytes.IndexByte(p.text[offset:], '\n') + 1
		}
		offset = min(offset+max(column-1, 0), len(p.text))
	}
	message, _, _ = strings.Cut(message, " U+")
	message = strings.TrimRight(strings.TrimSuffix(message, "but got"), " :")
	if message == "unexpected character" || strings.HasPrefix(message, "expected keyword") {
		message = "a value is neither a number nor true nor false: text goes in quotes"
	}
	return &positioned{offset, errors.New(knock.Clean(message, 160))}
}

func (p *parser) table(path []part) error {
	if err := p.checkPath(path); err != nil {
		return err
	}
	if len(path) != 2 {
		return nil
	}
	if i, ok := p.at[strings.ToLower(path[1].name)]; ok {
		line, _ := lineColumn(p.text, p.sections[i].header.start)
		return at(path[1], fmt.Errorf("host %s is there twice, first in line %d", knock.Quote(path[1].name), line))
	}
	i, err := p.host(path[1])
	if err == nil {
		p.sections[i].plain = true
	}
	return err
}

// checkPath returns what is wrong with a key, whatever its value.
func (p *parser) checkPath(path []part) error {
	if first := path[0]; first.name != "hosts" {
		hint := "hosts stand below [hosts.NAME]"
		if nearest(first.name, []string{"hosts"}) != "" {
			hint = "did you mean \"hosts\"?"
		}
		return at(first, fmt.Errorf("unknown key %s: %s", knock.Quote(first.name), hint))
	}
	if len(path) < 3 {
		return nil
	}
	var names []string
	for _, k := range p.keys {
		if k.name == path[2].name {
			if len(path) > 3 {
				return at(path[3], fmt.Errorf("unknown key %s: %s has none below it", knock.Quote(path[3].name), k.name))
			}
			return nil
		}
		names = append(names, k.name)
	}
	name := path[2].name
	hint := "there are " + strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if path[1].at.end+1 == path[2].at.start {
		whole := path[1].name
		for _, part := range path[2:] {
			whole += "." + part.name
		}
		hint = fmt.Sprintf("a name with dots goes in quotes, like [hosts.%s]", tomlString(knock.Excerpt(whole)))
	}
	return at(path[2], fmt.Errorf("unknown key %s: %s", knock.Quote(name), hint))
}

// host returns the index of the host with that name, and adds it if it is new.
func (p *parser) host(name part) (int, error) {
	if i, ok := p.at[strings.ToLower(name.name)]; ok {
		if first := p.hosts[i].Name; first != name.name {
			return 0, at(name, fmt.Errorf("host %s is there as %s too: names are the same in upper and lower case", knock.Quote(name.name), knock.Quote(first)))
		}
		return i, nil
	}
	if err := knock.CheckHost(name.name); err != nil {
		return 0, at(name, err)
	}
	i := len(p.hosts)
	p.at[strings.ToLower(name.name)] = i
	p.hosts = append(p.hosts, NewHost(name.name))
	p.sections = append(p.sections, section{header: name.at, keys: map[string]span{}, values: map[string]span{}})
	return i, nil
}

// place reads the value of a key. whole is the expression's span; plain says that
// it has a line of its own below [hosts.NAME].
func (p *parser) place(path []part, v *unstable.Node, whole span, plain bool) error {
	if err := p.checkPath(path); err != nil {
		return err
	}
	if v.Kind == unstable.InlineTable {
		if len(path) == 2 {
			if _, err := p.host(path[1]); err != nil {
				return err
			}
		}
		for children := v.Children(); children.Next(); {
			if kv := children.Node(); kv.Kind == unstable.KeyValue {
				if err := p.place(append(path[:len(path):len(path)], parts(kv.Key())...), kv.Value(), whole, false); err != nil {
					return err
				}
			}
		}
		if len(path) < 3 {
			return nil
		}
	}
	switch len(path) {
	case 1:
		return at(path[0], errors.New("hosts is a table: write [hosts.NAME]"))
	case 2:
		return at(path[1], fmt.Errorf("host %s is a table: write [hosts.%s] and its keys below", knock.Quote(path[1].name), tomlKey(knock.Excerpt(path[1].name))))
	}
	i, err := p.host(path[1])
	if err != nil {
		return err
	}
	return p.set(i, path[2], v, whole, plain)
}

func (p *parser) set(i int, name part, v *unstable.Node, whole span, plain bool) error {
	h, s := &p.hosts[i], &p.sections[i]
	if _, twice := s.keys[name.name]; twice {
		return at(name, fmt.Errorf("key %s of host %s is there twice", name.name, knock.Quote(h.Name)))
	}
	s.plain = s.plain && plain
	s.keys[name.name] = whole
	// The key is followed by an equals sign and spaces, then the value.
	start := name.at.end
	for start < whole.end && strings.IndexByte(" \t=", p.text[start]) >= 0 {
		start++
	}
	s.values[name.name] = span{start, whole.end}
	before := h.Secret
	for _, k := range p.keys {
		if k.name != name.name {
			continue
		}
		if err := k.set(h, value{k.name, v}); err != nil {
			return &positioned{start, err}
		}
	}
	if first := before.Source(); first != NoSecret && !before.Equal(h.Secret) {
		keys := map[SecretSource]string{FromCommand: "secret_command", InFile: "secret_file", InKeyring: "keyring", Inline: "secret"}
		return at(name, fmt.Errorf("host %s says twice where its secret is, %s and %s: keep one", knock.Quote(h.Name), keys[first], name.name))
	}
	return nil
}
