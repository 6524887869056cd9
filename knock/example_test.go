package knock_test

import (
	"fmt"
	"net/netip"
	"time"

	"rapport/knock"
)

func ExampleDerive() {
	hour, _ := knock.ParseHour("2026-11-22-08")
	secret, _ := knock.ParseSecret("f00b4r")
	sequence := knock.Derive(hour, knock.DefaultRange, secret)
	fmt.Println(sequence.Ports())
	fmt.Println(secret)
	// Output:
	// [10247 10363 10357 10858 10938]
	// (secret)
}

func ExampleParseRange() {
	r, err := knock.ParseRange("10000-10999")
	fmt.Println(r.Bottom(), r.Top(), r.Size(), err)
	_, err = knock.ParseRange("10999-10000")
	fmt.Println(err)
	// Output:
	// 10000 10999 1000 <nil>
	// range 10999-10000: the bottom port must be below the top port
}

// What the first attempt sends at half past eight, UTC, and when.
func ExampleClient_Plan() {
	secret, _ := knock.ParseSecret("f00b4r")
	target := knock.Target{
		Addr:   netip.MustParseAddrPort("192.0.2.1:22"),
		Range:  knock.DefaultRange,
		Secret: secret,
	}
	client := knock.Client{Clock: func() time.Time { return time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC) }}
	attempt := client.Plan(target, knock.Options{}).Attempts[0]
	for _, k := range attempt.Knocks {
		fmt.Println(time.Duration(k.At), "knock", k.Port)
	}
	fmt.Println(time.Duration(attempt.Probes[0].At), "probe")
	// Output:
	// 0s knock 10247
	// 1ms knock 10363
	// 2ms knock 10357
	// 3ms knock 10858
	// 4ms knock 10938
	// 5ms probe
}

func ExampleHoursAt() {
	fmt.Println(knock.HoursAt(time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)))
	fmt.Println(knock.HoursAt(time.Date(2026, 11, 22, 8, 59, 45, 0, time.UTC)))
	// Output:
	// [2026-11-22-08]
	// [2026-11-22-08 2026-11-22-09]
}
