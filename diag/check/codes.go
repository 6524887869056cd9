package check

// Code is what happened in a check.
type Code string

// What can happen in a check. Those of one check come together.
const (
	LookingUp    Code = "looking-up"    // Host
	NameFailed   Code = "name-failed"   // Err
	NameResolved Code = "name-resolved" // Address, Other, Untried

	RulesSolving Code = "rules-solving"
	RulesNoGate  Code = "rules-no-gate"
	RulesDiffer  Code = "rules-differ" // Rules
	RulesFit     Code = "rules-fit"
	RulesOther   Code = "rules-other-secret"
	RulesEmpty   Code = "rules-empty-secret"
	RulesHidden  Code = "rules-hidden" // the ports
	RulesMissing Code = "rules-missing"

	Probing       Code = "probing"
	WindowWaiting Code = "window-waiting"
	ShutAwaited   Code = "shut-awaited"
	ProbeFailed   Code = "probe-failed" // Err
	OpenUnknocked Code = "open-unknocked"
	SSHAnswers    Code = "ssh-answers" // SSH
	SSHShut       Code = "ssh-shut"    // SSH

	OneClock      Code = "one-clock"
	ClockAsking   Code = "clock-asking" // Address
	ClockUnasked  Code = "clock-unasked"
	ClockSilent   Code = "clock-silent"
	ClockOff      Code = "clock-off"      // Offset
	ClockRight    Code = "clock-right"    // Offset, Within
	ServerUntold  Code = "server-untold"  // Clock, where its sources disagree
	ServerTold    Code = "server-told"    // Clock, At
	HandshakeMade Code = "handshake-made" // Handshake
	Handshaking   Code = "handshaking"
	NoRoute       Code = "no-route"
	OneFamily     Code = "one-family"

	NoneRejected Code = "none-rejected"
	NothingOnWay Code = "nothing-on-the-way"
	Comparing    Code = "comparing"
	Compared     Code = "compared" // Egress, Address

	Scanning      Code = "scanning" // Scan
	Scanned       Code = "scanned"  // Scan
	Repeating     Code = "repeating"
	OpenedOnce    Code = "opened-once"
	RepeatOpened  Code = "repeat-opened"
	ScanPointless Code = "scan-pointless"
	ScanTooSlow   Code = "scan-too-slow"
	SlowOpened    Code = "slow-opened"

	OtherUnguarded Code = "other-unguarded" // Address

	NotNeeded  Code = "not-needed" // Verdict
	TimeOver   Code = "time-over"
	EndedEarly Code = "ended-early"
	CannotSend Code = "cannot-send"
)
