
# alone: ends the script if the gate of the other format is loaded: packets would
# have to pass both, and their ports may differ.
alone() {
    other=$(foreign)
    [ -z "$other" ] || die "$other: remove it first, with the remove of its script"
}

# load_gate: stores the copy and runs setup. If the copy cannot be written, nothing
# is loaded.
load_gate() {
    cmp -s -- "$0" "$record" || { cp -- "$0" "$record.new" && mv "$record.new" "$record"; }
    setup
}

# check: whether the right rules are loaded; after prepare.
check() {
    whole && [ "$(steps | cut -d ' ' -f 1,2 | sort -u)" = "$(loaded_steps)" ]
}

# keep_current: the action refresh. It replaces only the chain of the hour, so that
# handshakes continue.
keep_current() {
    prepare
    if whole; then
        check || refresh
    elif [ -e "$record" ] || present; then
        warn 'the gate is not loaded as setup left it; it is set up again'
        alone
        load_gate
    else
        die 'not set up; run setup'
    fi
    echo "$now" >"$record.refreshed"
}

# idle: prints a line if nothing has run refresh in the last minutes; after read_clock.
idle() {
    read -r ran 2>/dev/null <"$record.refreshed" || ran=''
    if [ -z "$ran" ]; then
        ran='yet'
    elif [ $((now - ran)) -gt 150 ]; then
        ran="for $(((now - ran) / 60)) min"
    else
        return 0
    fi
    echo "nothing has run refresh $ran; it is to run every minute, by what rapport rules --cron or --systemd prints"
}

# callers: names what still runs refresh. A unit that is being stopped is not named: it
# may start again, as when a firewall restarts.
callers() {
    if [ -e /etc/cron.d/rapport-gate ]; then
        echo 'cron still runs refresh: rm /etc/cron.d/rapport-gate'
    fi
    if [ -e /etc/systemd/system/rapport-gate-refresh.timer ] && [ "${SYSTEMD_EXEC_PID-}" != $$ ]; then
        echo 'systemd still runs refresh: systemctl disable --now rapport-gate-refresh.timer rapport-gate.service'
    fi
}

# overdue: whether a setup --confirm should have been undone by now. The process
# that waits for that may have been killed.
overdue() {
    read -r id _ 2>/dev/null <"$undo.id" && [ "$(date +%s)" -gt "${id##*-}" ]
}

# arm SECONDS: starts the timer that undoes setup, before any rule changes. It
# survives the session that started it: losing that may be what went wrong.
arm() {
    id=$$-$((now + $1)) what=''
    if read -r _ what 2>/dev/null <"$undo.id"; then
        : # an earlier one still waits: restore what was there before that
    elif [ -e "$record" ]; then
        what=script
        cp "$record" "$undo"
    else
        old=$(loaded)
        [ -z "$old" ] || what=rules
        printf '%s\n' "$old" >"$undo"
    fi
    (
        trap '' HUP INT QUIT TERM
        sleep "$1"
        lock
        if read -r waiting _ <"$undo.id" && [ "$waiting" = "$id" ]; then bring_back; fi
    ) </dev/null >/dev/null 2>&1 9>&- &
    echo "$id $what" >"$undo.id.new"
    mv "$undo.id.new" "$undo.id"
}

# bring_back: restores what was there before setup --confirm. A gate whose script
# is known gets the ports of this hour. If that fails the gate is removed, so that
# nobody is locked out.
bring_back() {
    read -r _ what <"$undo.id" || :
    case $what in
    script)
        [ ! -e "$undo" ] || mv "$undo" "$record"
        exec 9>&- # that setup takes the lock itself
        undoing=1 sh "$record" setup || unload
        ;;
    rules)
        rm -f "$record"
        restore "$(cat "$undo")"
        ;;
    *)
        rm -f "$record"
        unload
        ;;
    esac
    rm -f "$undo.id" "$undo"
}

setup_to_confirm() { # SECONDS
    prepare
    arm "$1"
    trap 'trap - EXIT; warn "setup failed; what was there before comes back"; bring_back; exit 1' EXIT
    trap 'exit 1' HUP INT TERM
    load_gate
    trap - EXIT
    case $what in
    '') what='all of it is removed again' ;;
    *) what='the gate that was there before comes back' ;;
    esac
    echo "$what in $1 s; unless, best from a new session, you run: $0 confirm"
}

report() {
    bad=0
    other=$(foreign)
    if [ -n "$other" ]; then
        warn "$other: packets must pass both gates; remove one"
        bad=1
    fi
    present || die 'no gate; run setup'
    prepare
    status
    hours=$(loaded_hours)
    echo "rules of hour: $hours (now $hour)"
    if ! whole; then
        echo 'damaged: rules of the gate are missing; run refresh'
        bad=1
    elif ! check; then
        echo 'stale: these are not the ports of the hour and the secret; run refresh'
        bad=1
    fi
    idle
    secret=''
    sequences=$(for h in $hours; do echo "$h"; done | derive)
    if [ -n "$hours" ] && check; then
        warn 'ALARM: the ports are made with an empty secret: anybody can compute them. Run setup with a secret'
        bad=1
    fi
    [ ! -e "$record" ] || cmp -s -- "$0" "$record" || echo "loaded by another script than this one: see $record"
    [ ! -e "$undo.id" ] || echo 'waits to be confirmed'
    beside
    return $bad
}

[ "$(id -u)" = 0 ] || die 'to be run as root'
[ -f "$0" ] || die 'to be run from a file'
case $#:${1-}:${2-} in
1:setup:)
    lock
    [ -n "${undoing-}" ] || [ ! -e "$undo.id" ] || die 'a setup waits to be confirmed: run confirm first, or wait until it is undone'
    alone
    prepare
    load_gate
    beside
    ;;
3:setup:--confirm)
    case $3 in
    '' | 0* | *[!0-9]*) die "--confirm takes seconds, not '$3'" ;;
    esac
    lock
    alone
    setup_to_confirm "$3"
    beside
    ;;
1:confirm:)
    lock
    [ -e "$undo.id" ] || die 'nothing waits to be confirmed: setup --confirm was not run, or its time is over'
    if overdue; then
        bring_back
        die 'too late: what was there before setup --confirm is back'
    fi
    rm -f "$undo.id" "$undo"
    read_clock
    idle
    ;;
1:refresh:)
    # The loaded gate may be that of another script.
    if [ -e "$record" ] && ! cmp -s -- "$0" "$record"; then
        exec sh "$record" refresh
    fi
    lock
    if overdue; then
        bring_back
    else
        keep_current
    fi
    ;;
1:status:) report ;;
1:remove:)
    lock
    rm -f "$record" # first: without it no refresh restores the gate
    unload
    rm -f "$undo.id" "$undo" "$record.refreshed"
    callers
    ;;
*) die "usage: $0 setup [--confirm SECONDS] | confirm | refresh | status | remove" ;;
esac
