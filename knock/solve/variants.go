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

// Words says how the server changed the secret.
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
		return "with a space before it"
	case BlankAfter:
		return "with a space after it"
	case BlanksAround:
		return "with spaces around it"
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

// Fix says what to change on the server, nothing for AsGiven. A client cannot make
// up for it.
func (v Variant) Fix() string {
	switch v {
	case AsGiven:
		return ""
	case NoNewline:
		return "on the server, hash the line that date prints with its newline: date, not printf or echo -n"
	case TwoNewlines:
		return "on the server, remove the newline at the end of the secret's file: secret=$(cat FILE) does"
	case CarriageReturn, BareCR:
		return "on the server, remove the carriage return: sed -i 's/\\r$//' on the script or the secret's file"
	case BlankBefore, BlankAfter, BlanksAround:
		return "on the server, remove the spaces around the secret, in the script or the secret's file"
	}
	return "on the server, write the secret in the same case as here, or here as it is there"
}

// variantText is the text that is hashed behind the hour and its hyphen.
type variantText struct {
	Variant
	text string
}

// variants returns the texts that may have been hashed, without duplicates, the
// secret as given first.
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

// Variants returns the variants of a secret, [AsGiven] first, without those that
// are the same text as an earlier one.
func Variants(secret knock.Secret) (all []Variant) {
	for _, v := range variants(secret) {
		all = append(all, v.Variant)
	}
	return all
}

// Ports returns the ports of an hour on a server with this variant of the secret:
// those of [knock.Derive] for AsGiven, zeros for an unknown variant.
func (v Variant) Ports(h knock.Hour, r knock.Range, secret knock.Secret) (p [knock.Knocks]uint16) {
	for _, o := range variants(secret) {
		if o.Variant == v && r.IsValid() {
			return knock.PortsOf(md5.Sum([]byte(h.String()+"-"+o.text)), r)
		}
	}
	return p
}
