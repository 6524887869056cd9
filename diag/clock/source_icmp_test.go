package clock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// timestampReply answers a request as RFC 792 has it.
func timestampReply(request [icmpTimestampLen]byte, received, sent uint32) []byte {
	b := bytes.Clone(request[:])
	b[0], b[2], b[3] = icmpTimestampReply, 0, 0
	binary.BigEndian.PutUint32(b[12:], received)
	binary.BigEndian.PutUint32(b[16:], sent)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// Only what answers the question counts, and midnight is a time like others.
func TestTimestampReply(t *testing.T) {
	request := [icmpTimestampLen]byte{4: 1, 2, 3, 4}
	now := time.Date(2026, 11, 22, 23, 59, 59, 998e6, time.UTC)
	putTimestampRequest(&request, now)
	damaged := timestampReply(request, 86399999, 86399999)
	damaged[19] ^= 1
	other := request
	other[7]++
	for name, tt := range map[string]struct {
		reply []byte
		want  time.Duration
		err   error
	}{
		"right":                 {reply: timestampReply(request, 86399999, 86399999)},
		"midnight passes there": {reply: timestampReply(request, 86399999, 1)},
		"it has passed there":   {reply: timestampReply(request, 2, 2), want: 3 * time.Millisecond},
		"three hours behind":    {reply: timestampReply(request, 75599999, 75600000), want: -3 * time.Hour},
		"with a trailer":        {reply: append(timestampReply(request, 86399999, 86399999), 0)},
		"another's":             {reply: timestampReply(other, 86399999, 86399999), err: errNoStamp},
		"damaged":               {reply: damaged, err: errNoStamp},
		"the request itself":    {reply: request[:], err: errNoStamp},
		"cut off":               {reply: timestampReply(request, 1, 1)[:19], err: errNoStamp},
		"not since midnight":    {reply: timestampReply(request, 1<<31|86399999, 1<<31|86399999), err: errOtherTime},
		"more than a day":       {reply: timestampReply(request, 86400000, 86400000), err: errOtherTime},
	} {
		i, err := readTimestampReply(tt.reply, request, now, now.Add(4*time.Millisecond))
		if !errors.Is(err, tt.err) || err == nil && (!i.Contains(tt.want) || i.HalfWidth() > 5*time.Millisecond) {
			t.Errorf("%s: %v (%v), want %v (%v)", name, i, err, tt.want, tt.err)
		}
	}
}
