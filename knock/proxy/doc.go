// Package proxy is the end of ssh's ProxyCommand (ssh_config(5)): once a
// handshake has opened SSH, [Carry] moves bytes between ssh and the connection,
// or [PassTo] passes the connection itself to ssh (ProxyUseFdpass).
package proxy
