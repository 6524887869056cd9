package machine

// Truth is the outcome of a match: a firewall can ask what this package does not
// model, or what a text does not show.
type Truth int8

// The outcomes.
const (
	No Truth = iota
	Yes
	Unknown
)

func (t Truth) String() string { return [...]string{"no", "yes", "unknown"}[t] }

// truth returns Yes or No.
func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// not negates t if negate is set.
func (t Truth) not(negate bool) Truth {
	if !negate || t == Unknown {
		return t
	}
	return Yes - t
}

// Part is one match or one statement of a rule. The parts of this package are all
// there are.
type Part interface {
	// eval tells whether the rule goes on, and changes the machine as the kernel's
	// match or statement does.
	eval(m *Machine) Truth
	// why says why eval was not Yes. It is called right after eval.
	why(m *Machine) string
}

// changes reports whether a part may change what others read.
func changes(p Part) bool {
	switch p := p.(type) {
	case *Compare, *EitherPort, *IfaceMatch, *MemberMatch, Fixed, Unmodelled:
		return false
	case *Lookup:
		return p.dynamic()
	case *Recent:
		return p.Mode != ModeCheck || p.Reap
	}
	return true
}

// Unmodelled is a match or a target that this package does not know.
type Unmodelled struct{ Text string }

func (u Unmodelled) eval(m *Machine) Truth     { return m.Assume }
func (u Unmodelled) why(*Machine) string       { return u.Text + " is not modelled" }
func (u Unmodelled) link(p *program, _ *Table) { p.unmodelled = true }

// Fixed is a match whose outcome is the same for every packet that is played.
type Fixed struct {
	Is   bool
	Text string // the reason
}

func (f Fixed) eval(*Machine) Truth { return truth(f.Is) }
func (f Fixed) why(*Machine) string { return f.Text }

// always is a statement after which the rule goes on.
type always struct{}

func (always) why(*Machine) string { return "" }
