package clock

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
)

// maxGreeting is how much of an SMTP greeting or a daytime answer is read. RFC
// 5321 allows 512 bytes a line; RFC 867 suggests one line.
const maxGreeting = 1024

// smtp reads the greeting of the host's mail server, which holds the time with
// Exim, Sendmail and others.
func (a *asker) smtp(ctx context.Context) (Interval, string, error) {
	return a.overTCP(ctx, SourceSMTP, readGreeting, func(greeting string, conn io.Writer) (time.Time, error) {
		// A client that leaves without QUIT is logged as a fault.
		_, _ = io.WriteString(conn, "QUIT\r\n")
		return greetingTime(greeting)
	})
}

// overTCP connects to a service that tells the time unasked. read reads its answer,
// and told finds the time in it.
func (a *asker) overTCP(ctx context.Context, source string, read func(io.Reader) (string, error), told func(string, io.Writer) (time.Time, error)) (Interval, string, error) {
	from := a.now()
	conn, err := a.dial(ctx, "tcp", a.address(source).String())
	if err != nil {
		return Interval{}, "", err
	}
	defer conn.Close()
	answer, err := read(conn)
	to := a.now()
	if err != nil {
		return Interval{}, "", err
	}
	sent, err := told(answer, conn)
	return withinSecond(sent, from, to), "", err
}

// readGreeting reads a reply of one or more lines, the last of which has a
// space behind its code (RFC 5321, 4.2).
func readGreeting(r io.Reader) (string, error) {
	in := bufio.NewReader(io.LimitReader(r, maxGreeting))
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		all.WriteString(line)
		switch {
		case err == nil && len(line) > 3 && line[3] == '-':
		case err == nil, all.Len() > 0 && errors.Is(err, io.EOF):
			return all.String(), nil
		default:
			return "", err
		}
	}
}

// mailDate is RFC 5322's date-time, with the four-digit years of today. The
// weekday before it is not needed.
var mailDate = regexp.MustCompile(`\b(\d{1,2} (?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) \d{4} \d{2}:\d{2}:\d{2}) ([+-]\d{4}|[A-Za-z]{1,5})\b`)

// mailZones are the names that RFC 5322, 4.3 gives a meaning in mail.
var mailZones = map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}

// greetingTime finds the time in an SMTP greeting.
func greetingTime(greeting string) (time.Time, error) {
	if !strings.HasPrefix(greeting, "220") {
		line, _, _ := strings.Cut(greeting, "\n")
		return time.Time{}, fmt.Errorf("not a greeting: %q", knock.Clean(strings.TrimSpace(line), 80))
	}
	m := mailDate.FindStringSubmatch(greeting)
	if m == nil {
		return time.Time{}, errors.New("no time in the greeting")
	}
	zone, ok := zoneOffset(m[2])
	if hours, named := mailZones[strings.ToUpper(m[2])]; !ok && named {
		zone, ok = time.Duration(hours)*time.Hour, true
	}
	t, err := time.Parse("2 Jan 2006 15:04:05", m[1])
	if err != nil || !ok {
		return time.Time{}, fmt.Errorf("no usable time in the greeting: %q", knock.Clean(m[0], 60))
	}
	return t.Add(-zone), nil
}

// zoneOffset reads a zone that is unambiguous: a name of UTC, or +0100, +01:00.
func zoneOffset(zone string) (time.Duration, bool) {
	switch strings.ToUpper(zone) {
	case "UTC", "GMT", "UT", "Z", "UTC(NIST)":
		return 0, true
	}
	digits := strings.Replace(zone, ":", "", 1)
	if len(digits) != 5 || digits[0] != '+' && digits[0] != '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits[1:], 10, 16)
	if err != nil || n > 1459 || n%100 > 59 {
		return 0, false
	}
	d := time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if digits[0] == '-' {
		d = -d
	}
	return d, true
}

// daytime asks the daytime service (RFC 867) over TCP.
func (a *asker) daytime(ctx context.Context) (Interval, string, error) {
	read := func(r io.Reader) (string, error) {
		in := bufio.NewReader(io.LimitReader(r, maxGreeting))
		text, err := in.ReadString('\n')
		for err == nil && strings.TrimSpace(text) == "" { // NIST's begins with an empty line
			text, err = in.ReadString('\n')
		}
		if text != "" && errors.Is(err, io.EOF) {
			err = nil
		}
		return text, err
	}
	return a.overTCP(ctx, SourceDaytime, read, func(text string, _ io.Writer) (time.Time, error) { return daytimeTime(text) })
}

// daytimeLayouts are the layouts of daytime services, without the zone. RFC 867
// leaves the layout open; these are its examples, ctime(3)'s, date(1)'s, mail's
// and ISO 8601.
var daytimeLayouts = []string{
	"Mon Jan _2 15:04:05 2006",
	"Monday, January 2, 2006 15:04:05",
	"Mon, 2 Jan 2006 15:04:05",
	"2 Jan 2006 15:04:05",
	"2 Jan 06 15:04:05",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
}

// nist is the layout of NIST's servers: day number, date, time, four other fields,
// and the zone.
var nist = regexp.MustCompile(`^\d{5} (\d\d-\d\d-\d\d \d\d:\d\d:\d\d) .* UTC\(NIST\)`)

// zoned finds the zone at the end, or before the year as in date(1).
var (
	zoned     = regexp.MustCompile(`^(.*\d\d:\d\d:\d\d(?:[.,]\d+| \d{4})?)[ -]?([+-]\d\d:?\d\d|\(?[A-Za-z]{1,5}\)?)$`)
	zonedYear = regexp.MustCompile(`^(.*\d\d:\d\d:\d\d) ([+-]\d\d:?\d\d|[A-Za-z]{1,5}) (\d{4})$`)
)

// daytimeTime reads a daytime answer. It refuses one without a zone, which is the
// server's local time, and one whose zone name is ambiguous, such as PST: no
// reading is better than a wrong hour.
func daytimeTime(answer string) (time.Time, error) {
	text := strings.Join(strings.Fields(answer), " ")
	if m := nist.FindStringSubmatch(text); m != nil {
		if t, err := time.Parse("06-01-02 15:04:05", m[1]); err == nil {
			return t, nil
		}
	}
	zone := ""
	if m := zonedYear.FindStringSubmatch(text); m != nil {
		text, zone = m[1]+" "+m[3], m[2]
	} else if m := zoned.FindStringSubmatch(text); m != nil {
		text, zone = m[1], strings.Trim(m[2], "()")
	}
	for _, layout := range daytimeLayouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		offset, ok := zoneOffset(zone)
		switch {
		case zone == "":
			return time.Time{}, fmt.Errorf("no time zone in %q", knock.Clean(text, 60))
		case !ok:
			return time.Time{}, fmt.Errorf("the time zone %s in %q may be any of several", knock.Clean(zone, 8), knock.Clean(text, 60))
		}
		return t.Add(-offset), nil
	}
	return time.Time{}, fmt.Errorf("no time in %q", knock.Clean(text, 60))
}

// time37 asks the time service (RFC 868) over TCP.
func (a *asker) time37(ctx context.Context) (Interval, string, error) {
	read := func(r io.Reader) (string, error) {
		var answer [4]byte
		_, err := io.ReadFull(r, answer[:])
		return string(answer[:]), err
	}
	return a.overTCP(ctx, SourceTime, read, func(answer string, _ io.Writer) (time.Time, error) {
		return time37Time([4]byte([]byte(answer)), a.now()), nil
	})
}

// time37Time reads the seconds since 1900. They restart every 136 years, next in
// 2036, so it returns the time nearest to near.
func time37Time(answer [4]byte, near time.Time) time.Time {
	const cycle = int64(1) << 32
	seconds := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Unix() + int64(binary.BigEndian.Uint32(answer[:]))
	// Since 1970 no machine's clock is more than half a cycle behind the first.
	cycles := (near.Unix() - seconds + cycle/2) / cycle
	return time.Unix(seconds+cycles*cycle, 0).UTC()
}
