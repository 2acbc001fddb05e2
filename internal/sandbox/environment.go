package sandbox

import (
	"fmt"
	"maps"
	"slices"

	"issuance/internal/seal"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// toys are the settings that decide whose account is used, who may call, and who is called. In a sandbox they are always
// its own, whatever the environment says.
var toys = []string{
	"ECTICKET_BASE_URL", "ECTICKET_MERCHANT_ID", "ECTICKET_PLATFORM_ID", "ECTICKET_MODE",
	"ECTICKET_PATHS", "ECTICKET_CODES", "ECTICKET_REFUND_FIELDS",
	"ECTICKET_HASH_KEY", "ECTICKET_HASH_KEY_FILE", "ECTICKET_HASH_IV", "ECTICKET_HASH_IV_FILE",
	"PASS2U_BASE_URL", "PASS2U_API_KEY", "PASS2U_API_KEY_FILE", "PASS2U_PROXY_URL", "PASS2U_PROXY_URL_FILE",
	"PASS2U_QUERY_PATH", "PASS2U_REFUND_QUANTITY_KEY", "ISSUANCE_SEAL_KEYS", "ISSUANCE_SEAL_KEYS_FILE",
	"ISSUANCE_ACCOUNTS_FILE",
	"GATEWAY_TOKENS_FILE", "GATEWAY_TLS_CERT_FILE", "GATEWAY_TLS_KEY_FILE", "GATEWAY_WEBHOOKS_FILE", "GATEWAY_WEBHOOKS_PROXY_URL", "GATEWAY_WEBHOOKS_PROXY_URL_FILE",
}

// hurry are settings that make a sandbox lively unless the environment sets them. A rejection by Pass2U is final after the last
// of them, which is longer than a call takes.
var hurry = map[string]string{"POLL_SENTINEL": "1s", "POLL_INTERVAL": "2s", "PASS2U_SETTLE_AFTER": "30s"}

// Environment is env with every account replaced by the simulators', which are at the default
// addresses until Start has found others. ignored lists the variables of env that were replaced.
func Environment(env map[string]string) (sandboxed map[string]string, ignored []string) {
	sandboxed = map[string]string{}
	maps.Copy(sandboxed, hurry)
	for name, value := range env {
		switch {
		case value == "":
		case slices.Contains(toys, name):
			ignored = append(ignored, name)
		default:
			sandboxed[name] = value
		}
	}
	if sandboxed["PASS2U_TIMEOUT"] != "" && env["PASS2U_SETTLE_AFTER"] == "" {
		delete(sandboxed, "PASS2U_SETTLE_AFTER")
	}
	slices.Sort(ignored)
	account := ecticketsim.DefaultAccounts()[0]
	maps.Copy(sandboxed, map[string]string{
		"ECTICKET_BASE_URL":    "http://" + DefaultECTicketAddr,
		"ECTICKET_CODES":       fmt.Sprintf("not_found=%d", ecticketsim.RtnNotFound),
		"ECTICKET_MERCHANT_ID": account.MerchantID,
		"ECTICKET_HASH_KEY":    account.HashKey,
		"ECTICKET_HASH_IV":     account.HashIV,
		"PASS2U_BASE_URL":      "http://" + DefaultPass2UAddr,
		"PASS2U_API_KEY":       pass2usim.DefaultAPIKey,
		"ISSUANCE_SEAL_KEYS":   seal.SandboxKey(),
	})
	return sandboxed, ignored
}
