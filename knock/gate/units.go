package gate

import (
	"fmt"
	"strings"
	"time"
)

// InstallPath is where Systemd and Cron expect the script on the server.
const InstallPath = "/usr/local/sbin/rapport-gate"

// Systemd returns the units that run the script: setup at boot, refresh at the
// turn of the hour, when the grace is over, and when the clock was set. Each
// unit stands below a line that names its file.
func (r Rules) Systemd() string {
	calendar := "OnCalendar=*-*-* *:00:00 UTC\n"
	if r.Grace > 0 {
		calendar += fmt.Sprintf("OnCalendar=*-*-* *:%02d:%02d UTC\n", int(r.Grace.Minutes()), int(r.Grace.Seconds())%60)
	}
	return strings.NewReplacer("{calendar}", calendar, "{path}", InstallPath).Replace(`# The script is to be at {path}, mode 700. Write the files named
# below, then: systemctl daemon-reload
#              systemctl enable --now rapport-gate.service rapport-gate-refresh.timer

# /etc/systemd/system/rapport-gate.service
[Unit]
Description=port-knocking gate
Wants=network-pre.target
Before=network-pre.target
After=nftables.service netfilter-persistent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={path} setup

[Install]
WantedBy=multi-user.target

# /etc/systemd/system/rapport-gate-refresh.service
[Unit]
Description=port-knocking gate, ports of the hour
After=rapport-gate.service

[Service]
Type=oneshot
ExecStart={path} refresh

# /etc/systemd/system/rapport-gate-refresh.timer
[Unit]
Description=port-knocking gate, every hour

[Timer]
{calendar}OnClockChange=yes
AccuracySec=100ms

[Install]
WantedBy=timers.target
`)
}

// Cron returns a file for /etc/cron.d that runs the script: setup at boot, and
// refresh at the turn of the hour and in the first minute after the grace.
func (r Rules) Cron() string {
	minutes := "0"
	if r.Grace > 0 {
		minutes = fmt.Sprintf("0,%d", int((r.Grace+time.Minute-1)/time.Minute)%60)
	}
	return strings.NewReplacer("{minutes}", minutes, "{path}", InstallPath).Replace(`# /etc/cron.d/rapport-gate; the script is to be at {path}, mode 700.
# Hours turn with UTC: where the local time is half an hour off, add 30 to the minutes.
# cron does not see the clock being set: run refresh after it.
@reboot root {path} setup
{minutes} * * * * root {path} refresh
`)
}
