package netfilter

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// maxJSONDepth bounds objects and arrays within each other; a concatenation of
// ranges in a verdict map has 20.
const maxJSONDepth = 40

// ErrJSONRules says that rules in JSON are cut off or not those of nft.
var ErrJSONRules = errors.New("the JSON of these rules cannot be read: give the whole output of nft -j list ruleset")

// jsonObject is an object of libnftables-json(5).
type jsonObject map[string]any

// jsonDump is the output of nft -j list ruleset.
type jsonDump struct {
	Objects []jsonObject `json:"nftables"`
}

// cutJSON returns the dumps in JSON that a text holds, each from the start of a line,
// and the text without them.
func cutJSON(text []byte) (dumps []jsonDump, rest []byte, err error) {
	for from := 0; ; {
		key := bytes.Index(text[from:], []byte(`"nftables"`))
		if key < 0 {
			return dumps, append(rest, text...), nil
		}
		from += key
		start := len(bytes.TrimRight(text[:from], " \t\r\n")) - 1
		before := bytes.TrimRight(text[:max(start, 0)], " \t")
		if start < 0 || text[start] != '{' || len(before) > 0 && before[len(before)-1] != '\n' {
			from++
			continue
		}
		d := json.NewDecoder(bytes.NewReader(text[start:]))
		d.UseNumber()
		var dump jsonDump
		if d.Decode(&dump) != nil || slices.ContainsFunc(dump.Objects, func(o jsonObject) bool { return tooDeep(map[string]any(o), maxJSONDepth) }) {
			return nil, nil, ErrJSONRules
		}
		dumps, rest = append(dumps, dump), append(rest, text[:start]...)
		text, from = text[start+int(d.InputOffset()):], 0
	}
}

// tooDeep reports whether a value has more levels than left.
func tooDeep(v any, left int) bool {
	deep := func(v any) bool { return tooDeep(v, left-1) }
	switch v := v.(type) {
	case []any:
		return left == 0 || slices.ContainsFunc(v, deep)
	case map[string]any:
		return left == 0 || slices.ContainsFunc(slices.Collect(maps.Values(v)), deep)
	}
	return false
}

// readNFTJSON reads dumps in JSON as [readNFT] reads text: every object becomes the
// words that nft prints for it. The line of a rule is its number in the dump.
func readNFTJSON(dumps []jsonDump, timed map[string][]machine.Item) (tables []*machine.Table, opaque bool) {
	n := &nftReader{timed: timed}
	for _, d := range dumps {
		byName := map[string]*machine.Table{}
		n.texts = nil
		for _, o := range d.Objects {
			kind, body := o.only()
			name := body.text("family") + " " + body.text("table")
			switch kind {
			case "table":
				name = body.text("family") + " " + body.text("name")
			case "chain", "rule", "set", "map":
			default:
				continue
			}
			if n.table = byName[name]; n.table == nil {
				n.table = newNFTTable(name)
				byName[name] = n.table
				tables = append(tables, n.table)
			}
			n.object(kind, body)
		}
	}
	return tables, n.opaque
}

// object reads a chain, a rule, a set or a map of the table.
func (n *nftReader) object(kind string, o jsonObject) {
	switch kind {
	case "chain":
		c := n.table.Chain(o.name("name"))
		c.Policy = machine.Accept // the default
		if o["hook"] != nil {
			n.statement(c, nftLine(o.fill("type $type hook $hook priority $prio")), 0)
			n.statement(c, nftLine(o.fill("policy $policy")), 0)
		}
	case "rule":
		text := o.rule()
		n.texts = append(n.texts, knock.Clean(text, maxRuleLine))
		n.statement(n.table.Chain(o.name("chain")), nftLine(text), len(n.texts))
	case "set", "map":
		n.w, n.i = append(nftLine(o.set()), "}"), 0
		n.set(o.name("name"))
	}
}

// nftLine returns the words of one line, without its end.
func nftLine(text string) []string {
	words, _ := nftWords([]string{text})
	return words[:len(words)-1]
}

// only returns the name and the value of an object with a single key. The value is
// empty if it is no object.
func (o jsonObject) only() (name string, body jsonObject) {
	if len(o) == 1 {
		for name, v := range o {
			body, _ := v.(map[string]any)
			return name, body
		}
	}
	return "", nil
}

// name returns a name as it is, made printable.
func (o jsonObject) name(key string) string {
	s, _ := o[key].(string)
	return knock.Clean(s, maxRuleLine)
}

func (o jsonObject) text(key string) string { return jsonText(o[key], nil) }

// is reports whether a key is there and true.
func (o jsonObject) is(key string) bool { return o[key] == true }

// rule returns a rule as nft prints it.
func (o jsonObject) rule() string {
	var words []string
	for _, s := range listOf(o["expr"]) {
		if text, raw := s.(string); raw { // nft has no JSON for it, and prints text
			words = append(words, knock.Clean(text, maxRuleLine))
		} else {
			words = append(words, jsonStatement(s))
		}
	}
	if o["comment"] != nil {
		words = append(words, "comment "+quoteWord(o.name("comment")))
	}
	return strings.Join(words, " ")
}

// set returns what stands between the braces of a set or a map.
func (o jsonObject) set() string {
	kind, quotes := "type ", []bool(nil)
	if t, ok := o["type"].(map[string]any); ok {
		kind, quotes = "typeof ", quotesOf(t["typeof"])
		kind += jsonText(t["typeof"], nil)
	} else {
		var words []string
		for _, n := range listOf(o["type"]) {
			word := jsonText(n, nil)
			words, quotes = append(words, word), append(quotes, word == "ifname" || word == "iface_index")
		}
		kind += strings.Join(words, " . ")
	}
	all := []string{kind}
	if t := jsonTime(o["timeout"]); t != "" {
		all = append(all, "timeout "+t)
	}
	if o["size"] != nil {
		all = append(all, "size "+o.text("size"))
	}
	if s := o.statements("stmt"); s != "" {
		all = append(all, s)
	}
	if elements, ok := o["elem"].([]any); ok && len(elements) > 0 {
		all = append(all, "elements = { "+jsonElements(elements, quotes)+" }")
	}
	return strings.Join(all, " ; ")
}

// jsonTime returns a time. nft cuts it to whole seconds, and 0 is none at all.
func jsonTime(v any) string {
	switch s := jsonText(v, nil); s {
	case "":
		return ""
	case "0":
		return "500ms"
	default:
		return s + "s"
	}
}

// quoteWord returns a word between quotes, which nft cannot have in it.
func quoteWord(s string) string {
	return `"` + strings.ReplaceAll(knock.Clean(s, maxRuleLine), `"`, "'") + `"`
}

// bareWord returns a word as it is, unless it would be taken for several.
func bareWord(s string) string {
	if s == "" || strings.ContainsAny(s, ` {};,"()#`) {
		return quoteWord(s)
	}
	return knock.Clean(s, maxRuleLine)
}
