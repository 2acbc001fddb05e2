package plain

import "testing"

func TestANumberForPeopleHasNoExponent(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 4: "4", 0.25: "0.25", 1.0 / 3: "0.333", 3.777: "3.78", 12.34: "12.3", 999.6: "1000", 1000: "1000",
		1234.4: "1234", 1e6: "1000000", 0.00012345: "0.000123", -2.5: "-2.5"} {
		if got := Number(f); got != want {
			t.Errorf("%g: %s instead of %s", f, got, want)
		}
	}
}
