// Package diag judges what was learnt of a server whose gate does not open. It sends
// nothing: rapport/diag/doctor makes the checks.
//
// The result is a [Report]: the [Evidence], what each [Check] saw, and the [Verdict],
// which has a [Code], and a Change for the entry in the hosts file if the fix is on
// this side. Causes lists every possible [Cause] with its likelihood, the verdict's
// first. Where the evidence fits two causes alike there is a code for just that,
// such as [HourAhead]. [Report.Summary], [Report.Fix] and [Report.Why] say it in words.
//
// The causes are a table (causes*.go) of when each is possible, and how probable what
// was seen would be under it; [Cause].Likelihood is Bayes' rule over that table.
// Sentences are in texts*.go alone: those of a verdict and a cause are the table in
// texts_causes.go, those of a check in diag/check.
package diag
