package config

import (
	"fmt"
	"strings"
	"testing"
)

// What entries have in common is written once; an entry's own keys count before those that it merges.
func TestEntriesMergeWhatTheyHaveInCommon(t *testing.T) {
	c := load(t, file(t, `x-platform: &platform
  provider: ecticket
  platform_id: "3085672"
  hash_key: Kanarie-hash-key
  hash_iv: Kanarie--hash-iv
  calls_per_second: 4
  allowance: platform-3085672
accounts:
  - {<<: *platform, account: "2000132", default: true}
  - {<<: *platform, account: "3085676"}
  - <<: *platform
    account: "3362787"
    allowance: own
    calls_per_second: 1
`), all...)
	var got []string
	for _, a := range c.Accounts {
		_, platform, _ := a.NoticeKeys()
		got = append(got, fmt.Sprint(a, " ", a.Default, " ", a.Allowance, " ", a.CallsPerSecond, " ", platform))
	}
	want := "ecticket:2000132 true platform-3085672 4 3085672; ecticket:3085676 false platform-3085672 4 3085672; ecticket:3362787 false own 1 3085672"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

// A mistake in what entries merge is reported once, at its own line.
func TestAMistakeInWhatIsMergedIsReportedOnce(t *testing.T) {
	_, err := Load(file(t, `x-platform: &platform
  provider: ecticket
  hash_key: Kanarie-hash-key
  hash_iv: Kanarie--hash-iv
  calls_per_secnd: 4
  timeout: soon
accounts:
  - {<<: *platform, account: "2000132", default: true}
  - {<<: *platform, account: "3085676"}
`), all...)
	if err == nil {
		t.Fatal("the mistakes are not found")
	}
	text := err.Error()
	for _, want := range []string{"line 5: calls_per_secnd is unknown; did you mean calls_per_second?", `line 6: timeout is "soon", which is not a duration`} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once: %s", want, text)
		}
	}
}
