package dryrun

// CheckText is Check for the text of a script.
var CheckText = check
