// Package sshconfig reads what ~/.ssh/config says about a host: its address and
// port. It agrees with ssh -G on Host, Match and Include; a criterion that it
// cannot judge, such as Match exec, is told in [SSHHost].Doubts.
package sshconfig
