// Package sshconfig reads what ~/.ssh/config says about a host: its address and
// port, and writes how ssh reaches it through rapport proxy. It agrees with ssh -G on Host, Match and Include; a criterion that it
// cannot judge, such as Match exec, is told in [SSHHost].Doubts.
package sshconfig
