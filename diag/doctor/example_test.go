package doctor_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"rapport/diag/doctor"
	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// The doctor diagnoses a stand-in whose clock is three hours behind.
func ExampleDoctor_Run() {
	ctx := context.Background()
	secret, _ := knock.ParseSecret("f00b4r")
	client := knocktest.ClientAt(time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC))
	gate, err := demo.Start(ctx, demo.Config{
		Secret: secret, Addr: netip.MustParseAddr("127.2.0.1"), SSHPort: 2222, Range: knock.DefaultRange,
		Window: time.Second, Clock: client.Clock, Faults: demo.Faults{Clock: -3 * time.Hour},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gate.Close()

	h := hosts.NewHost("demo")
	h.Address, h.SSHPort, h.Window = "127.2.0.1", 2222, time.Second
	d := doctor.Doctor{Client: client, Past: 5}
	report, err := d.Run(ctx, h, secret, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Verdict.Code)
	fmt.Println(report.Verdict.Change)
	// Output:
	// server-hour-behind
	// skew -3h
}
