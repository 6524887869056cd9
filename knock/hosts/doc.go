// Package hosts is what a user keeps about a server: where its secret is, and
// how to read it safely.
package hosts
