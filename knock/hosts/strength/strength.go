// Package strength estimates how long a secret resists somebody who has captured a
// handshake, and makes secrets that resist for longer than a century.
package strength

import (
	"crypto/rand"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode"

	"rapport/knock"
	"rapport/knock/phrase"
)

const (
	// guessesPerSecond is how many secrets an attacker tries: hashcat does 1.6e11 MD5
	// a second on a card of 2022, and the division that follows costs a little.
	guessesPerSecond = 1e11
	// century is how long a strong secret resists one card: a month for a thousand cards.
	century = 100 * year
	year    = 365 * 24 * time.Hour
)

// Strength says how long a secret resists one who has recorded a handshake.
type Strength struct {
	Bits     float64       // of the secret, for an attacker who guesses well
	Seen     float64       // bits that one recorded handshake reveals about it
	Duration time.Duration // until half of the guesses are made; at most about 292 years
	Weak     bool          // less than a century
}

// Estimate estimates how strong a secret is with range r: how many guesses it takes,
// in the manner of zxcvbn (Wheeler, USENIX Security 2016), and how long one graphics
// card needs for them. It is a hint, not a proof.
func Estimate(secret knock.Secret, r knock.Range) Strength {
	s := Strength{Bits: entropy(secret.Reveal())}
	if n := r.Size(); n > 0 {
		s.Seen = knock.Knocks * math.Log2(float64(n))
	}
	s.Duration = math.MaxInt64
	if ns := math.Exp2(s.Bits-1) / guessesPerSecond * 1e9; ns < math.MaxInt64 {
		s.Duration = time.Duration(ns)
	}
	s.Weak = s.Duration < century
	return s
}

// Summary describes the strength in one line.
func (s Strength) Summary() string {
	captured := "one captured handshake gives"
	if s.Seen > 0 && s.Seen < s.Bits && s.Weak {
		captured = fmt.Sprintf("%d captured handshakes give", int(math.Ceil(s.Bits/s.Seen)))
	}
	if s.Weak {
		return fmt.Sprintf("weak: %s this secret away in %s", captured, roughly(s.Duration))
	}
	return "strong: guessing this secret from a captured handshake takes longer than a century"
}

// roughly returns d in words, in one unit: "about 3 days".
func roughly(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	for _, u := range []struct {
		upTo, unit time.Duration
		name       string
	}{
		{2 * time.Minute, time.Second, "second"},
		{2 * time.Hour, time.Minute, "minute"},
		{48 * time.Hour, time.Hour, "hour"},
		{2 * year, 24 * time.Hour, "day"},
	} {
		if d < u.upTo {
			return "about " + phrase.Plural(int(d/u.unit), u.name)
		}
	}
	return "about " + phrase.Plural(int(d/year), "year")
}

// alphabet has nothing that looks alike, or is special to a shell, date(1) or TOML.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// generated is how long a new secret is: 26 of 31 characters are 128.8 bits.
const generated = 26

// Generate returns a new random secret of more than 128 bits. One in ten thousand looks
// like words to Estimate, and is discarded.
func Generate() knock.Secret {
	for {
		var text [generated]byte
		for i := range text {
			// It never fails: crypto/rand ends the program instead.
			n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			text[i] = alphabet[n.Int64()]
		}
		s, err := knock.ParseSecret(string(text[:]))
		if err != nil {
			panic("hosts: a generated secret is refused") // the alphabet rules it out
		}
		if !Estimate(s, knock.DefaultRange).Weak {
			return s
		}
	}
}

// Costs, in bits, for an attacker who knows how people choose secrets. Libraries
// that estimate them with dictionaries cost 15 to 40 ms and up to 18 MB at every
// start; here the frequency of letter pairs tells what is like a word.
const (
	wordBits = 15  // one of the 32,000 likeliest words, names and passwords
	leetBits = 2   // for each 0 in the place of an o, and the like
	caseBits = 1.5 // capitals where people put them
	stepBits = 5.5 // what a run such as 4567 or cba starts with, and its direction
	nextBits = 2   // the same separator once more
)

// A piece of minWord to maxWord letters is like a word if its letter pairs cost at
// most likely bits on average. In 26 random characters there is hardly ever one.
const (
	minWord = 5
	maxWord = 12
	likely  = 4.0
)

// follows has a line for each letter: the cost in bits of each letter after it,
// measured on the 19,000 words of a Debian system's documentation.
const follows = "" +
	"85448758596343959343667868" +
	"36663768368366459446388767" +
	"38573893584468279563588979" +
	"46652678287566479547577879" +
	"56436568798453757334867579" +
	"48763488299477379454498959" +
	"47662754499454469346478976" +
	"27872899397666379465597969" +
	"54455559997452469544959796" +
	"25553677485766347757386999" +
	"36662656397565469635597969" +
	"38752689297378379855579949" +
	"25762889397657339857589969" +
	"48443538486786479833668979" +
	"66447658696442549345455789" +
	"39663775497476349354598969" +
	"97576988799566889556089999" +
	"37552768396656369544578959" +
	"58473774396567448742477959" +
	"38672784298568469345598959" +
	"54565659498443649333989798" +
	"38681779299767479767899889" +
	"27663784397674379446797989" +
	"57453586397658639642679679" +
	"46564767497544529534586877" +
	"39661676388576579656696955"

// entropy estimates the bits in a text. It cuts the text into the pieces that
// people build secrets from, and adds their costs. The estimate is rather low.
func entropy(text string) (bits float64) {
	runes := []rune(text)
	if block := period(runes); block < len(runes) {
		return entropy(string(runes[:block])) + math.Log2(float64(len(runes)/block))
	}
	var separator rune
	for i := 0; i < len(runes); {
		if n := steps(runes[i:]); n >= 3 {
			bits += stepBits + math.Log2(float64(n))
			i += n
			continue
		}
		if n, cost := wordLike(runes[i:]); n > 0 {
			bits += cost
			i += n
			continue
		}
		if c := runes[i]; c == separator {
			bits += nextBits
		} else {
			bits += single(c)
			if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
				separator = c
			}
		}
		i++
	}
	return bits
}

// period returns the length of the block that the text repeats, or its own.
func period(text []rune) int {
	for n := 1; n <= len(text)/2; n++ {
		if len(text)%n == 0 && strings.Repeat(string(text[:n]), len(text)/n) == string(text) {
			return n
		}
	}
	return len(text)
}

// steps returns the length of the run at the start: equal steps of -1, 0 or 1, or a
// row of the keyboard.
func steps(text []rune) int {
	n := 1
	for n+1 < len(text) && text[n+1]-text[n] == text[1]-text[0] && text[1]-text[0] >= -1 && text[1]-text[0] <= 1 {
		n++
	}
	if n > 1 {
		return n + 1
	}
	for _, row := range [...]string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "azertyuiop", "qwertzuiop"} {
		for n = min(len(text), len(row)); n >= 3; n-- {
			if strings.Contains(row, strings.ToLower(string(text[:n]))) {
				return n
			}
		}
	}
	return 1
}

// leet pairs each substitute with its letter.
const leet = "0o1i3e4a5s7t@a$s!i"

// letter returns the letter that c is or, leeted, stands for; 0 for none.
func letter(c rune) (l rune, leeted bool) {
	if i := strings.IndexRune(leet, c); i >= 0 && i%2 == 0 {
		return rune(leet[i+1]), true
	}
	if c = unicode.ToLower(c); c >= 'a' && c <= 'z' {
		return c, false
	}
	return 0, false
}

// wordLike returns length and cost of the longest word-like piece at the start, or 0.
func wordLike(text []rune) (n int, bits float64) {
	var before rune
	var leeted int
	var sum, letters float64
	capitals := false
	for i, c := range text[:min(len(text), maxWord)] {
		l, other := letter(c)
		if l == 0 {
			break
		}
		if other {
			leeted++
		}
		capitals = capitals || unicode.IsUpper(c)
		letters += single(c)
		if before != 0 {
			sum += float64(follows[(before-'a')*26+l-'a'] - '0')
		}
		before = l
		if i+1 >= minWord && 4*leeted <= i+2 && sum <= likely*float64(i) {
			n, bits = i+1, wordBits+leetBits*float64(leeted)
			if capitals {
				bits += caseBits
			}
			bits = min(bits, letters)
		}
	}
	return n, bits
}

// single is the cost of one character that is part of no piece.
func single(c rune) float64 {
	switch {
	case unicode.IsDigit(c):
		return math.Log2(10)
	case unicode.IsLower(c):
		return math.Log2(26)
	case unicode.IsUpper(c):
		return math.Log2(26) + 0.5
	}
	return math.Log2(33)
}
