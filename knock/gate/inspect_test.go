package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/gate"
)

func TestParsePorts(t *testing.T) {
	want := [knock.Knocks]uint16{10247, 10363, 10357, 10858, 10938}
	for _, s := range []string{"10247,10363,10357,10858,10938", "10247 10363\t10357  10858 10938\n", "10247, 10363, 10357, 10858, 10938,"} {
		if got, err := gate.ParsePorts(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1,2,3,4", "1,2,3,4,5,6", "1,2,3,4,0", "1,2,3,4,65536", "1,2,3,4,-5", "a b c d e"} {
		if got, err := gate.ParsePorts(s); !errors.Is(err, gate.ErrPorts) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestInspect(t *testing.T) {
	save := rules(t, "article.save")
	puzzle := gate.Puzzle{Secret: newSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3}
	twoDoors := strings.ReplaceAll(save, "-m tcp --dport 22 -j portknock_accept", "-m multiport --dports 443,22 -j portknock_accept")
	none := puzzle
	none.Secret = knock.Secret{}
	for _, tt := range []struct {
		name    string
		text    string
		puzzle  gate.Puzzle
		sshPort int
		differs []string
		match   bool
		other   bool
	}{
		{"all the same", save, puzzle, 22, []string{}, true, false},
		{"another SSH port", save, puzzle, 443, []string{"ssh port is 22 there, 443 here"}, true, false},
		{"one of the door's ports", twoDoors, puzzle, 443, []string{}, true, false},
		{"another secret", strings.ReplaceAll(save, "10247", "10248"), puzzle, 22, []string{}, false, true},
		{"no secret", save, none, 22, []string{}, false, false},
		{"no gate", rules(t, "nogate.save"), puzzle, 22, []string{}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := gate.Inspect(context.Background(), readRules(t, tt.text), tt.puzzle, gate.Known{SSHPort: tt.sshPort, ListTotal: 10000})
			if err != nil || !slices.Equal(i.Differs, tt.differs) || (i.Match() != nil) != tt.match || i.OtherSecret() != tt.other {
				t.Errorf("differs %q, match %v, another secret %v, %v", i.Differs, i.Match(), i.OtherSecret(), err)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := gate.Inspect(ctx, readRules(t, save), puzzle, gate.Known{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Ports alone tell what is wrong with how they were made.
func TestInspectPorts(t *testing.T) {
	p := gate.Puzzle{Secret: newSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3,
		Ports: [knock.Knocks]uint16{10028, 10611, 10400, 10639, 10709}}
	i, err := gate.InspectPorts(context.Background(), p)
	if err != nil || i.Gate != nil || !slices.Equal(codes(i.Problems), []string{"secret-variant"}) {
		t.Errorf("%+v, %v", i, err)
	}
}
