package solve_test

import (
	"context"
	"fmt"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

// A server accepts five ports. Which hour and range are they from, if this client
// uses another range?
func ExampleSolve() {
	ports, err := solve.ParsePorts("10247,10363,10357,10858,10938")
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		fmt.Println(err)
		return
	}
	mine, err := knock.ParseRange("10000-10998")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 22, 11, 30, 0, 0, time.UTC)
	s, err := solve.Solve(context.Background(), solve.Query{
		Ports: ports, Secret: secret, Range: mine, Hour: knock.HourOf(now), Past: 4, Future: 4,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range s.Candidates {
		fmt.Println(c.Made())
		fmt.Println(c.Differs(mine))
	}
	// Output:
	// hour 2026-11-22-08, range 10000-10999, the secret as given
	// [rules are from 3 hours ago top port is 10999 there, 10998 here]
}
