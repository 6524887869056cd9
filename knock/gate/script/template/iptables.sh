
# The chains and lists have the names of Roland Mas's article of 2008, so that
# "setup" replaces the article's rules. IPv6 has its own lists, PK6_: in a shared
# list the mask of the first rule counts for both families, and the mask of an
# IPv4 rule loaded by iptables-restore would treat an IPv6 /32 as one address.
#
# A list holds 100 addresses by default. SYNs from many addresses to the first port
# can push a client out of the first list. setup asks for larger lists if it is the
# first to load the module; to be sure:
#   echo options xt_recent ip_list_tot={{.ListTotal}} >/etc/modprobe.d/xt_recent.conf

# The names of our chains.
ours=' portknock_input portknock_ssh portknocking portknock_into_phase1 portknock_into_phase2 portknock_into_phase3 portknock_into_phase4 portknock_into_phase5 portknock_accept portknock_watched portknock_limit portknock_own portknock_count portknock_ban portknock_strict portknock_forget portknock_forward portknock_dnat '

families() {
    echo 4
    if [ -e /proc/net/if_inet6 ]; then echo 6; fi
}

# use FAMILY: sets t, the tool; pk, the prefix of list names; listed, what is loaded.
use() {
    case $1 in
    4) t=iptables pk=PK{{if .Guard}} everything=0.0.0.0{{end}}{{if .SweepGuard}} net=32 mask=255.255.255.255{{end}} ;;
    6) t=ip6tables pk=PK6{{if .Guard}} everything=::{{end}}{{if .SweepGuard}} net=64 mask=ffff:ffff:ffff:ffff::{{end}} ;;
    esac
    listed=$(listing) || die "$t-save does not work"
}

# backend: switches to the same tool with the other backend; fails if there is none.
backend() {
    case $("$t" --version) in
    *nf_tables*) t=$t-legacy ;;
    *) t=$t-nft ;;
    esac
    command -v "$t-save" >/dev/null && listed=$(listing)
}

# listing: lines "TABLE KIND CHAIN NUMBER LINE" of what is loaded. KIND is chain
# and rule for ours, jump for a rule elsewhere that leads into ours, or other.
# Quoted text, such as a comment, is ignored.
listing() {
    saved=$("$t-save" 2>/dev/null) || return 1
    echo "$saved" | awk -v ours="$ours" '
        /^[*]/ { table = substr($1, 2) }
        /^:/ && index(ours, " " substr($1, 2) " ") { print table, "chain", substr($1, 2), 0, $0 }
        $1 == "-A" {
            kind = index(ours, " " $2 " ") ? "rule" : "other"
            bare = $0
            gsub(/"([^"\\]|\\.)*"/, "", bare)
            n = split(bare, word, " ")
            for (i = 3; i < n && kind == "other"; i++)
                if (word[i] ~ /^-[jg]$/ && index(ours, " " word[i + 1] " ")) kind = "jump"
            print table, kind, $2, ++rules[table, $2], $0
        }'
}

# knocks CHAIN PHASES: the rules for the knocks into these phases.
knocks() {
    steps | while read -r n port h; do
        case $2 in *$n*) ;; *) continue ;; esac
        rule="-A $1 -p tcp --dport $port"
        before="-m recent --name ${pk}_PHASE$((n - 1)) --rcheck --seconds $window"
        case $n in
        1) echo "$rule -m comment --comment \"hour $h\" -g portknock_into_phase1" ;;
{{- if .Guard}}
        5)
            # Against replay. The lists are named after the hour. An address in
            # DONE may open again; others may until USED is full, which counts
            # for the whole server (by destination, with all bits masked).
            did="-m recent --name ${pk}_DONE_$h"
            used="-m recent --name ${pk}_USED_$h --rdest --mask $everything"
            echo "$rule $before $did --update -g portknock_into_phase5"
            echo "$rule $before $used ! --rcheck --hitcount $guard $did --set $used --set -g portknock_into_phase5"
            ;;
{{- end}}
        *) echo "$rule $before -g portknock_into_phase$n" ;;
        esac
    done
}

# knocking: the rules of the chains that change with the hour.
knocking() {
{{- if .SweepGuard}}
    for chain in watched own strict; do
        echo ":portknock_$chain - [0:0]"
    done
    echo "-A portknocking -m recent --name ${pk}_WATCHED --mask $mask --rcheck --seconds $ban -g portknock_watched"
    knocks portknocking 12
    echo '-A portknocking -g portknock_limit'
    echo "-A portknock_watched -m recent --name ${pk}_IGNORED --mask $mask --rcheck --seconds $ban -j RETURN"
    knocks portknock_watched 12345
    echo '-A portknock_watched -j portknock_limit'
    echo "-A portknock_watched -m recent --name ${pk}_SPARED --remove -j RETURN"
    echo '-A portknock_watched -g portknock_strict'
    # A multiport match holds 15 ports; the port range before it is cheaper.
    echo "$own" | awk '
        { ports = ports "," $1; last = $1 }
        NR % 15 == 1 { first = $1 }
        NR % 15 == 0 { add() }
        function add() {
            if (ports) rules[++n] = " -p tcp --dport " first ":" last " -m multiport --dports " substr(ports, 2) " -j RETURN"
            ports = ""
        }
        END {
            add()
            for (i = 1; i <= n; i++) print "-A portknock_own" rules[i] "\n-A portknock_strict" rules[i]
        }'
    echo '-A portknock_own -g portknock_count'
    echo '-A portknock_strict -g portknock_forget'
{{- else}}
    knocks portknocking 12345
{{- end}}
}
{{- if .SweepGuard}}

# sweep_guard: the rules for a SYN to a wrong port of the range. They count by
# source, for IPv6 by /64, in a table that 1000 SYNs/s cannot fill. More than that is
# a flood from many sources: then a wrong port ends the handshake at once, which
# affects no client without wrong ports.
#
# WATCHED holds who is in the phases 2 to 4 or ignored: the only ones who can get
# into the phases 3 to 5, and who lose anything in a flood. A SYN of anybody else
# asks no further list, which keeps floods cheap. SPARED holds one of these for the
# rest of its packet, if that was counted. Lists may overflow: who is pushed out of
# WATCHED starts the handshake again, and who is still over the limit is ignored again.
sweep_guard() {
    for chain in watched limit own count ban strict forget; do
        echo ":portknock_$chain - [0:0]"
    done
    # WATCHED comes first: the kernel searches the lists in the order of their making.
    echo "-A portknock_ban -m recent --name ${pk}_WATCHED --mask $mask --set"
    echo "-A portknock_ban -m recent --name ${pk}_IGNORED --mask $mask --set"
    for n in 1 5; do
        echo "-A portknock_ban -m recent --name ${pk}_PHASE$n --remove"
    done
    echo '-A portknock_ban -g portknock_forget'
    for n in 2 3 4; do # an address without these phases cannot go on
        echo "-A portknock_forget -m recent --name ${pk}_PHASE$n --remove"
    done
    echo '-A portknock_limit -m limit --limit 1000/second --limit-burst 5000 -g portknock_own'
    echo '-A portknock_count -i lo -j RETURN'
    echo "-A portknock_count -m hashlimit --hashlimit-above $sweep/minute --hashlimit-burst $sweep --hashlimit-mode srcip --hashlimit-srcmask $net --hashlimit-name ${pk}_WRONG --hashlimit-htable-max 131072 --hashlimit-htable-expire 60000 -j portknock_ban"
    echo "-A portknock_count -m recent --name ${pk}_WATCHED --mask $mask --rcheck --seconds $ban -m recent --name ${pk}_SPARED --set"
}
{{- end}}

# gate: everything else. A line with ":" creates a chain, or empties it.
gate() {
    echo ':portknocking - [0:0]'
{{- if .SweepGuard}}
    sweep_guard
{{- end}}
    for n in 1 2 3 4 5; do
        echo ":portknock_into_phase$n - [0:0]"
        if [ $n -gt 1 ]; then
            echo "-A portknock_into_phase$n -m recent --name ${pk}_PHASE$((n - 1)) --remove"
        fi
        echo "-A portknock_into_phase$n -m recent --name ${pk}_PHASE$n --set"
{{- if .SweepGuard}}
        case $n in [234]) echo "-A portknock_into_phase$n -m recent --name ${pk}_WATCHED --mask $mask --set" ;; esac
{{- end}}
{{- if .Log}}
        echo "-A portknock_into_phase$n -m limit --limit 10/min -j LOG --log-level notice --log-prefix \"INTO ${pk}_PHASE$n: \""
{{- end}}
    done
    echo "-A portknock_into_phase5 -m recent --name ${pk}_ESTABLISHED --set"

    echo ':portknock_accept - [0:0]'
{{- if .Log}}
    echo "-A portknock_accept -m limit --limit 10/min -j LOG --log-level notice --log-prefix \"ACCEPTED AFTER PORTKNOCKING: \""
{{- end}}
{{- if .OneShot}}
    echo "-A portknock_accept -m recent --name ${pk}_PHASE5 --remove" # the first connection uses it up
{{- end}}
    echo '-A portknock_accept -j ACCEPT'

    # The chain that INPUT calls. It leaves existing sessions alone, and the machine
    # itself (lo) needs no knock. Only SYNs are knocks: where connections were not
    # tracked until now, packets of old sessions are NEW too.
    echo ':portknock_input - [0:0]'
    echo ':portknock_ssh - [0:0]'
    # A SYN to the range meets no further rule here, which keeps a sweep cheap.
    to_knocking=-g
    if [ "$bottom" -le "$ssh" ] && [ "$ssh" -le "$top" ]; then to_knocking=-j; fi
    echo "-A portknock_input -p tcp --syn --dport $bottom:$top $to_knocking portknocking"
    echo "-A portknock_input -p tcp --dport $ssh -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    echo "-A portknock_input ! -i lo -p tcp --syn --dport $ssh -j portknock_ssh"
{{- if .SweepGuard}}
    echo "-A portknock_ssh -m recent --name ${pk}_IGNORED --mask $mask --rcheck --seconds $ban -j {{if .NoDrop}}RETURN{{else}}DROP{{end}}"
{{- end}}
    echo "-A portknock_ssh -m recent --name ${pk}_PHASE5 --rcheck --seconds $window -g portknock_accept"
{{- if .Drop}}
    echo '-A portknock_ssh -j DROP'
{{- end}}
}
{{- if .Forward}}

# Ports that are forwarded after the handshake; before it they are this machine's
# own. The kernel must forward packets: sysctl net.ipv4.ip_forward=1,
# net.ipv6.conf.all.forwarding=1.
forwards() { # FAMILY PORT TO
    {{- range .Forward}}
    "$1" {{.Family}} {{.Port}} '{{.To}}'
    {{- end}}
}
dnat() {
    if [ "$1" = "$family" ]; then
        echo "-A portknock_dnat -p tcp --dport $2 -m recent --name ${pk}_PHASE5 --rcheck --seconds $window{{if .OneShot}} -m recent --name ${pk}_PHASE5 --remove{{end}} -j DNAT --to-destination $3"
    fi
}
forward() {
    if [ "$1" = "$family" ]; then
        echo "-A portknock_forward -p tcp -m conntrack --ctstate DNAT --ctorigdstport $2 -j ACCEPT"
    fi
}
{{- end}}

# filter_rules, nat_rules: the rules of a table, without those of the hour.
filter_rules() {
    gate
    echo "-I INPUT $(place INPUT) -j portknock_input"
{{- if .Forward}}
    echo ':portknock_forward - [0:0]'
    forwards forward
    echo "-I FORWARD $(place FORWARD) -j portknock_forward"
{{- end}}
}
nat_rules() {
{{- if .Forward}}
    echo ':portknock_dnat - [0:0]'
    forwards dnat
    echo '-I PREROUTING 1 -j portknock_dnat'
{{- else}}
    :
{{- end}}
}

# replace TABLE RULES: replaces all our rules in the table in one step, so that no
# packet meets half of them. It deletes jumps by number, the last first: the text
# that iptables-save prints may not delete the rule (the mask).
replace() {
    text=$({ echo "$listed" | sed 's/^/now /' && echo "$2" | sed 's/^/new /'; } | awk -v table="$1" '
        $1 == "now" && $2 == table && $3 == "chain" { old[$4] = 1 }
        $1 == "now" && $2 == table && $3 == "other" { others[$4]++ }
        $1 == "now" && $2 == table && $3 == "jump" {
            if (/ -m recent /) numbered = "-D " $4 " " $5 "\n" numbered
            else { sub(/^now [^ ]+ jump [^ ]+ [^ ]+ -A/, "-D"); plain = plain $0 "\n" }
        }
        $1 == "new" && NF > 1 {
            sub(/^new /, "")
            if ($1 == "-I" && $3 > ++others[$2]) $3 = others[$2] # fewer rules than before
            if (/^:/) delete old[substr($1, 2)]
            text = text $0 "\n"
        }
        END {
            printf "*%s\n%s%s%s", table, numbered, plain, text
            for (c in old) print "-F " c
            for (c in old) print "-X " c
            print "COMMIT"
        }')
    load "$text"
}

# place CHAIN: the place to insert: at the top, but behind fail2ban's jumps. An
# address that fail2ban has banned must not get in by knocking.
place() {
    echo "$listed" | awk -v chain="$1" '
        $1 == "filter" && $2 == "other" && $3 == chain { if (/ -j f2b-/ && n == seen) n++; seen++ }
        END { print n + 1 }'
}

load() { # TEXT
    printf '%s\n' "$1" | "$t-restore" --noflush -w 10
}

# has TABLE: whether the table holds anything of ours.
has() {
    echo "$listed" | grep -Eq "^$1 (chain|jump) "
}

# clean: removes everything from both tables.
clean() {
    for table in filter nat; do
        ! has $table || replace $table ""
    done
}

# If one family fails, the other one is loaded all the same. Rules in the other
# backend are removed once those in this one are loaded.
setup() {
    failed=''
{{- if .SweepGuard}}
    own=$(own) || die 'the ports of the hours around cannot be derived'
{{- end}}
    [ -e /sys/module/xt_recent ] || grep -qs '^options xt_recent ' /etc/modprobe.d/* ||
        modprobe xt_recent ip_list_tot={{.ListTotal}} 2>/dev/null || :
    for family in $(families); do
        use "$family"
        rules=$(filter_rules && knocking)
        replace filter "$rules" || failed="$failed IPv$family"
        rules=$(nat_rules)
        if [ -n "$rules" ] || has nat; then
            replace nat "$rules" || failed="$failed IPv$family(nat)"
        fi
        ! backend || clean
    done
    [ -z "$failed" ] || die "the rules are not loaded for$failed"
}

# Only the chain of the hour is replaced. The lists stay, with all addresses in the
# middle of a handshake or about to connect.
refresh() {
{{- if .SweepGuard}}
    own=$(own) || die 'the ports of the hours around cannot be derived'
{{- end}}
    for family in $(families); do
        use "$family"
        text=$(echo '*filter' && echo ':portknocking - [0:0]' && knocking && echo COMMIT)
        load "$text"
    done
}

unload() {
    for family in $(families); do
        use "$family"
        clean
        ! backend || clean
    done
}

# foreign: prints a line if the gate of the other format is loaded.
foreign() {
    if nft -t list table inet portknock >/dev/null 2>&1; then
        echo 'the gate of nft is loaded (table inet portknock)'
    fi
}

# loaded: lines "FAMILY TABLE LINE": our chains, and the jumps to them with their
# places.
loaded() {
    for family in $(families); do
        use "$family"
        echo "$listed" | awk -v family="$family" '
            $2 == "chain" { print family, $1, ":" $3 " - [0:0]" }
            $2 == "rule" || $2 == "jump" {
                head = family " " $1 ($2 == "rule" ? " -A " $3 : " -I " $3 " " $4)
                sub(/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ -A [^ ]+/, "")
                print head $0
            }'
    done
}

# restore LINES: loads what loaded has printed, each table in one step. If that
# fails it removes the gate, so that nobody is locked out.
restore() {
    for family in $(families); do
        use "$family"
        for table in filter nat; do
            lines=$(echo "$1" | sed -n "s/^$family $table //p")
            if [ -n "$lines" ] || has $table; then
                replace $table "$lines" || clean
            fi
        done
    done
}

# present: whether the gate, or a part of it, is loaded, in either backend.
present() {
    for family in $(families); do
        use "$family"
        if has filter || { backend && has filter; }; then return 0; fi
    done
    return 1
}

# whole: whether all rules are loaded in both families, except those of the hour.
whole() {
    for family in $(families); do
        use "$family"
        want=$({ filter_rules && nat_rules; } | grep -c '^-[AI]')
        have=$(echo "$listed" | awk '$2 == "rule" && $3 !~ /^portknock(ing|_watched|_own|_strict)$/ || $2 == "jump" { n++ } END { print n + 0 }')
        [ "$have" = "$want" ] || return 1
{{- if .SweepGuard}}
        # The chains of the hour: the same knocks in two of them, the same ports in two.
        echo "$listed" | awk '
            $2 == "rule" && $3 == "portknocking" { n++; if (/-g portknock_into_phase[12]$/) first++ }
            $2 == "rule" && $3 == "portknock_watched" && /-g portknock_into_phase[12]$/ { watched++ }
            $2 == "rule" && $3 == "portknock_own" { own++ }
            $2 == "rule" && $3 == "portknock_strict" { strict++ }
            END { exit !(first == watched && n == first + 2 && own > 1 && own == strict) }' || return 1
{{- end}}
    done
}

# loaded_steps: lines "PHASE PORT" of the rules of the hour, sorted; of both
# families, which should be the same.
loaded_steps() {
    for family in $(families); do
        use "$family"
        echo "$listed" | sed -n 's/^filter rule portknock[a-z_]* .*--dport \([0-9]*\) .*-g portknock_into_phase\([1-5]\)$/\2 \1/p'
    done | sort -u
}

# loaded_hours: the hours of those rules.
loaded_hours() {
    for family in $(families); do
        use "$family"
        echo "$listed" | sed -n 's/^filter rule portknocking .*--comment "hour \([0-9-]*\)".*/\1/p'
    done | sort -ur | paste -sd ' ' -
}

status() {
    limit=$(cat /sys/module/xt_recent/parameters/ip_list_tot 2>/dev/null || echo 100)
    for family in $(families); do
        use "$family"
        if has filter; then
            echo "IPv$family: gate loaded"
        else
            echo "IPv$family: no gate"
        fi
        for list in /proc/net/xt_recent/"${pk}"_*; do
            [ -r "$list" ] || continue
            n=$(wc -l <"$list")
            echo "  ${list##*/}: $((n)) addresses"
            [ $((n * 10)) -lt $((limit * 9)) ] || echo "  warning: ${list##*/} is nearly full: the oldest go first"
        done
        if backend && has filter; then
            echo "IPv$family: rules of the gate are in $t-save too; setup moves them"
            bad=1
        fi
    done
    echo "a list holds $limit addresses; more by: options xt_recent ip_list_tot={{.ListTotal}} in /etc/modprobe.d/xt_recent.conf"
}
