package legacy_test

import (
	"testing"

	"rapport/knock"
	"rapport/knock/hosts/legacy"
	"rapport/knock/knocktest"
)

// FuzzParseScript: whatever the script, what is found is fit to use.
func FuzzParseScript(f *testing.F) {
	for _, s := range []string{
		articleFunction + "\n" + articleRefresh + "\n" + articleInput, articleClient, articleProse,
		"s='x'\ncalc_knock_ports \"${s:-y}\" 1 2 # x\nnc -w 1 host 22", "calc_knock_ports \\\n$(a) `b` $'c'", "calc_knock_ports 1 2 3;iptables --dport=22",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := legacy.ParseScript(text)
		knocktest.OneLine(t, err)
		if err != nil {
			return
		}
		if s.Secret.IsZero() || !s.Range.IsValid() || s.SSHPort < 0 || s.SSHPort > 65535 {
			t.Errorf("%+v", s)
		}
		if s.Host != "" {
			if err := knock.CheckHost(s.Host); err != nil {
				t.Error(err)
			}
		}
	})
}
