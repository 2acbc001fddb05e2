package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"issuance/internal/announce"
	"issuance/internal/cli"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/testredis"
)

// TestADoctorComparesSealKeysBesideAMistakeElsewhere: a mistake in the accounts file says nothing about the keys, which are set;
// and keys that cannot be read are not called missing.
func TestADoctorComparesSealKeysBesideAMistakeElsewhere(t *testing.T) {
	s := testredis.Start(t)
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	ring, err := seal.ParseRing(sealKey)
	must(t, err)
	must(t, announce.SealKeys(t.Context(), s.Client(), ring.IDs()))
	dir := t.TempDir()
	accounts, keys := filepath.Join(dir, "accounts.yaml"), filepath.Join(dir, "seal")
	must(t, os.WriteFile(accounts, []byte("accounts:\n- {provider: ecticket, account: \"M1, hash_key: x}\n"), 0o600))
	must(t, os.WriteFile(keys, []byte(sealKey+"\n"), 0o600))
	env := map[string]string{"REDIS_URL": s.URL(), "ISSUANCE_SEAL_KEYS_FILE": keys, "ISSUANCE_ACCOUNTS_FILE": accounts}
	for want, file := range map[string]string{
		"workers hold the first key of this environment":  keys,
		"ISSUANCE_SEAL_KEYS cannot be read here":          filepath.Join(dir, "none"),
		"ISSUANCE_SEAL_KEYS is not set here":              "",
		"none was called from here, because settings of ": keys,
	} {
		env["ISSUANCE_SEAL_KEYS_FILE"] = file
		var out, errs bytes.Buffer
		if exit := cli.Run(t.Context(), []string{"doctor"}, env, cli.Streams{Out: &out, Err: &errs}); exit != cli.CouldNot || !strings.Contains(out.String(), want) {
			t.Errorf("exit code %d, want %q in\n%s%s", exit, want, out.String(), errs.String())
		}
	}
}
