package source_test

import (
	"testing"

	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) { knocktest.Main(m) }
