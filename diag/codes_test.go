package diag_test

import "rapport/diag"

// Codes that the matrix expects.
const (
	rateLimited    = diag.Code("rate-limited")    // it opens only with wider gaps
	banned         = diag.Code("banned")          // this address was answered at first, and is ignored now
	addressChanges = diag.Code("address-changes") // knocks and SSH leave by different addresses
	gateDiffers    = diag.Code("gate-differs")    // the server's rules show another gate
)
