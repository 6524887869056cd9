// Package solve finds out what five ports were made with: which hour, which
// range, and which variant of the secret. A [Candidate] names these, wherever in
// the program ports are made, tried or recognised.
package solve
