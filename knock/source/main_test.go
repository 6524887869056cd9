package source_test

import (
	"testing"

	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) {
	knocktest.Parallel(4)
	knocktest.Main(m)
}
