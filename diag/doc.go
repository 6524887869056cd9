// Package diag finds out why a server's gate does not open.
//
// A [Doctor] diagnoses one server. [Doctor.Run] makes checks, the cheap and harmless
// ones first: it resolves the name, reads the server's rules if they are given,
// probes SSH without a knock, reads clocks, makes a handshake, compares the answers
// of other ports and of the other IP family, and scans other hours, ranges and
// secret variants. It stops as soon as the evidence suffices.
//
// The result is a [Report]. Its [Verdict] has a [Code], a summary, a fix in words,
// and a Change for the entry in the hosts file if the fix is on this side. Causes
// lists every possible [Cause] with its likelihood and evidence, the verdict's
// first. Evidence that does not tell two causes apart has a code of its own, and
// [Unexplained] names the evidence that is missing. [Report.Text] is the report for
// a ticket, and the JSON form is that of "rapport doctor --json".
//
// Facts are gathered in the check files (checks*.go, egress.go), collected in
// evidence.go, and judged in judge*.go, which send nothing. Package clock reads
// clocks, and package scan tries candidates.
//
// A diagnosis sends knocks of past hours, which are useless to an eavesdropper.
// Those of future hours are sent only if Doctor.Future asks for it.
package diag
