package solve

import (
	"crypto/md5"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
)

// Variant is a way in which a secret gets changed on its way into the rules.
type Variant string

// The variants of a secret.
const (
	AsGiven        Variant = "as-given"
	NoNewline      Variant = "no-newline"   // hashed without the newline that date writes
	TwoNewlines    Variant = "two-newlines" // one from a file besides
	CarriageReturn Variant = "cr"           // a file with the line ends of Windows
	BareCR         Variant = "cr-no-newline"
	BlankBefore    Variant = "blank-before"
	BlankAfter     Variant = "blank-after"
	BlanksAround   Variant = "blanks-around"
	UpperCase      Variant = "upper-case"
	LowerCase      Variant = "lower-case"
	FirstUpper     Variant = "first-upper" // as a phone's keyboard writes it
	FirstLower     Variant = "first-lower"
)

// Words says in words what the server did with the secret.
func (v Variant) Words() string {
	switch v {
	case AsGiven:
		return "as given"
	case NoNewline:
		return "without the newline at its end"
	case TwoNewlines:
		return "with a second newline at its end"
	case CarriageReturn:
		return "with a carriage return at its end"
	case BareCR:
		return "with a carriage return at its end, and no newline"
	case BlankBefore:
		return "with a blank before it"
	case BlankAfter:
		return "with a blank after it"
	case BlanksAround:
		return "with blanks around it"
	case UpperCase:
		return "in upper case"
	case LowerCase:
		return "in lower case"
	case FirstUpper:
		return "with its first letter in upper case"
	case FirstLower:
		return "with its first letter in lower case"
	}
	return string(v)
}

// fix says what to do on the server, nothing for a secret as given: no client
// can make up for it.
func (v Variant) Fix() string {
	switch v {
	case AsGiven:
		return ""
	case NoNewline:
		return "on the server, hash the line that date prints with its newline: date, not printf or echo -n"
	case TwoNewlines:
		return "on the server, take the newline at the end of the secret's file away: secret=$(cat FILE) does"
	case CarriageReturn, BareCR:
		return "on the server, take the carriage return away: sed -i 's/\\r$//' on the script or the secret's file"
	case BlankBefore, BlankAfter, BlanksAround:
		return "on the server, take the blanks around the secret away, in the script or the secret's file"
	}
	return "on the server, write the secret in the same case as here, or here as it is there"
}

// variantText is what is hashed behind the hour.
type variantText struct {
	Variant
	text string
}

// variants returns what may have been hashed, each text once. The secret as
// given comes first.
func variants(secret knock.Secret) (all []variantText) {
	s := secret.Reveal()
	for _, v := range []variantText{
		{AsGiven, s + "\n"},
		{NoNewline, s},
		{TwoNewlines, s + "\n\n"},
		{CarriageReturn, s + "\r\n"},
		{BareCR, s + "\r"},
		{BlankBefore, " " + s + "\n"},
		{BlankAfter, s + " \n"},
		{BlanksAround, " " + s + " \n"},
		{UpperCase, strings.ToUpper(s) + "\n"},
		{LowerCase, strings.ToLower(s) + "\n"},
		{FirstUpper, firstCase(s, unicode.ToUpper) + "\n"},
		{FirstLower, firstCase(s, unicode.ToLower) + "\n"},
	} {
		if !slices.ContainsFunc(all, func(o variantText) bool { return o.text == v.text }) {
			all = append(all, v)
		}
	}
	return all
}

// firstCase changes the first letter of s.
func firstCase(s string, change func(rune) rune) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(change(first)) + s[n:]
}

// Variants returns the variants that change this secret, each only if its ports
// are not those of an earlier one. [AsGiven] comes first.
func Variants(secret knock.Secret) (all []Variant) {
	for _, v := range variants(secret) {
		all = append(all, v.Variant)
	}
	return all
}

// Ports returns the ports of an hour on a server that hashes the secret in this
// variant: those of [knock.Derive] as given, none for a variant not known.
func (v Variant) Ports(h knock.Hour, r knock.Range, secret knock.Secret) (p [knock.Knocks]uint16) {
	for _, o := range variants(secret) {
		if o.Variant == v && r.IsValid() {
			return knock.PortsOf(md5.Sum([]byte(h.String()+"-"+o.text)), r)
		}
	}
	return p
}
