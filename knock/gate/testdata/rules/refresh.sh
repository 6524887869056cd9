#!/bin/sh
# The article's server script.
iptables -N portknock_into_phase1
iptables -A portknock_into_phase1 -m recent --name PK_PHASE1 --set
iptables -N portknock_into_phase2
iptables -A portknock_into_phase2 -m recent --name PK_PHASE1 --remove
iptables -A portknock_into_phase2 -m recent --name PK_PHASE2 --set
iptables -N portknock_into_phase3
iptables -A portknock_into_phase3 -m recent --name PK_PHASE2 --remove
iptables -A portknock_into_phase3 -m recent --name PK_PHASE3 --set
iptables -N portknock_into_phase4
iptables -A portknock_into_phase4 -m recent --name PK_PHASE3 --remove
iptables -A portknock_into_phase4 -m recent --name PK_PHASE4 --set
iptables -N portknock_into_phase5
iptables -A portknock_into_phase5 -m recent --name PK_PHASE4 --remove
iptables -A portknock_into_phase5 -m recent --name PK_PHASE5 --set
iptables -N portknock_accept
iptables -A portknock_accept -m limit -j LOG --log-prefix "ACCEPTED AFTER PORTKNOCKING: "
iptables -A portknock_accept -j ACCEPT
iptables -N portknocking
refresh_portknocking () {
    calc_knock_ports f00b4r 10000 10999
    iptables -F portknocking
    iptables -A portknocking -p tcp --dport $pk_port1 -m state --state NEW -j portknock_into_phase1
    iptables -A portknocking -p tcp --dport $pk_port2 -m state --state NEW \
        -m recent --rcheck --name PK_PHASE1 --seconds 5 -j portknock_into_phase2
    iptables -A portknocking -p tcp --dport $pk_port3 -m state --state NEW -m recent --rcheck --name PK_PHASE2 --seconds 5 -j portknock_into_phase3
    iptables -A portknocking -p tcp --dport $pk_port4 -m state --state NEW -m recent --rcheck --name PK_PHASE3 --seconds 5 -j portknock_into_phase4
    iptables -A portknocking -p tcp --dport $pk_port5 -m state --state NEW -m recent --rcheck --name PK_PHASE4 --seconds 5 -j portknock_into_phase5
}
refresh_portknocking
iptables -A INPUT -j portknocking
iptables -A INPUT -m recent --rcheck --seconds 5 --name PK_PHASE5 -m state --state NEW -p tcp --dport ssh -j portknock_accept
