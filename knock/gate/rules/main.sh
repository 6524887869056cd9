
# alone: ends the script where the gate of the other format is loaded: packets
# would have to pass both, whose ports need not be the same.
alone() {
    other=$(foreign)
    [ -z "$other" ] || die "$other: remove it first, with the remove of its script"
}

# before: what setup --confirm is to bring back: what is loaded, or where an
# earlier one waits still, what was loaded before that.
before() {
    if read -r _ due 2>/dev/null <"$undo" && [ "$due" -gt "$(date +%s)" ]; then
        sed 1d "$undo"
    else
        loaded
    fi
}

# arm SECONDS BEFORE: the dead man's switch. It goes on when the session that
# started it has ended: that may be what has gone wrong.
arm() {
    id="$$ $(($(date +%s) + $1))"
    printf '%s\n%s\n' "$id" "$2" >"$undo"
    (
        trap '' HUP INT
        sleep "$1"
        if [ "$(sed 1q "$undo" 2>/dev/null)" = "$id" ]; then
            restore "$2"
            rm -f "$undo"
        fi
    ) </dev/null >/dev/null 2>&1 &
    what='all of it is removed again'
    [ -z "$2" ] || what='the gate that was there before comes back'
    echo "$what in $1 s; unless, best from a new session, you run: $0 confirm"
}

[ "$(id -u)" = 0 ] || die 'to be run as root'
case $#:${1-}:${2-} in
1:setup:)
    alone
    setup
    ;;
3:setup:--confirm)
    case $3 in
    '' | 0* | *[!0-9]*) die "--confirm takes seconds, not '$3'" ;;
    esac
    alone
    old=$(before)
    setup
    arm "$3" "$old"
    ;;
1:confirm:)
    [ -e "$undo" ] || die 'nothing waits to be confirmed: setup --confirm was not run, or its time is over'
    rm -f "$undo"
    ;;
1:refresh:) refresh ;;
1:status:)
    other=$(foreign)
    [ -z "$other" ] || echo "$other: packets must pass both gates; remove one"
    status
    [ -z "$other" ]
    ;;
1:remove:)
    remove
    rm -f "$undo"
    ;;
*) die "usage: $0 setup [--confirm SECONDS] | confirm | refresh | status | remove" ;;
esac
