//go:build !linux

package main

// denyTracing is for Linux.
func denyTracing() {}
