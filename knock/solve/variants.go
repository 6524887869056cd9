package solve

import (
	"crypto/md5"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
)

// Variant is a way in which a secret is changed on its way into a server's rules.
type Variant string

// The variants of a secret.
const (
	AsGiven        Variant = "as-given"
	NoNewline      Variant = "no-newline"   // hashed without the newline that date prints
	TwoNewlines    Variant = "two-newlines" // one more, from a file
	CarriageReturn Variant = "cr"           // from a file with CRLF line ends
	BareCR         Variant = "cr-no-newline"
	BlankBefore    Variant = "blank-before"
	BlankAfter     Variant = "blank-after"
	BlanksAround   Variant = "blanks-around"
	UpperCase      Variant = "upper-case"
	LowerCase      Variant = "lower-case"
	FirstUpper     Variant = "first-upper" // as a phone's keyboard types it
	FirstLower     Variant = "first-lower"
)

// spelling is what is known of a variant.
type spelling struct {
	Variant
	words string                     // how the server changed the secret
	text  func(secret string) string // what is hashed behind the hour and its hyphen
	fix   string
}

// What to change on the server.
const (
	fixCR     = "on the server, remove the carriage return: sed -i 's/\\r$//' on the script or the secret's file"
	fixBlanks = "on the server, remove the spaces around the secret, in the script or the secret's file"
	fixCase   = "on the server, write the secret in the same case as here, or here as it is there"
)

// spellings are those of all variants, as given first.
var spellings = []spelling{
	{AsGiven, "as given", func(s string) string { return s + "\n" }, ""},
	{NoNewline, "without the newline at its end", func(s string) string { return s },
		"on the server, hash the line that date prints with its newline: date, not printf or echo -n"},
	{TwoNewlines, "with a second newline at its end", func(s string) string { return s + "\n\n" },
		"on the server, remove the newline at the end of the secret's file: secret=$(cat FILE) does"},
	{CarriageReturn, "with a carriage return at its end", func(s string) string { return s + "\r\n" }, fixCR},
	{BareCR, "with a carriage return at its end, and no newline", func(s string) string { return s + "\r" }, fixCR},
	{BlankBefore, "with a space before it", func(s string) string { return " " + s + "\n" }, fixBlanks},
	{BlankAfter, "with a space after it", func(s string) string { return s + " \n" }, fixBlanks},
	{BlanksAround, "with spaces around it", func(s string) string { return " " + s + " \n" }, fixBlanks},
	{UpperCase, "in upper case", func(s string) string { return strings.ToUpper(s) + "\n" }, fixCase},
	{LowerCase, "in lower case", func(s string) string { return strings.ToLower(s) + "\n" }, fixCase},
	{FirstUpper, "with its first letter in upper case", func(s string) string { return firstCase(s, unicode.ToUpper) + "\n" }, fixCase},
	{FirstLower, "with its first letter in lower case", func(s string) string { return firstCase(s, unicode.ToLower) + "\n" }, fixCase},
}

// firstCase changes the first letter of s.
func firstCase(s string, change func(rune) rune) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(change(first)) + s[n:]
}

// spelling returns what is known of v, only its name for an unknown one.
func (v Variant) spelling() spelling {
	i := slices.IndexFunc(spellings, func(s spelling) bool { return s.Variant == v })
	if i < 0 {
		return spelling{Variant: v, words: string(v)}
	}
	return spellings[i]
}

// Words says how the server changed the secret.
func (v Variant) Words() string { return v.spelling().words }

// Fix says what to change on the server, nothing for AsGiven. A client cannot make
// up for it.
func (v Variant) Fix() string { return v.spelling().fix }

// variants returns the variants of a secret and the texts that they hash, [AsGiven]
// first, without those that are the same text as an earlier one.
func variants(secret knock.Secret) (all []Variant, texts []string) {
	for _, v := range spellings {
		if text := v.text(secret.Reveal()); !slices.Contains(texts, text) {
			all, texts = append(all, v.Variant), append(texts, text)
		}
	}
	return all, texts
}

// Variants returns the variants of a secret, [AsGiven] first, without those that
// are the same text as an earlier one.
func Variants(secret knock.Secret) []Variant {
	all, _ := variants(secret)
	return all
}

// Ports returns the ports of an hour on a server with this variant of the secret:
// those of [knock.Derive] for AsGiven, zeros for an unknown variant.
func (v Variant) Ports(h knock.Hour, r knock.Range, secret knock.Secret) (p [knock.Knocks]uint16) {
	s := v.spelling()
	if s.text == nil || !r.IsValid() {
		return p
	}
	return knock.PortsOf(md5.Sum([]byte(h.String()+"-"+s.text(secret.Reveal()))), r)
}

// PortsOfEach is Ports for several ranges, all of them valid, with one hash.
func (v Variant) PortsOfEach(h knock.Hour, all []knock.Range, secret knock.Secret) [][knock.Knocks]uint16 {
	sum := md5.Sum([]byte(h.String() + "-" + v.spelling().text(secret.Reveal())))
	ports := make([][knock.Knocks]uint16, len(all))
	for i, r := range all {
		ports[i] = knock.PortsOf(sum, r)
	}
	return ports
}
