# The article's calc_knock_ports, unchanged. gate.sh and portknock.sh read it.

# Its date is shifted from outside, so that the function can stay as printed:
# AT holds what date -d takes (@EPOCH). TZ=UTC in front of a shell function need
# not reach the command inside it, hence the export.
date () {
    export TZ
    command date ${AT:+-d "$AT"} "$@"
}

calc_knock_ports () {
    secret=$1
    bottomport=$2
    topport=$3

    nbports=$(( $topport - $bottomport + 1 ))

    hash=$(TZ=UTC date +%Y-%m-%d-%H-$secret | md5sum | awk '{print $1}' | tr a-z A-Z)
    num=$(echo 16i $hash f | dc)

    pk_port1=$(echo $num $nbports 0 ^ / $nbports % $bottomport + f | dc)
    pk_port2=$(echo $num $nbports 1 ^ / $nbports % $bottomport + f | dc)
    pk_port3=$(echo $num $nbports 2 ^ / $nbports % $bottomport + f | dc)
    pk_port4=$(echo $num $nbports 3 ^ / $nbports % $bottomport + f | dc)
    pk_port5=$(echo $num $nbports 4 ^ / $nbports % $bottomport + f | dc)
}
