// Package legacy reads the shell scripts in which the scheme was used before
// rapport: the article's own, and what people made of them.
//
// [ParseScript] takes the text of a client's or a server's script and returns a
// [Script]: the secret, the range, and, if the script names them, the host and the
// SSH port. It looks for a call of the article's function,
//
//	calc_knock_ports SECRET BOTTOM TOP
//
// whose arguments may be quoted, or variables that the script sets before. A copy
// of the article from the web, with its prose and joined lines, works too.
//
// Nothing is ever run. The text is parsed with mvdan.cc/sh, and variables,
// functions, branches and loops are followed as far as that is possible without
// running a command. If a part of the call depends on more, such as a command
// substitution, an argument of the script or a branch, the error says which part
// and why. Errors never show an argument of the call, since it may be the secret.
package legacy
