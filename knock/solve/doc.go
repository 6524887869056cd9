// Package solve finds out what five ports were made with: which hour, which range,
// and which variant of the secret.
//
// A [Candidate] names these three. The whole program uses it to say what made a
// sequence. [Solve] takes a [Query], the ports and what the client knows, and
// returns a [Solution]: every candidate within the query's hours that makes the
// ports, the likeliest first. [Any] does so for several sequences,
// [Empty] finds ports of an empty secret, and [FindPartial] finds the hour
// that makes most of the ports where nothing makes all.
//
// A [Variant] is the secret with its newline, CR, spaces or case changed, as
// happens on the way into a server's rules; [Variant.Fix] says how to undo it.
package solve
