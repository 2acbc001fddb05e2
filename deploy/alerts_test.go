package deploy

import (
	"os/exec"
	"testing"
)

// Every alert rule fires when it should, when it should not yet it does not, and it ends with its cause:
// testdata/alerts_test.yaml says when.
func TestAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus has it)")
	}
	for _, args := range [][]string{{"check", "rules", "../alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "testdata"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
