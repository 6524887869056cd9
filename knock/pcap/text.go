package pcap

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/phrase"
)

// Tcpdump returns the command that records, on one side, what [Analyze] needs: SYNs and
// the answers to them. A client with a wrong range or SSH port is to be seen too, so the
// filter names no ports. The client's is narrowed to the server, a name or an address, if
// it is not empty.
func Tcpdump(side Side, server string) string {
	// tcp[13] reads the flags of IPv4 alone; "and" and "or" bind alike. Errors come from routers on the way too.
	filter := "tcp[13] & 6 != 0 or (ip6[6] = 6 and ip6[53] & 6 != 0)"
	if side == Client && server != "" {
		filter = fmt.Sprintf("host %s and (%s)", server, filter)
	}
	return fmt.Sprintf("tcpdump -i any -s 160 -U -w %s.pcap '%s or icmp[0] = 3 or icmp6[0] = 1'", side, filter)
}

// PrintTcpdump prints the commands for both sides of a server, which is called host.
func PrintTcpdump(w io.Writer, host, server string) {
	if host != "" {
		host = phrase.ShellWord(host)
	}
	fmt.Fprintf(w, "on the client:\n  %s\non the server:\n  %s\nknock, end both with Ctrl-C, then: rapport pcap client.pcap server.pcap %s\n",
		Tcpdump(Client, server), Tcpdump(Server, server), cmp.Or(host, "HOST"))
}

// Masked returns the report without the ports of knocks.
func (r Report) Masked() Report {
	clients := make([]arrivals.Client, len(r.Clients))
	for i, c := range r.Clients {
		clients[i] = c.Masked()
	}
	r.Clients = clients
	return r
}

// Print prints the report as text.
func (r Report) Print(w io.Writer) {
	for _, c := range r.Captures {
		fmt.Fprintf(w, "%s: %s, %s, %s, %s\n", c.Side, knock.Clean(c.File, 200), cmp.Or(c.Link, "no link layer"), phrase.Plural(c.Packets, "packet"), phrase.Plural(c.SYNs, "SYN"))
	}
	if r.Clock != nil {
		fmt.Fprintln(w, r.Clock.Words())
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", knock.Clean(n, 300))
	}
	for _, c := range r.Clients {
		fmt.Fprintln(w)
		printClient(w, c)
	}
	if r.Others > 0 {
		fmt.Fprintf(w, "\n%s sent SYNs that are no handshake\n", phrase.Plural(r.Others, "other source"))
	}
	if !r.Found() {
		fmt.Fprint(w, "\nno handshake is in there. To record one,\n")
		PrintTcpdump(w, "", "")
	}
}

// Words says how far the clocks are apart.
func (c ClockDifference) Words() string {
	d := time.Duration(c.Offset)
	s := "clocks: the server's is " + phrase.Offset(d) + " from the client's"
	if c.Uncertainty == nil {
		return s + " at most: nothing came back"
	}
	return s + ", within " + phrase.Millis(time.Duration(*c.Uncertainty))
}

// printClient prints a client's knocks, and what was found.
func printClient(w io.Writer, c arrivals.Client) {
	fmt.Fprintf(w, "%v to %v, %s", c.Addr, c.Server, c.First.UTC().Format("2006-01-02 15:04:05.000 UTC"))
	if c.Candidate != nil {
		fmt.Fprintf(w, ": %s", c.Candidate.Made())
	}
	fmt.Fprintln(w)
	const most = 2 * knock.Knocks
	for i, k := range c.Knocks {
		if i == most {
			fmt.Fprintf(w, "  and %s\n", phrase.Plural(len(c.Knocks)-most, "more knock"))
			break
		}
		printKnock(w, c, k, [...]string{"-", "1st", "2nd", "3rd", "4th", "5th"}[k.Phase])
	}
	for i, k := range c.SSH {
		if i == most {
			break
		}
		printKnock(w, c, k, "SSH")
	}
	switch {
	case len(c.Findings) == 0:
		fmt.Fprintln(w, "  "+c.Summary())
	case c.In:
		fmt.Fprintln(w, "  got in")
	}
	for _, f := range c.Findings {
		fmt.Fprintf(w, "  found: %s\n  fix: %s\n", f.Summary(), f.Fix())
	}
}

func printKnock(w io.Writer, c arrivals.Client, k arrivals.Knock, name string) {
	port := fmt.Sprint(k.Port)
	if k.Port == 0 {
		port = "*****"
	}
	line := fmt.Sprintf("  %-4s%-6s", name, port)
	for _, e := range []struct {
		word string
		at   time.Time
	}{{"sent", k.Sent}, {"arrived", k.Arrived}} {
		if !e.at.IsZero() {
			line += fmt.Sprintf("  %s %s", e.word, phrase.Millis(e.at.Sub(c.First)))
		}
	}
	if k.Repeats > 0 {
		line += "  repeated " + phrase.Plural(k.Repeats, "time")
	}
	if k.From.IsValid() {
		line += fmt.Sprintf("  from %v", k.From)
	}
	line += "  " + k.Answer.String()
	if k.Answer != arrivals.SYN && k.By.IsValid() && k.By != c.Server {
		line += fmt.Sprintf(" by %v", k.By)
	}
	if k.Between {
		line += ", not by the server"
	}
	fmt.Fprintln(w, line)
}
