package diag

import (
	"encoding/json"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
)

// MarshalJSON implements [json.Marshaler]: the output of doctor --json.
func (r Report) MarshalJSON() ([]byte, error) {
	type verdict struct {
		Code    Code        `json:"code"`
		Summary string      `json:"summary"`
		Fix     string      `json:"fix"`
		Change  *changeJSON `json:"change"`
		Command string      `json:"command"`
		Detail  Detail      `json:"detail"`
	}
	type cause struct {
		Code       Code     `json:"code"`
		Likelihood float64  `json:"likelihood"`
		Evidence   []string `json:"evidence"`
	}
	type check struct {
		ID      string       `json:"id"`
		Status  Status       `json:"status"`
		Summary string       `json:"summary"`
		Elapsed knock.Millis `json:"elapsed_ms"`
	}
	v := verdict{r.Verdict.Code, r.Summary(), r.Fix(), changeOf(r.Verdict.Change), r.Verdict.Command, r.Verdict.Detail}
	causes, checks := []cause{}, []check{}
	for _, c := range r.Causes {
		causes = append(causes, cause{c.Code, c.Likelihood, append([]string{}, r.Why(c)...)})
	}
	for _, c := range r.Checks {
		checks = append(checks, check{c.ID, c.Status, c.Summary(), c.Elapsed})
	}
	return json.Marshal(struct {
		Schema  int          `json:"schema"`
		Host    string       `json:"host"`
		Address string       `json:"address"`
		Verdict verdict      `json:"verdict"`
		Causes  []cause      `json:"causes"`
		Checks  []check      `json:"checks"`
		Elapsed knock.Millis `json:"elapsed_ms"`
	}{r.Schema, r.Host, r.Address, v, causes, checks, r.Elapsed})
}

// changeJSON is a change by the names of the hosts file.
type changeJSON struct {
	Skew       *Seconds      `json:"skew_s,omitempty"`
	Range      knock.Range   `json:"range,omitzero"`
	Family     knock.Family  `json:"family,omitempty"`
	SSHPort    int           `json:"ssh_port,omitempty"`
	Gap        *knock.Millis `json:"gap_ms,omitempty"`
	Strict     bool          `json:"strict,omitempty"`
	SweepGuard int           `json:"sweep_guard,omitempty"`
}

// changeOf returns what JSON says of a change, nil for none.
func changeOf(c hosts.Change) *changeJSON {
	if c.IsZero() {
		return nil
	}
	j := &changeJSON{Range: c.Range, Family: c.Family, SSHPort: c.SSHPort, Strict: c.Strict, SweepGuard: c.SweepGuard}
	if c.Skew != nil {
		j.Skew = new(Seconds(*c.Skew))
	}
	if c.Gap > 0 {
		j.Gap = new(knock.Millis(c.Gap))
	}
	return j
}

// WithoutPorts returns the report for a screen that others see, or a text that is
// passed on: its sentences name no knock port, and its handshakes are left to who
// draws their ports one by one.
func (r Report) WithoutPorts() Report {
	r.Evidence.hidden = true
	return r
}

// leftOut stands for what a server said, in a report that may be passed on.
const leftOut = "left out"

// withoutBanners returns the report without what servers said: the facts lose it,
// so that no sentence can hold it.
func (r Report) withoutBanners() Report {
	e := &r.Evidence
	e.Before, e.BeforeAgain = silenced(e.Before), silenced(e.BeforeAgain)
	e.Handshake, e.Other = silencedHandshake(e.Handshake), silencedHandshake(e.Other)
	e.Scan, e.OtherScan = silencedScan(e.Scan), silencedScan(e.OtherScan)
	checks := make([]Check, len(r.Checks))
	for i, c := range r.Checks {
		c.Args.SSH = silenced(c.Args.SSH)
		c.Args.Handshake = silencedHandshake(c.Args.Handshake)
		c.Args.Scan = silencedScan(c.Args.Scan)
		checks[i] = c
	}
	r.Checks = checks
	return r
}

func silenced(s knock.SSH) knock.SSH {
	if s.Banner != "" {
		s.Banner = leftOut
	}
	return s
}

func silencedHandshake(h *knock.Report) *knock.Report {
	if h == nil {
		return nil
	}
	out := *h
	out.SSH = silenced(h.SSH)
	return &out
}

func silencedScan(s *scan.Report) *scan.Report {
	if s == nil {
		return nil
	}
	out := *s
	out.SSH, out.Stopped.SSH = silenced(s.SSH), silenced(s.Stopped.SSH)
	return &out
}
