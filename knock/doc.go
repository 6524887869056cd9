// Package knock is the client's half of Roland Mas's port-knocking scheme of
// 2008: the server's netfilter rules follow five knocks whose ports are
// computed every hour from the UTC date, the hour and a shared secret; the
// five knocks in order open SSH to the address they came from, for a few
// seconds.
//
// [Derive] computes the [Sequence] of an [Hour], a [Range] and a [Secret].
// [Client.Knock] sends the handshake and proves that SSH opened;
// [Client.Probe] only looks. The package knows no configuration and no
// terminal, and depends on the standard library alone.
package knock
