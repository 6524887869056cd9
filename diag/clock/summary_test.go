package clock_test

import (
	"errors"
	"testing"
	"time"

	"rapport/diag/clock"
)

func TestSummary(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	at := func(h, m, s int) time.Time { return time.Date(2026, 11, 22, h, m, s, 0, time.UTC) }
	ms := time.Millisecond
	for _, tt := range []struct {
		now               time.Time
		skew, uncertainty time.Duration
		want              string
	}{
		{now, 4 * ms, ms, "the server's clock agrees with this machine's (+0.004 s)"},
		{now, -999 * ms, ms, "the server's clock agrees with this machine's (-0.999 s)"},
		{at(8, 59, 59), 900 * ms, 500 * ms, "the server's clock agrees with this machine's (+0.900 s); its hour changes about now"},
		{now, time.Second, ms, "the server is 1 s ahead: from :59:59 to :59:59 it expects the next hour's sequence"},
		{now, -time.Second, ms, "the server is 1 s behind: from :00:00 to :00:00 it expects the previous hour's sequence"},
		{now, 20 * time.Second, ms, "the server is 20 s ahead: from :59:40 to :59:59 it expects the next hour's sequence"},
		{now, time.Minute, ms, "the server is 1 min ahead: from :59 to :59 it expects the next hour's sequence"},
		{now, 41 * time.Minute, ms, "the server is 41 min ahead: from :19 to :59 it expects the next hour's sequence"},
		{now, 41*time.Minute + 300*ms, ms, "the server is 41 min ahead: from :19 to :59 it expects the next hour's sequence"},
		{now, 41*time.Minute + 20*time.Second, ms, "the server is 41 min 20 s ahead: from :18:40 to :59:59 it expects the next hour's sequence"},
		{now, -41 * time.Minute, ms, "the server is 41 min behind: from :00 to :40 it expects the previous hour's sequence"},
		{now, -41*time.Minute - 20*time.Second, ms, "the server is 41 min 20 s behind: from :00:00 to :41:19 it expects the previous hour's sequence"},
		{at(8, 19, 0), 41 * time.Minute, time.Second, "the server is 41 min ahead: from :19 to :59 it expects the next hour's sequence; its hour changes about now"},
		{now, 59*time.Minute + 59*time.Second, ms, "the server is 59 min 59 s ahead: from :00:01 to :59:59 it expects the next hour's sequence"},
		{now, time.Hour - 300*ms, ms, "the server is 1 h 0 min ahead: it expects the sequence of 09h"},
		{now, -3 * time.Hour, ms, "the server is 3 h 0 min behind: it expects the sequence of 05h"},
		{now, -3*time.Hour + 377*ms, ms, "the server is 3 h 0 min behind: it expects the sequence of 05h"},
		{now, -3*time.Hour - 20*time.Minute, ms, "the server is 3 h 20 min behind: it expects the sequence of 05h, and of 06h from :20"},
		{at(8, 10, 0), -3*time.Hour - 20*time.Minute, ms, "the server is 3 h 20 min behind: it expects the sequence of 04h, and of 05h from :20"},
		{now, 3*time.Hour + 20*time.Minute, ms, "the server is 3 h 20 min ahead: it expects the sequence of 12h, and of 13h from :40"},
		{at(8, 10, 0), 3*time.Hour + 20*time.Minute + 30*time.Second, ms, "the server is 3 h 20 min 30 s ahead: it expects the sequence of 11h, and of 12h from :39:30"},
		{now, 20 * time.Hour, ms, "the server is 20 h 0 min ahead: it expects the sequence of 04h"},
		{now, -51 * time.Hour, ms, "the server is 2 d 3 h 0 min behind: it expects the sequence of 2026-11-20-05"},
		{now, -24 * time.Hour, ms, "the server is 1 d 0 h 0 min behind: it expects the sequence of 2026-11-21-08"},
		// A knock alone: the hour, and no minutes.
		{now, -3*time.Hour - 13*time.Minute - 54*time.Second, 30*time.Minute - 1, "the server expects the sequence of 05h: its clock is 2 h 44 min to 3 h 44 min behind"},
		{now, -13*time.Minute - 54*time.Second, 30*time.Minute - 1, "the server expects the sequence of 08h: its clock is between 44 min behind and 16 min ahead"},
		{now, 46*time.Minute + 6*time.Second, 30*time.Minute - 1, "the server expects the sequence of 09h: its clock is 16 min to 1 h 16 min ahead"},
		{now, 0, 2 * time.Hour, "the server expects the sequence of 06h to 10h: its clock is between 2 h 0 min behind and 2 h 0 min ahead"},
		{now, 0, 20 * time.Minute, "the server expects the sequence of 08h or 09h: its clock is between 20 min behind and 20 min ahead"},
	} {
		r := clock.Report{Skew: tt.skew, Uncertainty: tt.uncertainty, Known: true}
		if got := r.Summary(tt.now); got != tt.want {
			t.Errorf("%v±%v at %s:\n got %s\nwant %s", tt.skew, tt.uncertainty, tt.now.Format(time.TimeOnly), got, tt.want)
		}
	}
}

// What the summary says of minutes holds for every second of the hour.
func TestSummaryMinutes(t *testing.T) {
	for _, tt := range []struct {
		skew        time.Duration
		first, last int // seconds past the hour at which another hour counts
		other       int
	}{
		{41 * time.Minute, 19 * 60, 59*60 + 59, 1},
		{41*time.Minute + 20*time.Second, 18*60 + 40, 59*60 + 59, 1},
		{-41 * time.Minute, 0, 40*60 + 59, -1},
		{-41*time.Minute - 20*time.Second, 0, 41*60 + 19, -1},
	} {
		for s := range 3600 {
			now := time.Date(2026, 11, 22, 8, 0, s, 0, time.UTC)
			want := 0
			if s >= tt.first && s <= tt.last {
				want = tt.other
			}
			if got := clock.HourOffset(now, tt.skew); got != want {
				t.Fatalf("skew %v at %s: hour %+d, want %+d", tt.skew, now.Format(time.TimeOnly), got, want)
			}
		}
	}
}

func TestSummaryUnknown(t *testing.T) {
	var r clock.Report
	if got := r.Summary(time.Now()); got != "the server's clock is not known: nothing was asked" {
		t.Error(got)
	}
	r.Add(clock.Reading{Name: clock.SourceHTTP, Of: clock.Server, Err: clock.ErrRefused})
	r.Add(clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: errors.New("no answer")})
	r.Add(clock.Reading{Name: "ntp ntp.example.org", Of: clock.Local})
	if got := r.Summary(time.Now()); got != "the server's clock is not known: none of http, ntp gave it" {
		t.Error(got)
	}
	r.Add(clock.Reading{Name: clock.SourceSMTP, Of: clock.Server, Offset: -3 * time.Hour, Uncertainty: time.Second})
	r.Add(clock.Reading{Name: clock.SourceTime, Of: clock.Server, Offset: 4 * time.Millisecond, Uncertainty: time.Second})
	if got := r.Summary(time.Now()); got != "the server's clock is not known: its sources contradict each other: smtp -3:00:00, time +0.004 s" {
		t.Error(got)
	}
}

func TestLocalSummary(t *testing.T) {
	local := func(offset time.Duration) clock.Reading {
		return clock.Reading{Name: "ntp ntp.example.org", Of: clock.Local, Offset: offset, Uncertainty: time.Millisecond}
	}
	for _, tt := range []struct {
		readings []clock.Reading
		want     string
	}{
		{nil, "not compared with NTP: no server was named"},
		{[]clock.Reading{{Name: "ntp a", Of: clock.Local, Err: clock.ErrNoAnswer}}, "not compared with NTP: no server gave the time"},
		{[]clock.Reading{local(0), local(time.Hour)}, "not compared with NTP: the servers contradict each other"},
		{[]clock.Reading{local(4 * time.Millisecond)}, "which agrees with NTP (-0.004 s)"},
		{[]clock.Reading{local(41 * time.Minute)}, "which is 41 min behind by NTP: set it"},
		{[]clock.Reading{local(-3 * time.Hour)}, "which is 3 h 0 min ahead by NTP: set it"},
	} {
		var r clock.Report
		for _, reading := range tt.readings {
			r.Add(reading)
		}
		if got := r.LocalSummary(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.readings, got, tt.want)
		}
	}
}

func TestSameHour(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	for _, tt := range []struct {
		skew, uncertainty, known time.Duration
		want                     bool
	}{
		{0, time.Second, 0, true},
		{41 * time.Minute, time.Second, 0, false},
		{41 * time.Minute, time.Second, 41 * time.Minute, true},
		{15 * time.Minute, time.Second, 0, true},
		{-3 * time.Hour, time.Second, -3 * time.Hour, true},
		{-3 * time.Hour, time.Second, -4 * time.Hour, false},
		{16*time.Minute + 6*time.Second, time.Second, 0, true}, // its hour changes about now
		{16*time.Minute + 6*time.Second, time.Second, time.Hour, true},
	} {
		r := clock.Report{Skew: tt.skew, Uncertainty: tt.uncertainty, Known: true}
		if got := r.SameHour(now, tt.known); got != tt.want {
			t.Errorf("%v±%v, with %v known: %v", tt.skew, tt.uncertainty, tt.known, got)
		}
	}
	if (clock.Report{}).SameHour(now, 0) {
		t.Error("a clock that is not known is in the same hour")
	}
}
