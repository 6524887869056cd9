package script

import (
	"fmt"
	"strings"
)

// InstallPath is where [Rules.Systemd] and [Rules.Cron] expect the script.
const InstallPath = "/usr/local/sbin/rapport-gate"

// firewalls are the units whose start or reload flushes the rules of others.
const firewalls = "nftables.service netfilter-persistent.service iptables.service ip6tables.service firewalld.service ufw.service"

// Systemd returns the units that run the script: setup at boot and whenever a
// firewall that flushes rules starts; refresh when one reloads, every minute, at
// the end of the grace time, and when the clock is set. A comment above each unit
// names its file.
func (r Rules) Systemd() string {
	calendar := "OnCalendar=*-*-* *:*:00\n"
	if s := int(r.Grace.Seconds()) % 60; s > 0 {
		calendar += fmt.Sprintf("OnCalendar=*-*-* *:%02d:%02d UTC\n", int(r.Grace.Minutes()), s)
	}
	return strings.NewReplacer("{calendar}", calendar, "{path}", InstallPath, "{firewalls}", firewalls).Replace(`# The script is to be at {path}, mode 700. Write the files named
# below, then: systemctl daemon-reload
#              systemctl enable --now rapport-gate.service rapport-gate-refresh.timer

# /etc/systemd/system/rapport-gate.service
[Unit]
Description=port-knocking gate
Wants=network-pre.target
Before=network-pre.target
# A firewall that starts, restarts or reloads flushes what others have loaded.
After={firewalls}
PartOf={firewalls}
ReloadPropagatedFrom={firewalls}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={path} setup
ExecReload={path} refresh
ExecStop={path} remove

[Install]
WantedBy=multi-user.target {firewalls}

# /etc/systemd/system/rapport-gate-refresh.service
[Unit]
Description=port-knocking gate, ports of the hour
After=rapport-gate.service

[Service]
Type=oneshot
ExecStart={path} refresh
# What it says is logged, but not every minute that it ran.
SyslogLevel=notice
LogLevelMax=notice

# /etc/systemd/system/rapport-gate-refresh.timer
[Unit]
Description=port-knocking gate, every minute

[Timer]
{calendar}OnClockChange=yes
AccuracySec=100ms

[Install]
WantedBy=timers.target
`)
}

// Cron returns a file for /etc/cron.d that runs the script: setup at boot, and
// refresh every minute.
func (r Rules) Cron() string {
	return strings.NewReplacer("{path}", InstallPath).Replace(`# /etc/cron.d/rapport-gate; the script is to be at {path}, mode 700.
# refresh does nothing while the right rules are loaded. It renews the ports at the
# hour change, and brings the gate back when something has flushed it.
@reboot root {path} setup
* * * * * root {path} refresh
`)
}
