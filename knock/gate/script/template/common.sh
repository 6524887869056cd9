#!/bin/sh
# Port-knocking gate for {{.Host}}, format {{.Format}}, printed by rapport to be read first.
#
#   setup [--confirm SECONDS]   load the rules; with --confirm, restore what was
#                               loaded before unless "confirm" is run within
#                               that time
#   confirm                     keep what setup --confirm has loaded
#   refresh                     load the ports of this hour; run it every minute
#   status                      print what is loaded; exit 1 if it is not right
#   remove                      remove everything that setup has loaded
#
# Five TCP SYNs to five ports in order, each within {{.WindowSeconds}} s of the one before, open
# port {{.SSHPort}} for their source address, for {{.WindowSeconds}} s. The ports depend on the UTC hour
# and the secret. The kernel does all of it; there is no daemon.
#
# setup stores a copy of this script in /run until remove or a reboot. While the
# copy exists, refresh restores a gate that something has flushed, and uses the
# copy even if this file is newer. Without it refresh loads nothing.
# Needs sh, date, md5sum, od, sed, awk, sort, paste, cmp, flock{{if .NFT}} and nft 0.9.3{{else}} and iptables with
# the matches recent{{if .SweepGuard}}, hashlimit, multiport{{end}} and conntrack{{end}}. Without flock: one action at a time.
set -eu
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

bottom={{.Bottom}} top={{.Top}}     # the range of the ports
window={{.WindowSeconds}}                   # seconds for each phase, and at the end for SSH
grace={{.GraceSeconds}}                   # seconds after the hour change during which the last hour's ports count too
{{- if .SweepGuard}}
sweep={{.SweepGuard}}                   # wrong ports a minute that an address may hit;
ban={{.BanSeconds}}                     # after more it is ignored for so many seconds
around={{.Around}}                  # hours before and after this one whose ports are not wrong
{{- end}}
{{- if .Guard}}
guard={{.Guard}}                    # addresses that can open the gate in an hour; later only those can again
{{- end}}
ssh={{.SSHPort}}
run=/run/rapport-gate
record=$run/{{.Format}}    # the script whose gate is loaded
undo=$record.undo   # what to restore while setup --confirm waits; undo.id exists while it waits

warn() {
    echo "rapport-gate: $*" >&2
}
die() {
    warn "$@"
    exit 1
}

# lock: one action at a time, of either format, until the script ends.
lock() {
    mkdir -p "$run"
    exec 9>"$run/lock"
    if ! command -v flock >/dev/null; then
        warn 'flock (util-linux) is missing: do not run two actions at once'
    else
        flock 9
    fi
}

# private FILE: ends the script unless only root can read and write the file.
private() {
    # shellcheck disable=SC2012 # one known name; stat is not the same everywhere
    mode=$(ls -lnL -- "$1" | awk '{print $1, $3}')
    case $mode in
    -???------' 0' | -???------.' 0') ;;
    *) die "$1 must be root's and for root alone: chown root $1; chmod 600 $1" ;;
    esac
}
{{- if .Embed}}

read_secret() {
    # The secret is here, so nobody but root may read this script.
    private "$0"
    # shellcheck disable=SC1003,SC2016 # no character is special here
    secret={{.QuotedSecret}}
}
{{- else}}

# sound: prints what is wrong with a secret file, if anything. rapport accepts one
# line of 1 to 512 bytes of UTF-8, without "%" and without invisible characters:
# white space, control and format characters, given by their numbers.
sound() {
    od -An -v -tu1 | awk -v unseen='{{.Unseen}}' '
        function refuse(why) { print why; bad = 1; exit }
        BEGIN { ranges = split(unseen, range, " ") }
        { for (i = 1; i <= NF; i++) byte[++n] = $i }
        END {
            if (bad) exit
            if (byte[n] == 10) n--
            if (n == 0) refuse("is empty")
            if (n > 512) refuse("has more than 512 bytes")
            for (i = 1; i <= n;) {
                c = byte[i++]
                more = c < 128 ? 0 : c < 194 ? 9 : c < 224 ? 1 : c < 240 ? 2 : c < 245 ? 3 : 9
                least = more == 2 ? 2048 : more == 3 ? 65536 : 0
                if (more > 0) c -= more == 1 ? 192 : more == 2 ? 224 : 240
                for (; more > 0; more--) {
                    if (byte[i] < 128 || byte[i] > 191 || more > 3) refuse("is not UTF-8")
                    c = c * 64 + byte[i++] - 128
                }
                if (c < least || c > 1114111 || c >= 55296 && c <= 57343) refuse("is not UTF-8")
                if (c == 37) refuse("holds a %, which the date command of old scripts takes for a format")
                for (r = 1; r <= ranges; r++) {
                    split(range[r], ends, "-")
                    if (c >= ends[1] && c <= ends[2]) refuse("holds white space or a character that nobody sees (number " c "); it may hold one line without any")
                }
            }
        }'
}

read_secret() {
    file={{.QuotedPath}}
    [ -f "$file" ] || die "$file is missing; it holds the secret in one line"
    private "$file"
    wrong=$(sound <"$file")
    [ -z "$wrong" ] || die "$file $wrong"
    IFS= read -r secret <"$file" || [ -n "$secret" ]
}
{{- end}}

# derive: reads hours such as 2026-11-22-08, prints each with its five ports.
# MD5 gives a number of 32 hex digits. Divided by the size of the range, its
# remainder gives a port, and its quotient is divided again for the next one. It is
# long division, digit by digit, so that no number gets big.
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

# The clock is read once, so that the hour cannot change in between.
read_clock() {
    now=$(date -u +%s)
    hour=$(date -u -d "@$now" +%Y-%m-%d-%H)
    last=''
    # The next refresh ends the grace time, not a time limit in the rules: one
    # mechanism less to trust. Without a refresh the last hour's ports stay;
    # "status" shows that.
    if [ $((now % 3600)) -lt $grace ]; then
        last=$(date -u -d "@$((now - 3600))" +%Y-%m-%d-%H)
    fi
}

# prepare: the sequences that count now.
prepare() {
    read_secret
    read_clock
    sequences=$(for h in $hour $last; do echo "$h"; done | derive) || die 'md5sum does not work'
}

# steps: lines "PHASE PORT HOUR", one for each knock that counts. Later phases
# come first: else one packet could pass two phases if a port occurs twice.
steps() {
    echo "$sequences" | awk '
        { for (n = 1; n <= 5; n++) lines[n] = lines[n] n " " $(n + 1) " " $1 "\n" }
        END { for (n = 5; n >= 1; n--) printf "%s", lines[n] }'
}
{{- if .SweepGuard}}

# own: the ports of the hours around this one, which the sweep guard does not
# count: a wrong clock, on either side, must not look like a sweep.
own() {
    n=$((now / 3600 - around)) day=''
    while [ $n -le $((now / 3600 + around)) ]; do
        if [ -z "$day" ] || [ $((n % 24)) = 0 ]; then
            day=$(date -u -d "@$((n * 3600))" +%Y-%m-%d)
        fi
        printf '%s-%02d\n' "$day" $((n % 24))
        n=$((n + 1))
    done | derive | awk '
        { for (n = 2; n <= 6; n++) print $n }
        END {
            if (NR == 0) exit 1
{{- if .SSHInRange}}
            print {{.SSHPort}} # SSH itself
{{- end}}
        }' | sort -nu
}
{{- end}}

