// Package phrase writes counts, durations and words of a shell, the same way
// wherever the program shows them.
package phrase
