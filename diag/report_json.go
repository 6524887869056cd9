package diag

import (
	"encoding/json"

	"rapport/diag/check"
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
		Fix        string   `json:"fix,omitempty"`
	}
	type checkJSON struct {
		ID      string       `json:"id"`
		Status  check.Status `json:"status"`
		Summary string       `json:"summary"`
		Elapsed knock.Millis `json:"elapsed_ms"`
	}
	v := verdict{r.Verdict.Code, r.Summary(), r.Fix(), changeOf(r.Verdict.Change), r.Verdict.Command, r.Verdict.Detail}
	causes, checks := []cause{}, []checkJSON{}
	for _, c := range r.Causes {
		causes = append(causes, cause{c.Code, c.Likelihood, append([]string{}, r.Why(c)...), r.FixOf(c)})
	}
	for _, c := range r.Checks {
		checks = append(checks, checkJSON{c.ID, c.Status, c.Summary(), c.Elapsed})
	}
	return json.Marshal(struct {
		Schema  int          `json:"schema"`
		Host    string       `json:"host"`
		Address string       `json:"address"`
		Verdict verdict      `json:"verdict"`
		Causes  []cause      `json:"causes"`
		Checks  []checkJSON  `json:"checks"`
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

// withoutBanners returns the report without what servers said: the facts lose it,
// so that no sentence can hold it.
func (r Report) withoutBanners() Report {
	e := &r.Evidence
	e.Before, e.BeforeAgain = check.NoBanner(e.Before), check.NoBanner(e.BeforeAgain)
	e.Handshake, e.Other = check.NoBannerAfter(e.Handshake), check.NoBannerAfter(e.Other)
	e.Slow = check.NoBannerAfter(e.Slow)
	e.Scan, e.OtherScan = check.NoBannerIn(e.Scan), check.NoBannerIn(e.OtherScan)
	checks := make([]check.Check, len(r.Checks))
	for i, c := range r.Checks {
		checks[i] = c.WithoutBanner()
	}
	r.Checks = checks
	return r
}
