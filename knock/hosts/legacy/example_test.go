package legacy_test

import (
	"fmt"

	"rapport/knock/hosts/legacy"
)

func ExampleParseScript() {
	script, err := legacy.ParseScript([]byte(`
host=server.example.org
secret='f00b4r'
calc_knock_ports "$secret" 10000 10999
for port in $PORTS; do
	nc -z -w 1 "$host" "$port"
done
`))
	fmt.Println(script.Host, script.Range, err)
	// Output: server.example.org 10000-10999 <nil>
}
