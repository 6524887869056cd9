package hosts

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"rapport/knock"
)

const (
	// guessesPerSecond is how many secrets an attacker tries: hashcat does 1.6e11 MD5
	// a second on a card of 2022, and the division that follows costs a little.
	guessesPerSecond = 1e11
	// century is how long a strong secret resists one card. A thousand cards need
	// about a month.
	century = 100 * year
	year    = 365 * 24 * time.Hour
)

// Strength says how long a secret resists an eavesdropper who has recorded a
// handshake.
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

// alphabet has no letters and digits that look alike, and nothing that is
// special to a shell, date(1) or TOML.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// generated is the length of a generated secret: 26 of 31 characters are 128.8
// bits.
const generated = 26

// Generate returns a new random secret of more than 128 bits: letters and
// digits that are safe in a shell and when read aloud. One in ten thousand looks
// like words to Estimate, and is discarded.
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
	// Larger bytes would make the first letters more likely.
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
