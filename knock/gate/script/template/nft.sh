
# One table for IPv4 and IPv6, next to the other tables.
#
# A packet must pass every table: an "accept" is final for this table only, a
# "drop" for all. So this table closes port {{.SSHPort}}, and an address that fail2ban or
# another table drops stays out even after a handshake. The rest of the firewall
# has to accept port {{.SSHPort}}.
{{- if .NoDrop}}
#
# --no-drop: this table drops nothing. A connection after a handshake has the mark
# 0x4b4e4f43, by which the rest of the firewall, which comes later, can accept it
# and drop others:
#   tcp dport {{.SSHPort}} ct state new meta mark != 0x4b4e4f43 drop
{{- end}}
table=portknock

# An address leaves a set after the window; a set holds 65536. When SYNs from more
# addresses have filled phase1, further addresses are added to crowd by 16 bits of
# them: it cannot fill up, so nobody is locked out, and addresses that share those
# bits need only four knocks. The sets opened_ record who got in, for rapport
# watch; no rule checks them.
families='4 6'
use() { # FAMILY
    case $1 in
    4) type=ipv4_addr ip=ip bits='& 0.0.255.255'{{if .SweepGuard}} net=''{{end}} ;;
    6) type=ipv6_addr ip=ip6 bits='& 0:0:0:ffff::'{{if .SweepGuard}} net='& ffff:ffff:ffff:ffff::'{{end}} ;;
    esac
}

sets() {
    for family in $families; do
        use "$family"
        for set in phase1 phase2 phase3 phase4 phase5 opened; do
            echo "add set inet $table ${set}_$family { type $type; flags dynamic,timeout; timeout ${window}s; size 65536; }"
        done
        echo "add set inet $table crowd_$family { type $type; flags dynamic,timeout; timeout ${window}s; size 131072; }"
{{- if .SweepGuard}}
        echo "add set inet $table middle_$family { type $type; flags dynamic,timeout; timeout ${window}s; size 196608; }"
        echo "add set inet $table wrong_$family { type $type; flags dynamic,timeout; timeout 60s; size 131072; }"
        echo "add set inet $table ignored_$family { type $type; flags dynamic,timeout; timeout ${ban}s; size 65536; }"
{{- end}}
    done
{{- if .SweepGuard}}
    echo "add set inet $table own { type inet_service; }"
{{- end}}
}

# knocking: the rules of the chain that changes with the hour.
knocking() {
{{- if .SweepGuard}}
    echo "add element inet $table own { $own }"
    for family in $families; do
        use "$family"
        echo "add rule inet $table knocking meta nfproto ipv$family tcp dport != @own goto wrong_$family"
    done
    for family in $families; do
        use "$family"
        echo "add rule inet $table knocking $ip saddr $net @ignored_$family return"
    done
{{- end}}
    for family in $families; do
        use "$family"
        steps | while read -r n port h; do
            rule="add rule inet $table knocking tcp dport $port"
            addr="{ $ip saddr }"
            before="$ip saddr @phase$((n - 1))_$family"
            into="update @phase${n}_$family $addr"
{{- if .SweepGuard}}
            case $n in
            [234]) into="update @middle_$family $addr $into" ;;
            5) into="$into delete @middle_$family $addr" ;;
            esac
{{- end}}
            case $n in
            1)
                echo "$rule $into return comment \"hour $h\""
                echo "$rule update @crowd_$family { $ip saddr $bits }" # phase1 is full
                ;;
            2)
                echo "$rule $before $into delete @phase1_$family $addr"
                echo "$rule $ip saddr $bits @crowd_$family $into"
                ;;
{{- if .Guard}}
            # Against replay: a set named after the hour, with room for so many
            # addresses. Adding to a full set fails, which ends the rule, unless
            # the address is in it already.
            5) echo "$rule $before add @$(once "$family" "$h") $addr $into delete @phase4_$family $addr" ;;
{{- end}}
            *) echo "$rule $before $into delete @phase$((n - 1))_$family $addr" ;;
            esac
        done
    done
}
{{- if .Guard}}

# once FAMILY HOUR: the name of the set of addresses that have opened in an hour.
once() {
    echo "once${1}_$2" | tr -d -
}
guards() {
    for h in $hour $last; do
        for family in $families; do
            use "$family"
            echo "add set inet $table $(once "$family" "$h") { type $type; flags dynamic; size $guard; }"
        done
    done
}

# past: lines that delete the sets of hours that no longer count.
past() {
    keep=" $(for h in $hour $last; do for family in $families; do once "$family" "$h"; done; done | tr '\n' ' ')"
    for set in $(listed | awk '$1 == "set" && $2 ~ /^once[46]_[0-9]+$/ { print $2 }'); do
        case $keep in
        *" $set "*) ;;
        *) echo "delete set inet $table $set" ;;
        esac
    done
}
{{- end}}

# gate: everything but the chain that changes with the hour. It leaves existing
# sessions alone, and the machine itself (lo) needs no knock. Only SYNs are knocks:
# where connections were not tracked until now, packets of old sessions are new to
# ct too. A SYN that is not tracked (notrack) needs the knocks as well.
gate() {
    cat <<END
{{- range .NFTChains}}
add chain inet $table {{.}}
{{- end}}
add chain inet $table input { type filter hook input priority filter - 10; policy accept; }
END
    # A SYN to the range meets no further rule here, which keeps a sweep cheap.
    to_knocking={{if .Log}}jump{{else}}goto{{end}}
    if [ "$bottom" -le "$ssh" ] && [ "$ssh" -le "$top" ]; then to_knocking=jump; fi
    cat <<END
add rule inet $table input tcp flags & (fin|syn|rst|ack) == syn tcp dport $bottom-$top $to_knocking knocking
add rule inet $table input tcp flags & (fin|syn|rst|ack) == syn goto syn
END
{{- if .Log}}
    echo "add rule inet $table syn tcp dport != $bottom-$top tcp dport != $ssh return"
    for family in $families; do
        use "$family"
        for n in 1 2 3 4 5; do
            echo "add rule inet $table syn $ip saddr @phase${n}_$family limit rate 10/minute log prefix \"IN PK_PHASE$n: \" level notice"
        done
    done
{{- end}}
    cat <<END
add rule inet $table syn tcp dport != $ssh return
add rule inet $table syn ct state established,related accept
add rule inet $table syn iifname "lo" accept
END
{{- if .SweepGuard}}
    for family in $families; do
        use "$family"
        echo "add rule inet $table syn $ip saddr $net @ignored_$family goto shut"
    done
{{- end}}
    for family in $families; do
        use "$family"
        accept="add rule inet $table syn tcp dport $ssh $ip saddr @phase5_$family"
{{- if .Log}}
        echo "$accept limit rate 10/minute log prefix \"ACCEPTED AFTER PORTKNOCKING: \" level notice"
{{- end}}
        echo "$accept update @opened_$family { $ip saddr }{{if .OneShot}} delete @phase5_$family { $ip saddr }{{end}}{{if .NoDrop}} meta mark set 0x4b4e4f43{{end}} accept"
    done
    echo "add rule inet $table syn goto shut"
{{- if .Drop}}
    echo "add rule inet $table shut tcp dport $ssh counter drop"
{{- end}}
{{- if .SweepGuard}}
    sweep_guard
{{- end}}
{{- if .Forward}}

    # Ports that are forwarded after the handshake; before it they are this
    # machine's own. The kernel must forward packets: sysctl net.ipv4.ip_forward=1,
    # net.ipv6.conf.all.forwarding=1.
    echo "add chain inet $table prerouting { type nat hook prerouting priority dstnat - 10; policy accept; }"
{{- range .Forward}}
    echo "add rule inet $table prerouting tcp dport {{.Port}} {{.IP}} saddr @phase5_{{.Family}}{{if $.OneShot}} delete @phase5_{{.Family}} { {{.IP}} saddr }{{end}} dnat {{.IP}} to {{.To}}"
{{- end}}
{{- end}}
}

{{- if .SweepGuard}}

# sweep_guard: the rules for a SYN to a wrong port of the range. They count by
# source, for IPv6 by /64, in sets that 1000 wrong SYNs/s cannot fill. More than
# that is a flood from many sources: then a wrong port ends the handshake at once,
# which affects no client without wrong ports. The sets middle_ hold who is in the
# phases 2 to 4, the only ones who lose anything in a flood, and have room for all of
# these: a SYN of anybody else asks for no phase, which keeps floods cheap.
sweep_guard() {
    for family in $families; do
        use "$family"
        forget=''
        for set in phase2 phase3 phase4 middle; do # an address without these cannot go on
            forget="$forget delete @${set}_$family { $ip saddr }"
        done
        cat <<END
add rule inet $table wrong_$family $ip saddr $net @ignored_$family return
add rule inet $table wrong_$family limit rate 1000/second burst 5000 packets goto count
add rule inet $table wrong_$family $ip saddr @middle_$family$forget
END
        for set in phase1 phase5; do
            forget="$forget delete @${set}_$family { $ip saddr }"
        done
        echo "add rule inet $table count iifname != \"lo\" meta nfproto ipv$family update @wrong_$family { $ip saddr $net limit rate over $sweep/minute burst $sweep packets } update @ignored_$family { $ip saddr $net }$forget"
    done
}
{{- end}}

# load TEXT: loads it in one step, so that no packet meets half of the rules.
load() {
    printf '%s\n' "$1" | nft -f -
}
{{- if .SweepGuard}}

# own_ports: the element list of the set own.
own_ports() {
    own=$(own) || die 'the ports of the hours around cannot be derived'
    own=$(echo "$own" | paste -sd , -)
}
{{- end}}

# The table is created anew: a set cannot change its timeout or size. Handshakes
# under way are lost; refresh keeps them.
setup() {
{{- if .SweepGuard}}
    own_ports
{{- end}}
    text=$(
        echo "add table inet $table"
        echo "delete table inet $table"
        echo "add table inet $table"
        sets
        gate
{{- if .Guard}}
        guards
{{- end}}
        knocking
    )
    load "$text"
}

# Only the chain of the hour is replaced. The sets stay, with all addresses in the
# middle of a handshake or about to connect.
refresh() {
{{- if .SweepGuard}}
    own_ports
{{- end}}
    text=$(
        echo "flush chain inet $table knocking"
{{- if .SweepGuard}}
        echo "flush set inet $table own"
{{- end}}
{{- if .Guard}}
        guards
{{- end}}
        knocking
{{- if .Guard}}
        past
{{- end}}
    )
    load "$text"
}

unload() {
    load "add table inet $table
delete table inet $table"
}

# foreign: prints a line if the gate of the other format, or the article's, is
# loaded.
foreign() {
    for t in iptables iptables-legacy iptables-nft ip6tables ip6tables-legacy ip6tables-nft; do
        if "$t-save" 2>/dev/null | grep -Eq '^:(portknocking|portknock_input) '; then
            echo "the gate of iptables is loaded (chain portknocking, see $t-save)"
            return
        fi
    done
}

# loaded: the table, without the addresses in its sets.
loaded() {
    nft list table inet $table 2>/dev/null | awk '
        $1 == "set" { own = $2 == "own" }
        /elements = [{]/ && !own { skip = 1 }
        !skip { print }
        /[}]/ { skip = 0 }'
}

# listed: the table without the elements of its sets, which is cheap when they are
# full: other lists make nft read all elements.
listed() {
    nft -t list ruleset inet 2>/dev/null | awk -v table=$table '
        $1 == "table" { ours = $3 == table }
        ours { print }'
}

# present: whether the gate, or a part of it, is loaded.
present() {
    listed | grep -q 'chain input {'
}

# whole: whether all rules are loaded, except those of the hour.
whole() {
    want=$(gate | grep -c '^add rule')
    have=$(listed | awk '
        $1 == "chain" { counts = $2 != "knocking"; next }
        $1 == "}" { counts = 0 }
        counts && $1 != "type" { n++ }
        END { print n + 0 }')
    [ "$have" = "$want" ]
}

# loaded_steps: lines "PHASE PORT" of the rules of the hour, sorted.
loaded_steps() {
    listed | sed -n 's/.*tcp dport \([0-9]*\) .*update @phase\([1-5]\)_4.*/\2 \1/p' | sort -u
}

# loaded_hours: the hours of those rules.
loaded_hours() {
    listed | sed -n 's/.*@phase1_4 .*comment "hour \([0-9-]*\)".*/\1/p' | paste -sd ' ' -
}

# restore TABLE: loads what loaded has printed, in one step. If that fails it
# removes the gate, so that nobody is locked out.
restore() {
    load "add table inet $table
delete table inet $table
$1" || unload
}

status() {
    echo 'gate loaded, IPv4 and IPv6'
    nft list table inet $table | awk '
        $1 == "set" { set = $2; n = size = 0 }
        $1 == "size" { size = $2 }
        { n += gsub(/ expires /, "") }
        $1 == "}" && set ~ /^(phase|crowd|wrong|ignored)/ {
            print "  " set ": " n " addresses of " size
            if (n * 10 >= size * 9) print "  warning: " set " is nearly full"
        }
        $1 == "}" { set = "" }'
}
