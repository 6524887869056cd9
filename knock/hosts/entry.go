package hosts

import "rapport/knock"

// Entry is a host as rapport hosts list --json prints it. It holds no secret.
type Entry struct {
	Name    string       `json:"name"`
	Address string       `json:"address"`
	SSHPort int          `json:"ssh_port"`
	Range   knock.Range  `json:"range"`
	Family  knock.Family `json:"family"`
	Skew    float64      `json:"skew_s"`
	Window  float64      `json:"window_s"`
	NTP     []string     `json:"ntp"`
	Strict  bool         `json:"strict"`
	Gap     knock.Millis `json:"gap_ms"`
	Guard   int          `json:"sweep_guard"`
	Secret  SecretSource `json:"secret"` // where it is stored
}

// Entries returns the hosts of the file, in its order. It is never nil.
func (f File) Entries() []Entry {
	all := []Entry{}
	for _, h := range f.hosts {
		all = append(all, Entry{h.Name, h.Lookup(), h.SSHPort, h.Range, h.Family, h.Skew.Seconds(), h.Window.Seconds(),
			append([]string{}, h.NTP...), h.Strict, knock.Millis(h.Gap), h.SweepGuard, h.Secret.Source()})
	}
	return all
}
