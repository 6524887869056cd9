
# The chains and lists have the names of Roland Mas's article of 2008, so that a
# server with its rules moves over by "setup". IPv6 has lists of its own, PK6_:
# of a list with both, the mask of the first rule counts for both, and the one
# of an IPv4 rule loaded by iptables-restore would take a whole /32 of IPv6 for
# one address.
#
# A list holds 100 addresses unless the kernel module is told otherwise. Whoever
# sends SYNs from many addresses to port one can push you out of the first list:
#   echo options xt_recent ip_list_tot={{.ListTotal}} >/etc/modprobe.d/xt_recent.conf

families() {
    echo 4
    if [ -e /proc/net/if_inet6 ]; then echo 6; fi
}

# use FAMILY: t is the tool, pk the first part of the list names.
use() {
    case $1 in
    4) t=iptables pk=PK{{if .Guard}} everything=0.0.0.0{{end}}{{if .SweepGuard}} net=32 mask=255.255.255.255{{end}} ;;
    6) t=ip6tables pk=PK6{{if .Guard}} everything=::{{end}}{{if .SweepGuard}} net=64 mask=ffff:ffff:ffff:ffff::{{end}} ;;
    esac
}

# knocking: the rules of the chain that changes with the hour.
knocking() {
    steps | while read -r n port h; do
        rule="-A portknocking -p tcp --dport $port"
        before="-m recent --name ${pk}_PHASE$((n - 1)) --rcheck --seconds $window"
        case $n in
        1) echo "$rule -m comment --comment \"hour $h\" -j portknock_into_phase1" ;;
{{- if .Guard}}
        5)
            # Against replay. Lists named after the hour start anew with it. Who
            # is in DONE may come again; others until USED is full, which counts
            # for the server as a whole (by destination, every address the same).
            did="-m recent --name ${pk}_DONE_$h"
            used="-m recent --name ${pk}_USED_$h --rdest --mask $everything"
            echo "$rule $before $did --update -j portknock_into_phase5"
            echo "$rule $before $used ! --rcheck --hitcount $guard $did --set $used --set -j portknock_into_phase5"
            ;;
{{- end}}
        *) echo "$rule $before -j portknock_into_phase$n" ;;
        esac
    done
{{- if .SweepGuard}}
    # A multiport match takes 15 ports. The range before it is cheaper.
    own | paste -d , - - - - - - - - - - - - - - - | sed 's/,*$//' | while read -r ports; do
        echo "-A portknocking -p tcp --dport ${ports%%,*}:${ports##*,} -m multiport --dports $ports -j RETURN"
    done
    echo '-A portknocking -j portknock_wrong'
{{- end}}
}
{{- if .SweepGuard}}

# sweep_guard: what a SYN to a wrong port of the range meets. Counting is by
# source, of IPv6 by /64, in a table that 1000 wrong SYNs/s cannot fill. What is
# beyond that is a flood from many sources: then a wrong port ends the handshake
# at once, which does not touch anybody who knocks at no wrong port. A list of
# ignored addresses may overflow: who is still over the limit comes back to it.
sweep_guard() {
    echo ':portknock_wrong - [0:0]'
    echo ':portknock_count - [0:0]'
    echo ':portknock_ban - [0:0]'
    echo '-A portknock_wrong -m limit --limit 1000/second --limit-burst 5000 -g portknock_count'
    echo "-A portknock_count -m hashlimit --hashlimit-above $sweep/minute --hashlimit-burst $sweep --hashlimit-mode srcip --hashlimit-srcmask $net --hashlimit-name ${pk}_WRONG --hashlimit-htable-max 131072 --hashlimit-htable-expire 60000 -j portknock_ban"
    echo "-A portknock_ban -m recent --name ${pk}_IGNORED --mask $mask --set"
    for chain in wrong ban; do
        for n in 1 2 3 4 5; do
            echo "-A portknock_$chain -m recent --name ${pk}_PHASE$n --remove"
        done
    done
}
{{- end}}

# gate: everything else. A line with ":" makes a chain, or empties it.
gate() {
    echo ':portknocking - [0:0]'
    for n in 1 2 3 4 5; do
        echo ":portknock_into_phase$n - [0:0]"
        if [ $n -gt 1 ]; then
            echo "-A portknock_into_phase$n -m recent --name ${pk}_PHASE$((n - 1)) --remove"
        fi
        echo "-A portknock_into_phase$n -m recent --name ${pk}_PHASE$n --set"
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

    # What INPUT goes through. Sessions that exist are never touched. The
    # machine itself (lo) needs no knock. Only SYNs are knocks: where nothing was
    # tracked until now, packets of old sessions count as NEW too.
    echo ':portknock_input - [0:0]'
    echo ':portknock_syn - [0:0]'
    echo ':portknock_shut - [0:0]'
    echo "-A portknock_input -p tcp --dport $ssh -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    echo '-A portknock_input -i lo -j RETURN'
    echo '-A portknock_input -p tcp --syn -m conntrack --ctstate NEW -j portknock_syn'
{{- if .SweepGuard}}
    echo "-A portknock_syn -m recent --name ${pk}_IGNORED --mask $mask --rcheck --seconds $ban -g portknock_shut"
{{- end}}
    echo "-A portknock_syn -p tcp --dport $bottom:$top -j portknocking"
    echo "-A portknock_syn -p tcp --dport $ssh -m recent --name ${pk}_PHASE5 --rcheck --seconds $window -j portknock_accept"
    echo "-A portknock_syn -g portknock_shut"
{{- if not .NoDrop}}
    echo "-A portknock_shut -p tcp --dport $ssh -j DROP"
{{- end}}
{{- if .SweepGuard}}
    sweep_guard
{{- end}}
}
{{- if .Forward}}

# Ports that lead elsewhere after the handshake; without it they are this
# machine's own. It must forward packets: sysctl net.ipv4.ip_forward=1,
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

# jumps TABLE: lines that delete the rules outside our chains that lead into
# them. The article's rule with a list goes by its number, the last one first:
# what iptables-save prints of it need not be what deletes it (the mask).
jumps() {
    "$t-save" -t "$1" | awk '
        $1 == "-A" { n[$2]++ }
        !/^-A (INPUT|FORWARD|PREROUTING) .*-j portknock/ { next }
        / -m recent / { numbered = "-D " $2 " " n[$2] "\n" numbered; next }
        { sub(/^-A/, "-D"); plain = plain $0 "\n" }
        END { printf "%s%s", numbered, plain }'
}

# chains TABLE: lines that delete our chains.
chains() {
    "$t-save" -t "$1" | awk '/^:portknock/ {c = substr($1, 2); print "-F " c; all = all "-X " c "\n"} END {printf "%s", all}'
}

# place CHAIN: where to insert into it: at the top, but behind fail2ban's jumps
# that stand there. Whom fail2ban has banned shall not get in by knocking.
place() {
    "$t-save" -t filter | awk -v chain="$1" '
        $1 == "-A" && $2 == chain && !/-j portknock/ { if (/ -j f2b-/ && n == seen) n++; seen++ }
        END { print n + 1 }'
}

# load TEXT: each table in one step, so that no packet meets half of the rules.
load() {
    printf '%s\n' "$1" | "$t-restore" --noflush -w 10
}

setup() {
    prepare
    for family in $(families); do
        use "$family"
        text=$(
            echo '*filter'
            jumps filter
            gate
            knocking
            echo "-I INPUT $(place INPUT) -j portknock_input"
{{- if .Forward}}
            echo ':portknock_forward - [0:0]'
            forwards forward
            echo "-I FORWARD $(place FORWARD) -j portknock_forward"
{{- end}}
            echo COMMIT
{{- if .Forward}}
            echo '*nat'
            jumps nat
            echo ':portknock_dnat - [0:0]'
            forwards dnat
            echo '-I PREROUTING 1 -j portknock_dnat'
            echo COMMIT
{{- end}}
        )
        load "$text"
    done
}

# Only the chain of the hour is replaced. The lists stay, and with them whoever
# is in the middle of a handshake or about to connect.
refresh() {
    prepare
    for family in $(families); do
        use "$family"
        "$t" -w -n -L portknock_input >/dev/null 2>&1 || die 'not set up; run setup'
        text=$(echo '*filter' && echo ':portknocking - [0:0]' && knocking && echo COMMIT)
        load "$text"
    done
}

clean() { # TABLE
    text=$(echo "*$1" && jumps "$1" && chains "$1" && echo COMMIT)
    load "$text"
}

remove() {
    for family in $(families); do
        use "$family"
{{- if .Forward}}
        clean nat
{{- end}}
        clean filter
    done
}

# foreign: says so if the gate of the other format is loaded.
foreign() {
    if nft list table inet portknock >/dev/null 2>&1; then
        echo 'the gate of nft is loaded (table inet portknock)'
    fi
}

# loaded: lines "FAMILY TABLE LINE": our chains, and what leads into them with
# its place.
loaded() {
    for family in $(families); do
        use "$family"
{{- if .Forward}}
        keep nat
{{- end}}
        keep filter
    done
}
keep() { # TABLE
    "$t-save" -t "$1" | awk -v head="$family $1" '
        $1 == "-A" { n[$2]++ }
        /^:portknock/ { print head, $1, "- [0:0]" }
        /^-A portknock/ { print head, $0 }
        /^-A (INPUT|FORWARD|PREROUTING) .*-j portknock/ { sub(/^-A [A-Z]+/, "-I " $2 " " n[$2]); print head, $0 }'
}

# restore LINES: what loaded has printed stands there again, each table in one
# step. Where that fails the gate goes: nobody is to be shut out by it.
restore() {
    for family in $(families); do
        use "$family"
{{- if .Forward}}
        again nat "$1"
{{- end}}
        again filter "$1"
    done
}
again() { # TABLE LINES
    text=$(
        echo "*$1"
        jumps "$1"
        {
            "$t-save" -t "$1"
            echo before
            echo "$2" | sed -n "s/^$family $1 //p"
        } | awk '
            $1 == "before" { old = 1; next }
            !old && /^:portknock/ { now[substr($1, 2)] = 1 }
            !old && $1 == "-A" && !/-j portknock/ { n[$2]++ }
            !old { next }
            /^:/ { delete now[substr($1, 2)] }
            $1 == "-I" && $3 > ++n[$2] { $3 = n[$2] } # fewer rules than before
            { print }
            END {
                for (c in now) print "-F " c
                for (c in now) print "-X " c
            }'
        echo COMMIT
    )
    load "$text" || clean "$1"
}

status() {
    read_clock
    bad=0
    for family in $(families); do
        use "$family"
        rules=$("$t-save" -t filter) || die 'cannot read the rules'
        case $rules in
        *'-A INPUT -j portknock_input'*) echo "IPv$family: gate loaded" ;;
        *)
            echo "IPv$family: no gate; run setup"
            bad=1
            continue
            ;;
        esac
        loaded=$(echo "$rules" | sed -n 's/.*--comment "hour \([0-9-]*\)".*/\1/p' | tr '\n' ' ')
        echo "  rules of hour: $loaded(now $hour)"
        if [ "$loaded" != "$hour ${last:+$last }" ]; then
            echo '  stale: run refresh, and see why nothing did'
            bad=1
        fi
        for list in /proc/net/xt_recent/"${pk}"_*; do
            [ ! -r "$list" ] || echo "  ${list##*/}: $(wc -l <"$list" | tr -d ' ') addresses"
        done
    done
    limit=$(cat /sys/module/xt_recent/parameters/ip_list_tot 2>/dev/null || echo 100)
    echo "a list holds $limit addresses; more by: options xt_recent ip_list_tot={{.ListTotal}} in /etc/modprobe.d/xt_recent.conf"
    return $bad
}
