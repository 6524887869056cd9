
# arm SECONDS: the dead man's switch. It goes on when the session that started
# it has ended: that may be what has gone wrong.
arm() {
    id="$$ $(date +%s)"
    echo "$id" >"$undo"
    (
        trap '' HUP INT
        sleep "$1"
        if [ "$(cat "$undo" 2>/dev/null)" = "$id" ]; then
            remove
            rm -f "$undo"
        fi
    ) </dev/null >/dev/null 2>&1 &
    echo "all of it is removed again in $1 s; unless, best from a new session, you run: $0 confirm"
}

[ "$(id -u)" = 0 ] || die 'to be run as root'
case $#:${1-}:${2-} in
1:setup:) setup ;;
3:setup:--confirm)
    case $3 in
    '' | 0* | *[!0-9]*) die "--confirm takes seconds, not '$3'" ;;
    esac
    setup
    arm "$3"
    ;;
1:confirm:)
    [ -e "$undo" ] || die 'nothing waits to be confirmed: setup --confirm was not run, or its time is over'
    rm -f "$undo"
    ;;
1:refresh:) refresh ;;
1:status:) status ;;
1:remove:)
    remove
    rm -f "$undo"
    ;;
*) die "usage: $0 setup [--confirm SECONDS] | confirm | refresh | status | remove" ;;
esac
