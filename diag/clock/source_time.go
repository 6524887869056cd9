package clock

import (
	"context"
	"encoding/binary"
	"io"
	"time"
)

// time37 asks the time service (RFC 868) over TCP.
func (a *asker) time37(ctx context.Context) (Interval, string, error) {
	from := a.now()
	conn, err := dial(ctx, "tcp", a.address(a.ports.Time, 37))
	if err != nil {
		return Interval{}, "", err
	}
	defer conn.Close()
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return Interval{}, "", err
	}
	to := a.now()
	return withinSecond(time37Time(answer, to), from, to), "", nil
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
