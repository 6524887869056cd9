#!/bin/sh
# Port-knocking gate for {{.Host}}, format {{.Format}}, printed by rapport to be read first.
#
#   setup [--confirm SECONDS]   load the rules; with --confirm what was loaded
#                               before, or nothing, comes back unless "confirm"
#                               is run within that time
#   confirm                     keep what setup --confirm loaded
#   refresh                     ports of the present hour; to be run at each turn of
#                               the UTC hour{{if .GraceSeconds}} and {{.GraceSeconds}} s after it{{end}}
#   status                      what is loaded; exit 1 if that is not what should be
#   remove                      take everything away that setup has brought
#
# Five TCP SYNs to five ports in order, each within {{.WindowSeconds}} s of the one before, open
# port {{.SSHPort}} to the address they came from, for {{.WindowSeconds}} s. The ports change with the
# UTC hour and come from the secret. All of it happens in the kernel: no daemon.
# Before a script with other options takes over, run the remove of the old one.
# Needs sh, date, md5sum, sed, awk{{if eq .Format "nft"}} and nft{{else}} and iptables with the recent match{{end}}.
set -eu
umask 077
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

bottom={{.Bottom}} top={{.Top}}     # the ports that a sequence is drawn from
window={{.WindowSeconds}}                   # seconds for each phase, and at the end for SSH
grace={{.GraceSeconds}}                   # seconds after the hour change in which the last hour's ports count too
{{- if .SweepGuard}}
sweep={{.SweepGuard}}                   # wrong ports a minute that an address may knock at,
ban={{.BanSeconds}}                     # else it is ignored for so many seconds
{{- end}}
around={{.Around}}                  # hours before and after this one whose ports {{if .SweepGuard}}are no wrong ports{{else}}are derived{{end}}
{{- if .Guard}}
guard={{.Guard}}                    # so many addresses can open in an hour, then only those again
{{- end}}
ssh={{.SSHPort}}
undo=/run/rapport-gate.undo # what comes back, while setup --confirm waits

die() {
    echo "rapport-gate: $*" >&2
    exit 1
}

# private FILE: ends the script unless root alone can read and write it.
private() {
    # shellcheck disable=SC2012 # one known name; stat is not the same everywhere
    mode=$(ls -lnL -- "$1" | awk '{print $1, $3}')
    case $mode in
    -???------' 0' | -???------.' 0') ;;
    *) die "$1 must be root's and for root alone: chown root $1; chmod 600 $1" ;;
    esac
}

read_secret() {
{{- if .Embed}}
    # It stands here, so this script is to be kept as the secret is.
    private "$0"
    # shellcheck disable=SC1003,SC2016 # every character means itself
    secret={{.QuotedSecret}}
{{- else}}
    file={{.QuotedPath}}
    [ -f "$file" ] || die "$file is missing; it holds the secret in one line"
    private "$file"
    IFS= read -r secret <"$file" || [ -n "$secret" ] || die "$file is empty"
{{- end}}
}

# hours: the hours from "around" before this one to "around" after it.
hours() {
    n=$((now / 3600 - around)) day=''
    while [ $n -le $((now / 3600 + around)) ]; do
        if [ -z "$day" ] || [ $((n % 24)) = 0 ]; then
            day=$(date -u -d "@$((n * 3600))" +%Y-%m-%d)
        fi
        printf '%s-%02d\n' "$day" $((n % 24))
        n=$((n + 1))
    done
}

# derive: reads hours such as 2026-11-22-08, prints each with its five ports.
# MD5 gives a number of 32 hex digits. The remainder of its division by the size
# of the range is a port, the quotient is divided again for the next one. It is
# the long division of school, digit by digit, so that no number gets big.
derive() {
    while read -r h; do
        echo "$h $(printf '%s-%s\n' "$h" "$secret" | md5sum)"
    done | awk -v bottom=$bottom -v size=$((top - bottom + 1)) '
        length($2) != 32 { exit 1 }
        {
            line = $1
            for (i = 1; i <= 32; i++) digit[i] = index("0123456789abcdef", substr($2, i, 1)) - 1
            for (n = 1; n <= 5; n++) {
                rest = 0
                for (i = 1; i <= 32; i++) {
                    rest = rest * 16 + digit[i]
                    digit[i] = int(rest / size)
                    rest %= size
                }
                line = line " " (rest + bottom)
            }
            print line
        }'
}

# The clock is asked once, so that the hour change cannot come in between.
read_clock() {
    now=$(date -u +%s)
    hour=$(date -u -d "@$now" +%Y-%m-%d-%H)
    last=''
    # That the last hour counts no more is done by the next refresh, not by a
    # time limit in the rules: one mechanism less to trust. Should that refresh
    # not come, the last hour's ports stay until one does; "status" tells.
    if [ $((now % 3600)) -lt $grace ]; then
        last=$(date -u -d "@$((now - 3600))" +%Y-%m-%d-%H)
    fi
}

# prepare: the sequences of the hours around this one.
prepare() {
    read_secret
    read_clock
    sequences=$(hours | derive) || die 'md5sum does not work'
}

# steps: lines "PHASE PORT HOUR", one for each knock that counts. Later phases
# come first: else one packet could go two phases where a port occurs twice.
steps() {
    for n in 5 4 3 2 1; do
        for h in $hour $last; do
            echo "$sequences" | awk -v n=$n -v h="$h" '$1 == h { print n, $(n + 1), h }'
        done
    done
}
{{- if .SweepGuard}}

# own: the ports of the hours around, which the sweep guard does not count: a
# clock that is wrong, here or there, must not look like a sweep.
own() {
    {
        echo "$sequences" | awk '{ for (n = 2; n <= 6; n++) print $n }'
{{- if .Range.Contains .SSHPort}}
        echo $ssh
{{- end}}
    } | sort -nu
}
{{- end}}
