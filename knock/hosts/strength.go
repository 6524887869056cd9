package hosts

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"rapport/knock"
)

const (
	// guessRate is how many secrets a second are tried: hashcat does 1.6e11 MD5
	// a second on a card of 2022, and the division that follows costs a little.
	guessRate = 1e11
	// century is from when on a secret is strong. The margin is for those who
	// own a thousand cards: to them it is a month.
	century = 100 * year
	year    = 365 * 24 * time.Hour
)

// Strength says how long a secret resists somebody who has seen a handshake.
type Strength struct {
	Bits     float64       // of the secret, as those who guess cleverly see it
	Seen     float64       // bits that one captured handshake tells about it
	Duration time.Duration // until half of the guesses are made; at most about 292 years
	Weak     bool          // less than a century
}

// Estimate tells how strong a secret is when it is used with range r, by
// an estimate of what it takes to guess it, in the manner of zxcvbn (Wheeler,
// USENIX Security 2016), and the guesses of one graphics card. It is a hint, not
// a proof.
func Estimate(secret knock.Secret, r knock.Range) Strength {
	s := Strength{Bits: entropy(secret.Reveal())}
	if n := r.Size(); n > 0 {
		s.Seen = knock.Knocks * math.Log2(float64(n))
	}
	s.Duration = math.MaxInt64
	if ns := math.Exp2(s.Bits-1) / guessRate * 1e9; ns < math.MaxInt64 {
		s.Duration = time.Duration(ns)
	}
	s.Weak = s.Duration < century
	return s
}

// Summary says it in one line.
func (s Strength) Summary() string {
	captured := "one captured handshake gives"
	if s.Seen > 0 && s.Seen < s.Bits && s.Weak {
		captured = fmt.Sprintf("%d captured handshakes give", int(math.Ceil(s.Bits/s.Seen)))
	}
	if s.Weak {
		return fmt.Sprintf("weak: %s this secret away in %s", captured, span2words(s.Duration))
	}
	return "strong: guessing this secret from a captured handshake takes longer than a century"
}

// span2words says roughly how long d is.
func span2words(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	unit, name := year, "years"
	for _, u := range []struct {
		upTo, unit time.Duration
		name       string
	}{
		{2 * time.Minute, time.Second, "seconds"},
		{2 * time.Hour, time.Minute, "minutes"},
		{48 * time.Hour, time.Hour, "hours"},
		{2 * year, 24 * time.Hour, "days"},
	} {
		if d < u.upTo {
			unit, name = u.unit, u.name
			break
		}
	}
	n := int64(d / unit)
	if n == 1 {
		name = name[:len(name)-1]
	}
	return fmt.Sprintf("about %d %s", n, name)
}

// alphabet has no letters and digits that look alike, and nothing that a shell,
// date(1) or TOML minds.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// generated is the length of a generated secret: 26 of 31 characters are 128.8
// bits.
const generated = 26

// Generate returns a new random secret of more than 128 bits: letters and
// digits that survive a shell and being read out aloud. One in ten thousand
// looks like words to Estimate, and is thrown away.
func Generate() knock.Secret {
	for {
		s, err := knock.ParseSecret(randomText())
		if err != nil {
			panic("hosts: a generated secret is refused") // the alphabet rules it out
		}
		if !Estimate(s, knock.DefaultRange).Weak {
			return s
		}
	}
}

func randomText() string {
	// Bytes from here on would favour the first letters.
	const limit = 256 / len(alphabet) * len(alphabet)
	text := make([]byte, 0, generated)
	for len(text) < generated {
		var b [2 * generated]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		for _, c := range b {
			if int(c) < limit && len(text) < generated {
				text = append(text, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return string(text)
}
