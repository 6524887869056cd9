package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// at is the time by the clocks of these tests.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// solveHour is the client's hour.
var solveHour = knock.HourOf(at)

func TestParsePorts(t *testing.T) {
	want := [knock.Knocks]uint16{10247, 10363, 10357, 10858, 10938}
	for _, s := range []string{"10247,10363,10357,10858,10938", "10247 10363\t10357  10858 10938\n", "10247, 10363, 10357, 10858, 10938,"} {
		if got, err := solve.ParsePorts(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1,2,3,4", "1,2,3,4,5,6", "1,2,3,4,0", "1,2,3,4,65536", "1,2,3,4,-5", "a b c d e"} {
		if got, err := solve.ParsePorts(s); !errors.Is(err, solve.ErrPorts) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestInspect(t *testing.T) {
	save := rules(t, "article.save")
	query := solve.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3}
	twoPorts := strings.ReplaceAll(save, "-m tcp --dport 22 -j portknock_accept", "-m multiport --dports 443,22 -j portknock_accept")
	none := query
	none.Secret = knock.Secret{}
	for _, tt := range []struct {
		name    string
		text    string
		query   solve.Query
		sshPort int
		differs []string
		match   bool
		other   bool
	}{
		{"all the same", save, query, 22, []string{}, true, false},
		{"another SSH port", save, query, 443, []string{"ssh port is 22 there, 443 here"}, true, false},
		{"one of two accepted ports", twoPorts, query, 443, []string{}, true, false},
		{"another secret", strings.NewReplacer("10247", "10248", "10363", "10364", "10938", "10939").Replace(save), query, 22, []string{}, false, true},
		{"one port edited", strings.ReplaceAll(save, "10247", "10248"), query, 22, []string{"4 of 5 ports are those of hour 2026-11-22-08: the 1st differs (typed wrong, or the rule was edited)"}, false, false},
		{"another window", strings.ReplaceAll(save, "--seconds 5", "--seconds 15"), query, 22, []string{"window is 15 s there, 5 s here"}, true, false},
		{"no secret", save, none, 22, []string{}, false, false},
		{"no gate", rules(t, "nogate.save"), query, 22, []string{}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := gate.Inspect(context.Background(), readRules(t, tt.text), tt.query, gate.Facts{SSHPort: tt.sshPort, ListTotal: 10000, Window: 5 * time.Second})
			if err != nil || !slices.Equal(i.Differs, tt.differs) || (i.Candidate() != nil) != tt.match || i.OtherSecret() != tt.other {
				t.Errorf("differs %q, match %v, another secret %v, %v", i.Differs, i.Candidate(), i.OtherSecret(), err)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := gate.Inspect(ctx, readRules(t, save), query, gate.Facts{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Ports alone tell what is wrong with how they were made.
func TestInspectPorts(t *testing.T) {
	p := solve.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3,
		Ports: [knock.Knocks]uint16{10028, 10611, 10400, 10639, 10709}}
	i, err := gate.InspectPorts(context.Background(), p)
	if err != nil || i.Gate != nil || !slices.Equal(codes(i.Problems), []string{"secret-variant"}) {
		t.Errorf("%+v, %v", i, err)
	}
}

// Ports that are nearly right are no other secret's, whichever hour's; where
// chance makes as many right, nothing is concluded.
func TestInspectNearlyRightPorts(t *testing.T) {
	p := solve.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 48, Future: 48}
	for _, tt := range []struct {
		name  string
		r     knock.Range
		off   int
		wrong []int
		want  []string
	}{
		{"the 3rd", p.Range, 0, []int{3}, []string{"4 of 5 ports are those of hour 2026-11-22-08: the 3rd differs (typed wrong, or the rule was edited)"}},
		{"two, of an earlier hour", p.Range, -2, []int{1, 5}, []string{"3 of 5 ports are those of hour 2026-11-22-06: the 1st and 5th differ (typed wrong, or the rule was edited)", "rules are from 2 hours ago"}},
		{"one, of a later hour", p.Range, 2, []int{5}, []string{"4 of 5 ports are those of hour 2026-11-22-10: the 5th differs (typed wrong, or the rule was edited)", "rules are for 2 hours ahead"}},
		{"three", p.Range, 0, []int{1, 2, 3}, []string{}},
		{"two, where chance makes three right", knocktest.NewRange(t, 10000, 10009), 0, []int{1, 5}, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := p
			p.Range = tt.r
			p.Ports = knock.Derive(p.Hour.Add(tt.off), p.Range, p.Secret).Ports()
			for _, k := range tt.wrong {
				p.Ports[k-1] += 20000 // no range of the client's has it
			}
			i, err := gate.InspectPorts(context.Background(), p)
			if err != nil || !slices.Equal(i.Differs, tt.want) || i.OtherSecret() != (len(tt.want) == 0) {
				t.Errorf("differs %q, want %q; another secret %v, match %+v, %v", i.Differs, tt.want, i.OtherSecret(), i.Candidate(), err)
			}
		})
	}
}

// Of several ways to make the ports the likeliest is no error, unless it stands
// out; that the client's is not among them is told all the same.
func TestInspectIsNotSureOfAGuess(t *testing.T) {
	p := solve.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knocktest.NewRange(t, 7000, 7008), Hour: solveHour, Past: 48, Future: 48}
	p.Ports = knock.Derive(solveHour.Add(2), knocktest.NewRange(t, 7000, 7002), p.Secret).Ports()
	i, err := gate.InspectPorts(context.Background(), p)
	if err != nil || i.Others() == 0 || i.Certain() || len(i.Differs) < 2 || i.Differs[0] != "these are not the ports of this hour, range and secret" {
		t.Fatalf("%d others, certain %v, differs %q, %v", i.Others(), i.Certain(), i.Differs, err)
	}
	for _, d := range i.Differs[1:] {
		if !strings.HasPrefix(d, "perhaps ") {
			t.Errorf("asserts %q", d)
		}
	}
	for _, problem := range i.Problems {
		if problem.Severity != gate.SeverityInfo || !strings.HasPrefix(problem.Summary, "perhaps ") {
			t.Errorf("asserts %+v", problem)
		}
	}
	p.Range = knocktest.NewRange(t, 7000, 7002)
	p.Hour = solveHour.Add(2)
	if i, err := gate.InspectPorts(context.Background(), p); err != nil || len(i.Differs) != 0 || len(i.Problems) != 0 {
		t.Errorf("the client's own among others: differs %q, problems %+v, %v", i.Differs, i.Problems, err)
	}
}
