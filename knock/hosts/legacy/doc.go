// Package legacy finds secret, range and ports in the shell scripts with which
// the scheme was used before: the article's functions, and what people made of
// them. Scripts are parsed (mvdan.cc/sh), never run; what cannot be told from the
// text is an error that says so.
package legacy
