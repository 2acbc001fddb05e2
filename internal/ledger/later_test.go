package ledger

import "testing"

func TestStreamIDsComeOneAfterTheOther(t *testing.T) {
	ascending := []string{"0", "5-1", "1750000000000-0", "1750000000000-2", "1750000000000-10", "1750000000001-0"}
	for i, a := range ascending {
		for k, b := range ascending {
			if Later(a, b) != (i > k) {
				t.Errorf("%s comes after %s: %v", a, b, Later(a, b))
			}
		}
	}
	if Later("", "0") || !Later("1-0", "") {
		t.Error("what is no id does not come first")
	}
}
