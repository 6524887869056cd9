// Package diag finds out why a server does not open: evidence in, verdict out.
// It reads clocks, tries hours and ranges, and judges. It knows no terminal.
package diag
