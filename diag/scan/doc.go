// Package scan finds the hour, range and secret variant that open a gate, by trying
// many candidates in one pass.
//
// [Candidates] lists what is worth trying, the likeliest first: hours around the
// client's, hours that the clocks allow, the user's further ranges, ranges with an
// end off by one, and the secret with its newline, CR, spaces or case changed.
//
// [Scan.Run] tries them in rounds. Wrong ports do not reset the article's gate, so a
// round sends port 1 of all its candidates, then all ports 2, 3 and 4, then one by
// one port 5 and a probe of SSH. The first probe that is answered names the
// candidate; where several fit, handshakes of their own decide. A hit counts as
// confirmed if its handshake opens the gate once more after the window. A strict
// gate gets one candidate a round.
//
// A gate may have a sweep guard, which ignores an address after too many wrong ports
// a minute. If the guard is known (knock.Target.SweepGuard), the scan never exceeds
// it and waits; if it is not, the likeliest candidates come within the usual guard,
// and [Report].BeyondGuard counts the others.
//
// Knocks of past hours are useless to an eavesdropper. Knocks of future hours are
// not, and are sent only if Scan.Future asks for it; [Report].Announce says so before
// the first packet.
package scan
