package netfilter

import (
	"encoding/json"
	"slices"
	"strings"
)

// jsonForms are the objects whose words follow from their keys: "$key" is a value,
// "word$key" a word and a value, `word"key` a word and a quoted value, and
// "word?key" a word where the key is true. Keys that are missing leave nothing.
var jsonForms = map[string]string{
	"payload": "$protocol $field", "ct": "ct $dir $key", "exthdr": "$name $field",
	"tcp option": "tcp option $name $field", "ip option": "ip option $name $field", "sctp chunk": "sctp chunk $name $field", "dccp option": "dccp option $type",
	"numgen": "numgen $mode mod$mod offset$offset", "jhash": "jhash $expr mod$mod seed$seed offset$offset", "symhash": "symhash mod$mod offset$offset",
	"rt": "rt $family $key", "socket": "socket $key", "osf": "osf ttl$ttl $key", "ipsec": "ipsec $dir spnum$spnum $family $key",
	"accept": "accept", "drop": "drop", "return": "return", "continue": "continue", "notrack": "notrack", "jump": "jump $target", "goto": "goto $target",
	"counter": "counter packets$packets bytes$bytes", "quota": "quota over?inv $val $val_unit used$used $used_unit", "ct count": "ct count over?inv $val",
	"log":    `log prefix"prefix group$group snaplen$snaplen queue-threshold$queue-threshold level$level flags$flags`,
	"reject": "reject with$type $expr", "queue": "queue flags$flags to$num", "dup": `dup to$addr device"dev`, "fwd": `fwd $family to$addr to"dev`,
	"xt": "xt $type $name", "flow": "flow $op $flowtable", "synproxy": "synproxy mss$mss wscale$wscale $flags", "last": "last used$used",
}

// fill returns the words of a form.
func (o jsonObject) fill(form string) string {
	var words []string
	for _, part := range strings.Fields(form) {
		i := strings.IndexAny(part, `$"?`)
		if i < 0 {
			words = append(words, part)
			continue
		}
		word, key := part[:i], part[i+1:]
		switch {
		case part[i] == '?' && !o.is(key), part[i] != '?' && o[key] == nil, key == "offset" && o.text(key) == "0":
			continue
		case word != "":
			words = append(words, word)
		}
		switch part[i] {
		case '$':
			words = append(words, jsonWords(o[key]))
		case '"':
			words = append(words, quoteWord(o.name(key)))
		}
	}
	return strings.Join(words, " ")
}

// jsonWords is jsonText for what may be several words, such as "tcp reset".
func jsonWords(v any) string {
	if s, ok := v.(string); ok {
		words := strings.Fields(s)
		for i := range words {
			words[i] = bareWord(words[i])
		}
		return strings.Join(words, " ")
	}
	return jsonText(v, nil)
}

// jsonStatement returns a statement of a rule. What is not known stays a condition
// that is not modelled.
func jsonStatement(v any) string {
	o, _ := v.(map[string]any)
	name, body := jsonObject(o).only()
	named, isName := o[name].(string)
	switch form, known := jsonForms[name]; {
	case isName && strings.HasPrefix(name, "ct "):
		return name + " set " + quoteWord(named)
	case isName: // an object of the table
		return name + " name " + quoteWord(named)
	case body == nil && o[name] != nil:
		return "unknown " + bareWord(name)
	case known && !(body["type"] == "icmpx" && body["expr"] == "port-unreachable"):
		return body.fill(form)
	}
	switch name {
	case "reject": // as usual
		return name
	case "match":
		return body.match()
	case "vmap":
		if key, data := body.text("key"), jsonText(body["data"], quotesOf(body["key"])); key != "" && data != "" {
			return key + " vmap " + data
		}
	case "mangle":
		return body.text("key") + " set " + body.text("value")
	case "limit":
		return body.limit()
	case "set", "map":
		return body.update(name)
	case "meter":
		return body.fill(`meter $name size$size`) + " { " + body.text("key") + body.statements("stmt") + " }"
	case "dnat", "snat", "redirect", "masquerade", "tproxy":
		return body.translate(name)
	}
	return "unknown " + bareWord(name)
}

// match returns a condition.
func (o jsonObject) match() string {
	left, right := o.text("left"), jsonText(o["right"], quotesOf(o["left"]))
	op, _ := o["op"].(string)
	switch exists := o["right"]; {
	case exists == true:
		right = "exists"
	case exists == false:
		right = "missing"
	}
	l, _ := o["left"].(map[string]any)
	name, body := jsonObject(l).only()
	masked, _ := l[name].([]any)
	switch {
	case left == "" || right == "":
		return "unknown match"
	case name == "&" && len(masked) == 2 && isList(masked[1]):
		left, right = jsonText(masked[0], nil), right+" / "+jsonText(masked[1], nil)
		if op == "==" {
			op = ""
		}
	case op == "==" && masked != nil && name != "concat": // behind an operator nft prints it
	case op == "in", op == "==" && (right[0] == '{' || right[0] == '@' || !isFlags(body) && masked == nil || name == "concat"):
		op = ""
	case !slices.Contains([]string{"==", "!=", "<", ">", "<=", ">=", "!"}, op):
		return "unknown match"
	}
	return joinWords(left, op, right)
}

func isList(v any) bool { _, ok := v.([]any); return ok }

// listOf returns an array, or the one value that nft prints in its place.
func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// isFlags reports whether a field has bits: for those nft prints "==".
func isFlags(o jsonObject) bool {
	return o["field"] == "flags" || o["key"] == "state" || o["key"] == "status" || o["key"] == "label"
}

// limit returns "limit rate over 5/minute burst 3 packets".
func (o jsonObject) limit() string {
	rate, burst, unit := o.text("rate"), o.text("burst"), "packets"
	text := o.fill("limit rate over?inv") + " " + rate
	if u := o.text("rate_unit"); u != "" && u != unit {
		text += " " + u
		unit = o.text("burst_unit")
	}
	text += "/" + o.text("per")
	if burst == "" || burst == "0" || burst == "5" && unit == "packets" {
		return text
	}
	return text + " burst " + burst + " " + unit
}

// update returns a statement that changes a set or a map.
func (o jsonObject) update(kind string) string {
	elem := jsonText(o["elem"], nil) + o.statements("stmt")
	if o["data"] != nil {
		elem += " : " + o.text("data")
	}
	return o.text("op") + " " + o.text(kind) + " { " + elem + " }"
}

// statements returns statements with a space in front: nft has an array or one.
func (o jsonObject) statements(key string) (all string) {
	if o[key] == nil {
		return ""
	}
	for _, s := range listOf(o[key]) {
		all += " " + jsonStatement(s)
	}
	return all
}

// translate returns "dnat ip to 192.0.2.1:22 random".
func (o jsonObject) translate(name string) string {
	to, port := o.text("addr"), o.text("port")
	if port != "" && strings.Contains(to, ":") {
		to = "[" + to + "]"
	}
	if port != "" {
		to += ":" + port
	}
	if to != "" {
		to = "to " + to
	}
	return joinWords(name, o.text("family"), to, o.text("flags"))
}

// joinWords joins those that are there.
func joinWords(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// quotesOf reports for each field of an expression whether nft quotes its values,
// as it does names of interfaces.
func quotesOf(v any) []bool {
	o, _ := v.(map[string]any)
	name, body := jsonObject(o).only()
	if fields, ok := o[name].([]any); ok && name == "concat" {
		var all []bool
		for _, f := range fields {
			all = append(all, slices.Contains(quotesOf(f), true))
		}
		return all
	}
	key, _ := body["key"].(string)
	return []bool{(name == "meta" || name == "ct") && slices.Contains([]string{"iif", "oif", "iifname", "oifname", "ibrname", "obrname", "helper", "time", "hour", "day"}, key)}
}

// jsonText returns a value or an expression as nft prints it, "" for nothing.
// quotes are those of its fields.
func jsonText(v any, quotes []bool) string {
	switch v := v.(type) {
	case json.Number:
		return bareWord(v.String())
	case string:
		if len(quotes) > 0 && quotes[0] && !strings.HasPrefix(v, "@") {
			return quoteWord(v)
		}
		return bareWord(v)
	case []any:
		return jsonJoin(v, ",", quotes)
	case map[string]any:
		return jsonExpr(v, quotes)
	}
	return ""
}

func jsonJoin(list []any, sep string, quotes []bool) string {
	var all []string
	for _, v := range list {
		all = append(all, jsonText(v, quotes))
	}
	return strings.Join(all, sep)
}

// jsonExpr returns an expression.
func jsonExpr(o jsonObject, quotes []bool) string {
	name, body := o.only()
	list, _ := o[name].([]any)
	switch name {
	case "meta":
		if key := body.text("key"); slices.Contains([]string{"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"}, key) {
			return key
		}
		return body.fill("meta $key")
	case "payload":
		if body["base"] != nil {
			return "@" + body.text("base") + "," + body.text("offset") + "," + body.text("len")
		}
	case "exthdr":
		if body["field"] == nil {
			return body.fill("exthdr $name")
		}
	case "fib":
		return "fib " + jsonJoin(listOf(body["flags"]), " . ", nil) + " " + body.text("result")
	case "range":
		return jsonJoin(list, "-", quotes)
	case "prefix":
		return body.text("addr") + "/" + body.text("len")
	case "concat":
		var all []string
		for i, v := range list {
			all = append(all, jsonText(v, quotes[min(i, len(quotes)):]))
		}
		return strings.Join(all, " . ")
	case "set":
		return "{ " + jsonElements(listOf(o[name]), quotes) + " }"
	case "map":
		return body.text("key") + " map " + jsonText(body["data"], quotesOf(body["key"]))
	case "elem":
		return body.element(quotes)
	case "&", "|", "^", "<<", ">>":
		return jsonJoin(list, " "+name+" ", quotes)
	}
	if form, ok := jsonForms[name]; ok {
		return body.fill(form)
	}
	return "unknown " + bareWord(name)
}

// jsonElements returns elements of a set; those of a map are pairs.
func jsonElements(list []any, quotes []bool) string {
	var all []string
	for _, v := range list {
		if pair, ok := v.([]any); ok && len(pair) == 2 {
			all = append(all, jsonText(pair[0], quotes)+" : "+jsonText(pair[1], nil))
		} else {
			all = append(all, jsonText(v, quotes))
		}
	}
	return strings.Join(all, ", ")
}

// element returns a value with its timeout, counter and comment.
func (o jsonObject) element(quotes []bool) string {
	text := jsonText(o["val"], quotes)
	for _, key := range []string{"counter", "limit", "quota", "ct count", "last"} {
		if v, ok := o[key]; ok {
			text += " " + jsonStatement(map[string]any{key: v})
		}
	}
	for _, key := range []string{"timeout", "expires"} {
		if t := jsonTime(o[key]); t != "" {
			text += " " + key + " " + t
		}
	}
	if o["comment"] != nil {
		text += " comment " + quoteWord(o.name("comment"))
	}
	return text
}
