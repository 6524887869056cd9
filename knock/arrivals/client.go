package arrivals

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

// Client is what one source sent, until it was quiet: a handshake, or a scan.
type Client struct {
	Addr   netip.Addr // as it left, if that was seen
	Server netip.Addr
	First  time.Time
	Last   time.Time
	SYNs   int     // repeated ones too
	Knocks []Knock // SYNs to other ports than SSH, in order; the first ones of a sweep
	SSH    []Knock // SYNs to the SSH port
	// Candidate made most of the knocks, nil where none did. Matched is how many of its
	// ports are among them.
	Candidate *solve.Candidate
	Matched   int
	Phase     int // 0 to 5: how far the knocks lead at a gate of this candidate
	Reached   int // and how far they led at the observed gate
	In        bool
	Findings  []Finding

	made    Match
	entered [knock.Knocks]time.Time // when each phase was entered
	right   bool                    // the gate accepts this candidate
	ports   int                     // different ones
	wrong   int                     // SYNs to ports of no candidate
	arrived bool                    // the server's side was observed
	left    bool                    // and the client's own
}

// Ports returns how many different ports it sent to, SSH left out.
func (c *Client) Ports() int { return c.ports }

// Has reports whether the client has a finding with this code.
func (c *Client) Has(code Code) bool {
	return slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Code == code })
}

// Masked returns the client without the ports of its knocks, which make up a sequence.
func (c Client) Masked() Client {
	c.Findings = slices.Clone(c.Findings)
	for i, f := range c.Findings {
		c.Findings[i].Rule = f.Rule.masked(c.Knocks)
	}
	c.Knocks = slices.Clone(c.Knocks)
	for i := range c.Knocks {
		c.Knocks[i].Port = 0
	}
	return c
}

// Summary says in one line what was found, without the address.
func (c *Client) Summary() string {
	var words []string
	if c.In && c.Has(SSHSilent) {
		words = append(words, "got in")
	}
	for _, f := range c.Findings {
		words = append(words, f.Summary())
	}
	switch {
	case len(words) > 0:
	case c.In:
		words = append(words, "got in")
	case c.Candidate != nil:
		words = append(words, fmt.Sprintf("%d of 5 knocks seen", c.Matched))
	default:
		words = append(words, "no handshake")
	}
	return strings.Join(words, "; ")
}

// Line is what can be mailed to whoever has the client: who, what, and the fix.
func (c *Client) Line() string {
	line := c.Addr.String() + ": " + c.Summary()
	for i, f := range c.Findings {
		if fix := f.Fix(); fix != "" && !slices.ContainsFunc(c.Findings[:i], func(o Finding) bool { return o.Fix() == fix }) {
			line += "; fix: " + fix
		}
	}
	return line
}

// knockJSON and findingJSON are the parts of a client's JSON.
type (
	knockJSON struct {
		Port    uint16        `json:"port,omitempty"` // left out when masked
		Phase   int           `json:"phase"`
		Entered int           `json:"entered,omitempty"`
		Sent    *knock.Millis `json:"sent_ms"`    // since the client's first packet; null is never seen
		Arrived *knock.Millis `json:"arrived_ms"` // null is never
		Repeats int           `json:"repeats,omitempty"`
		From    string        `json:"from,omitempty"`
		Answer  string        `json:"answer"`
		By      string        `json:"by,omitempty"`
		Between bool          `json:"answered_on_the_way,omitempty"`
	}
	findingJSON struct {
		Code    Code         `json:"code"`
		Knocks  []int        `json:"knocks,omitempty"`
		Hours   int          `json:"hours,omitempty"`
		Ports   int          `json:"ports,omitempty"`
		Port    uint16       `json:"port,omitempty"`
		Others  []netip.Addr `json:"others,omitempty"`
		Rule    *Rule        `json:"rule,omitempty"`
		Wants   *Wants       `json:"wants,omitempty"`
		Waits   int          `json:"waiting,omitempty"`
		Summary string       `json:"summary"`
		Fix     string       `json:"fix"`
	}
)

// MarshalJSON implements [encoding/json.Marshaler].
func (c Client) MarshalJSON() ([]byte, error) {
	out := struct {
		Address   netip.Addr       `json:"address"`
		Family    knock.Family     `json:"family"`
		Server    netip.Addr       `json:"server"`
		Time      time.Time        `json:"time"`
		SYNs      int              `json:"syns"`
		Phase     int              `json:"phase"`
		Reached   int              `json:"reached"`
		In        bool             `json:"in"`
		Candidate *solve.Candidate `json:"candidate"`
		Matched   int              `json:"matched"`
		Knocks    []knockJSON      `json:"knocks"`
		SSH       []knockJSON      `json:"ssh"`
		Findings  []findingJSON    `json:"findings"`
		Summary   string           `json:"summary"`
	}{c.Addr, knock.FamilyOf(c.Addr), c.Server, c.First.UTC().Round(time.Millisecond), c.SYNs, c.Phase, c.Reached, c.In, c.Candidate, c.Matched,
		c.knocks(c.Knocks), c.knocks(c.SSH), []findingJSON{}, c.Line()}
	for _, f := range c.Findings {
		out.Findings = append(out.Findings, findingJSON{f.Code, f.Knocks, f.Hours, f.Ports, f.Port, f.Addrs, f.Rule, f.Wants, f.Waits, f.Summary(), f.Fix()})
	}
	return json.Marshal(out)
}

func (c *Client) knocks(some []Knock) []knockJSON {
	all := make([]knockJSON, len(some))
	since := func(t time.Time) *knock.Millis {
		if t.IsZero() {
			return nil
		}
		ms := knock.Millis(t.Sub(c.First))
		return &ms
	}
	for i, k := range some {
		all[i] = knockJSON{Port: k.Port, Phase: k.Phase, Entered: k.Entered, Sent: since(k.Sent), Arrived: since(k.Arrived), Repeats: k.Repeats, Answer: k.Answer.String(), Between: k.Between}
		if k.From.IsValid() {
			all[i].From = k.From.String()
		}
		if k.By.IsValid() {
			all[i].By = k.By.String()
		}
	}
	return all
}
