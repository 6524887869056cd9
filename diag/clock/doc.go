// Package clock finds out how far a server's clock is off, without a login.
//
// [Clocks.Read] asks all sources in parallel: the Date of a web server (HTTP and
// HTTPS), NTP, the greeting of a mail server, the daytime and time services, and
// ICMP timestamps. NTP servers that the user names are asked for this machine's own
// clock. Each answer is a [Reading]: an offset from this machine's clock, and how
// far it may be off. A source that fails has a reading with the reason.
//
// A [Report] combines the readings of each [Side] by a vote ([Intersect], the method
// of Marzullo and NTP) and marks the outvoted ones. Its Skew is the server's clock
// minus this machine's. [Report.Summary] says what that means for the scheme: which
// hour's sequence the server expects, and when that changes. A gate that opened is
// a source too: see [FromKnock] and [Report.Add].
//
// All times are measured with the monotonic clock, so a step of this machine's
// clock during Read does no harm. What a server sends is limited in length and
// cleaned before it is shown.
//
// The sources are in the files source_*.go; clock.go lists them.
package clock
