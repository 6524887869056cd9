#! /bin/sh
# The article's client. Its secret, its range and its clock stand in files
# beside it, where they need no quoting.

here=$(dirname "$0")
AT=${AT:-$(cat "$here/at")}
. "$here/calc.sh"

host=$1
port=$2

calc_knock_ports "$(cat "$here/secret")" $(cat "$here/range")

for i in $pk_port1 $pk_port2 $pk_port3 $pk_port4 $pk_port5 ; do
    nc -w 1 $host $i < /dev/null > /dev/null 2>&1
done

nc $host $port
