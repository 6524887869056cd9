
# beside: warns if the rest of the firewall drops what the gate accepts: an accept
# is final for one base chain only, a drop for all. It ignores rules that match on
# more than a TCP port or a new connection.
beside() {
{{- if .SSHInRange}}
    warn "warning: the SSH port $ssh lies in the range of the knocks; take another range"
{{- end}}
    {
        nft -t list ruleset 2>/dev/null || :
        for t in iptables ip6tables; do
            "$t-save" 2>/dev/null | sed "s/^[*]/*$t /" || :
            case $("$t" -V 2>/dev/null) in
            *legacy*) ;;
            *) "$t-legacy-save" 2>/dev/null | sed "s/^[*]/*$t-legacy /" || : ;;
            esac
        done
    } | awk -v ssh=$ssh -v bottom=$bottom -v top=$top '
        # covers: whether ports such as 22, 20-30 or { 22, 80 } hold one from low to high.
        function covers(ports, low, high,   n, i, list, ends) {
            gsub(/[{},]/, " ", ports)
            gsub(/:/, "-", ports)
            n = split(ports, list, " ")
            for (i = 1; i <= n; i++)
                if (split(list[i], ends, "-") && ends[1] + 0 <= high && (ends[2] == "" ? ends[1] : ends[2]) + 0 >= low) return 1
            return 0
        }
        # base: a base chain begins; early: what it drops the gate does not see.
        function base(name, at, early, closed) { hook[name] = at; first[name] = early || at == "prerouting"; if (closed) drops[name] = 1 }
        # rule: what a rule of the chain does to TCP ports ("" is all) when it asks nothing else (all).
        function rule(verdict, ports, all, sourced,   toSSH, toRange) {
            toSSH = ports == "" ? all : covers(ports, ssh, ssh)
            toRange = ports == "" ? all : covers(ports, bottom, top)
            if (verdict == "accept" && !sourced) {
                if (toSSH) lets[chain] = lets[table] = 1
                if (toRange) passes[chain] = passes[table] = 1
            }
            if (verdict != "drop" || !all) return
            if (ports == "") { drops[chain] = 1; return }
            if (toSSH && !lets[chain]) drops_ssh[chain] = 1
            if (toRange && !passes[chain]) drops_range[chain] = 1
        }
        function nft_rule(line,   ports, verdict) {
            gsub(/"[^"]*"/, "", line)
            gsub(/[ \t]+/, " ", line)
            verdict = line ~ /(^| )(drop|reject)( |$)/ ? "drop" : line ~ /(^| )accept( |$)/ ? "accept" : ""
            if (match(line, /(tcp|th) dport ([0-9][^ ]*|[{][^}]*[}])/)) {
                ports = substr(line, RSTART, RLENGTH)
                line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
                sub(/^[a-z]+ dport /, "", ports)
            }
            gsub(/meta l4proto ([{][^}]*tcp[^}]*[}]|tcp|6)|ip protocol tcp|ct state ([{][^}]*new[^}]*[}]|[a-z,]*new[a-z,]*)/, "", line)
            gsub(/counter( packets [0-9]+ bytes [0-9]+)?|log( prefix| level [a-z]+| flags [a-z]+)*| comment|reject with .*|drop|reject|accept/, "", line)
            if (line ~ /established/) answers[chain] = answers[chain] || verdict == "accept"
            rule(verdict, ports, line ~ /^[ \t]*$/, line ~ /saddr/)
        }
        function iptables_rule(line,   ports, verdict) {
            gsub(/"[^"]*"/, "X", line)
            if (line ~ /-j portknock_input/) { lets[chain] = lets[table] = 1; return }
            verdict = line ~ /-j (DROP|REJECT)/ ? "drop" : line ~ /-j ACCEPT/ ? "accept" : ""
            if (line !~ /! --dport/ && match(line, / --dports? [0-9][^ ]*/)) {
                ports = substr(line, RSTART, RLENGTH)
                line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
                sub(/^ --dports? /, "", ports)
            }
            sub(/^-A [^ ]+/, "", line)
            gsub(/-p tcp|--(ct)?state [A-Z,]*NEW[A-Z,]*|--tcp-flags [A-Z,]+ SYN|--comment [^ ]+|--reject-with [^ ]+|-m (tcp|multiport|conntrack|state|comment)|-j [A-Z]+/, "", line)
            if (line ~ /ESTABLISHED/) answers[chain] = answers[chain] || verdict == "accept"
            rule(verdict, ports, line ~ /^ *$/, line ~ /-s |--match-set|--src/)
        }
        BEGIN { level["raw"] = -300; level["mangle"] = -150; level["dstnat"] = -100; level["filter"] = 0; level["security"] = 50 }
        $1 == "table" { table = $2 " " $3; xtables = 0; mine = table == "inet portknock" }
        $1 == "chain" { chain = table " " $2; old = $2 ~ /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/ }
        $1 == "type" && $3 == "hook" && !old && !mine {
            at = $0
            sub(/.*priority /, "", at)
            sub(/;.*/, "", at)
            split(at, p, " ")
            base(chain, $4, (p[1] in level ? level[p[1]] : p[1]) + (p[2] == "-" ? -p[3] : p[3]) < {{if .NFT}}-10{{else}}0{{end}}, /policy drop/)
        }
        !xtables && !mine && /(^|[ \t])(accept|drop|reject)( |$)/ { nft_rule($0) }
        /^[*]/ { table = substr($1, 2) " " $2; xtables = 1; mine = 0; short = $2 == "filter" ? substr($1, 2) : table }
        xtables && /^:(PREROUTING|INPUT|OUTPUT) / { base(short " " substr($1, 2), tolower(substr($1, 2)), table !~ /filter$/, $2 == "DROP") }
        $1 == "-A" { chain = short " " $2; iptables_rule($0) }
        END {
            for (c in hook) {
                table = c
                sub(/ [^ ]*$/, "", table)
                if (table ~ /^ip6?tables(-legacy)?$/) table = table " filter"
                open = lets[c] || lets[table]
                if (hook[c] == "input" && drops_ssh[c]) print "warning: " c " drops port " ssh ": it must accept it, from whom the gate lets in"
                else if (hook[c] == "input" && drops[c] && !open) print "warning: " c " drops what it does not know, and no rule there accepts port " ssh ": it must, for whom the gate lets in"
                if (hook[c] == "output" && drops[c] && !answers[c]) print "warning: " c " drops what it does not know, and no rule of it accepts established connections: answers of SSH end there"
                if (hook[c] == "prerouting" && (drops_ssh[c] || drops[c] && !open)) print "warning: " c " drops port " ssh " before the gate sees it"
                if (first[c] && hook[c] != "output" && (drops_range[c] || drops[c] && !passes[c] && !passes[table])) print "warning: " c " drops knocks before the gate sees them"
            }
        }' | sort -u | while read -r line; do warn "$line"; done
}
