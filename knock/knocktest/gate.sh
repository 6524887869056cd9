#! /bin/sh
# The article's server.
#
#   gate.sh setup      the whole firewall, made for the hour of AT
#   gate.sh refresh    the article's refresh, for the hour of AT
#   gate.sh open       lets OPEN_TCP and OPEN_UDP through, also before setup comes again
#   gate.sh ports      reads lines AT BOTTOM TOP SECRET, prints five ports for each
#
# From the environment: AT, SECRET, BOTTOM, TOP, WINDOW (seconds), SSH_PORT,
# GATED and UNGUARDED (the families, of 46, in which the gate stands, and those in
# which SSH is open to all; in what neither names it is shut), REFUSE (drop,
# tcp-reset, port-unreachable, admin-prohibited, host-unreachable), OPEN_TCP and
# OPEN_UDP (ports with commas that are open to all), CUT_OFF (true: the firewall forgets what is
# ESTABLISHED), and at will HASHED, which is hashed in place of hour and secret.

set -eu
PATH=$PATH:/usr/sbin:/sbin
here=$(dirname "$0")
. "$here/calc.sh"

# Every rule of the article goes to both families, unless told otherwise. They
# share the lists, whose entries know their family; the whole address counts, as
# no rule has a mask.
families=46
iptables () {
    case $families in *4*) command iptables -w "$@" ;; esac
    case $families in *6*) command ip6tables -w "$@" ;; esac
}

# A server that hashes something else than the article's text.
md5sum () {
    if [ "${HASHED+set}" ]; then
        printf %s "$HASHED" | command md5sum "$@"
    else
        command md5sum "$@"
    fi
}

setup_portknocking_tables () {
    iptables -N portknock_into_phase1
    iptables -A portknock_into_phase1 -m recent --name PK_PHASE1 --set
    # iptables -A portknock_into_phase1 -j LOG --log-level notice --log-prefix "INTO PK_PHASE1: "

    iptables -N portknock_into_phase2
    iptables -A portknock_into_phase2 -m recent --name PK_PHASE1 --remove
    iptables -A portknock_into_phase2 -m recent --name PK_PHASE2 --set
    # iptables -A portknock_into_phase2 -j LOG --log-level notice --log-prefix "INTO PK_PHASE2: "

    iptables -N portknock_into_phase3
    iptables -A portknock_into_phase3 -m recent --name PK_PHASE2 --remove
    iptables -A portknock_into_phase3 -m recent --name PK_PHASE3 --set
    # iptables -A portknock_into_phase3 -j LOG --log-level notice --log-prefix "INTO PK_PHASE3: "

    iptables -N portknock_into_phase4
    iptables -A portknock_into_phase4 -m recent --name PK_PHASE3 --remove
    iptables -A portknock_into_phase4 -m recent --name PK_PHASE4 --set
    # iptables -A portknock_into_phase4 -j LOG --log-level notice --log-prefix "INTO PK_PHASE4: "

    iptables -N portknock_into_phase5
    iptables -A portknock_into_phase5 -m recent --name PK_PHASE4 --remove
    iptables -A portknock_into_phase5 -m recent --name PK_PHASE5 --set
    iptables -A portknock_into_phase5 -m recent --name PK_ESTABLISHED --set
    # iptables -A portknock_into_phase5 -j LOG --log-level notice --log-prefix "INTO PK_PHASE5: "

    iptables -N portknock_accept
    iptables -A portknock_accept -m limit -j LOG --log-level notice --log-prefix "ACCEPTED AFTER PORTKNOCKING: "
    # iptables -A portknock_accept -m recent --name PK_PHASE5 --remove
    iptables -A portknock_accept -j ACCEPT

    iptables -N portknocking
}

# As printed, but for the folder ipt_recent, today xt_recent, and the word
# clear, today "/".
refresh_portknocking () {
    calc_knock_ports "$SECRET" $BOTTOM $TOP

    iptables -F portknocking
    iptables -A portknocking -p tcp --dport $pk_port1 -m state --state NEW -j portknock_into_phase1
    iptables -A portknocking -p tcp --dport $pk_port2 -m state --state NEW -m recent --rcheck --name PK_PHASE1 --seconds $WINDOW -j portknock_into_phase2
    iptables -A portknocking -p tcp --dport $pk_port3 -m state --state NEW -m recent --rcheck --name PK_PHASE2 --seconds $WINDOW -j portknock_into_phase3
    iptables -A portknocking -p tcp --dport $pk_port4 -m state --state NEW -m recent --rcheck --name PK_PHASE3 --seconds $WINDOW -j portknock_into_phase4
    iptables -A portknocking -p tcp --dport $pk_port5 -m state --state NEW -m recent --rcheck --name PK_PHASE4 --seconds $WINDOW -j portknock_into_phase5

    # echo / > $recent/PK_DONE
    echo / > $recent/PK_PHASE1
    echo / > $recent/PK_PHASE2
    echo / > $recent/PK_PHASE3
    echo / > $recent/PK_PHASE4
    echo / > $recent/PK_PHASE5
}

# What the article leaves to "the rest of the firewall script".
setup_rest_before () {
    iptables -P INPUT DROP
    iptables -A INPUT -i lo -j ACCEPT
    test $CUT_OFF = true || iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
    for type in neighbour-solicitation neighbour-advertisement ; do
        command ip6tables -w -A INPUT -p icmpv6 --icmpv6-type $type -j ACCEPT
    done
    open_ports
}

open_ports () {
    test -z "$OPEN_TCP" || iptables -I INPUT -p tcp -m multiport --dports $OPEN_TCP -j ACCEPT
    test -z "$OPEN_UDP" || iptables -I INPUT -p udp -m multiport --dports $OPEN_UDP -j ACCEPT
}

reject () {
    command iptables -w -A INPUT -p tcp -j REJECT --reject-with $1
    command ip6tables -w -A INPUT -p tcp -j REJECT --reject-with $2
}

setup_rest_after () {
    case $REFUSE in
    drop) ;;
    tcp-reset) reject tcp-reset tcp-reset ;;
    port-unreachable) reject icmp-port-unreachable icmp6-port-unreachable ;;
    admin-prohibited) reject icmp-admin-prohibited icmp6-adm-prohibited ;;
    host-unreachable) reject icmp-host-unreachable icmp6-addr-unreachable ;;
    *)
        echo "gate.sh: unknown refusal $REFUSE" >&2
        exit 2 ;;
    esac
}

# In a user namespace the lists belong to a root who is not ours, and cannot be
# written. There the rules are all taken away, which empties the lists too.
find_recent () {
    recent=/proc/net/xt_recent
    test -w $recent/PK_PHASE1 || recent=$here/recent
}

setup () {
    iptables -F
    iptables -X
    setup_rest_before
    families=$GATED
    if [ "$families" ]; then
        setup_portknocking_tables
        find_recent
        refresh_portknocking
        iptables -A INPUT -j portknocking
        iptables -A INPUT -m recent --rcheck --seconds $WINDOW --name PK_PHASE5 -m state --state NEW -p tcp --dport $SSH_PORT -j portknock_accept
    fi
    families=$UNGUARDED
    iptables -A INPUT -m state --state NEW -p tcp --dport $SSH_PORT -j ACCEPT
    families=46
    setup_rest_after
}

mkdir -p "$here/recent"
case $1 in
setup)
    # 77: this kernel cannot do it, which is no fault of the rules
    command iptables -w -A INPUT -m recent --rcheck --name PK_TRY || exit 77
    setup ;;
refresh)
    find_recent
    if [ $recent = /proc/net/xt_recent ]; then
        families=$GATED
        refresh_portknocking
    else
        setup
    fi ;;
open)
    open_ports ;;
ports)
    while read -r AT BOTTOM TOP SECRET ; do
        calc_knock_ports "$SECRET" $BOTTOM $TOP
        echo $pk_port1 $pk_port2 $pk_port3 $pk_port4 $pk_port5
    done ;;
*)
    echo "gate.sh: unknown action $1" >&2
    exit 2 ;;
esac
