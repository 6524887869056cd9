package knock

import "fmt"

// Summary says in one line what came of the handshake, and what to check where
// SSH did not open.
func (r Report) Summary() string {
	switch s := r.SSH; {
	case s.State == SSHOpen && r.Before.State == SSHOpen:
		return "SSH is open, and was before the handshake: nothing guards it, or an earlier window is still open"
	case s.State == SSHOpen:
		return "SSH is open"
	case s.State == SSHRefusing && r.Before.State == SSHRefusing:
		return s.Summary()
	case s.State == SSHRefusing:
		return fmt.Sprintf("the gate opened, but sshd refused this address: %q; wait before the next try", s.Banner)
	case s.State == SSHSilent:
		return "SSH accepted the connection, but sent no banner: it is stuck, or something else accepts in its place"
	case s.State == SSHNotSSH:
		return fmt.Sprintf("something that is not SSH answers on its port: %q", s.Banner)
	case s.State == SSHRefused && r.Before.State == SSHFiltered:
		return "the gate opened, but nothing listens behind it: is sshd running, and on this port?"
	case s.State == SSHRefused:
		return "SSH is refused before and after the handshake: the gate stayed shut and rejects, or sshd is down"
	case s.State == SSHUnreachable && r.Before.State == SSHUnreachable:
		return "SSH is rejected as unreachable before and after the handshake: the gate stayed shut"
	case s.State == SSHUnreachable:
		return "SSH became unreachable: a network on the path rejects it"
	case s.State == SSHUnknown:
		return "the time was over before SSH was probed; allow more with --timeout"
	}
	return "SSH stayed shut: no answer before or after the handshake; check hour, range, secret and address"
}

// Summary says in one line what a probe found.
func (s SSH) Summary() string {
	switch s.State {
	case SSHOpen:
		return "SSH is open"
	case SSHRefused:
		return "SSH is refused: nothing listens, or a firewall rejects"
	case SSHFiltered:
		return "SSH is filtered: no answer"
	case SSHSilent:
		return "SSH accepts connections, but sends no banner"
	case SSHRefusing:
		return fmt.Sprintf("sshd refuses this address: %q", s.Banner)
	case SSHNotSSH:
		return fmt.Sprintf("something that is not SSH answers: %q", s.Banner)
	case SSHUnreachable:
		return "SSH is unreachable: the network or a firewall rejects it"
	}
	return "SSH has not been probed"
}
