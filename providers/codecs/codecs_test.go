package codecs_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
	_ "issuance/providers/codecs"
)

func TestEveryProviderIsInTheTable(t *testing.T) {
	if got := providers.All(); !slices.Equal(got, []providers.Name{providers.ECTicket, providers.Pass2U}) {
		t.Errorf("registered: %v", got)
	}
	for _, name := range providers.All() {
		c, ok := providers.CodecOf(name)
		if !ok || c.Name != name || !name.Known() {
			t.Errorf("%s: found %t, as %q", name, ok, c.Name)
		}
	}
	if _, ok := providers.CodecOf("nobody"); ok || providers.Name("nobody").Known() || providers.Name("").Known() {
		t.Error("a provider that nobody registered is known")
	}
}

// A column's title and a field that a request is recognised by belong to one provider, or a file could
// be another's.
func TestProvidersShareNoTitle(t *testing.T) {
	owner := map[string]providers.Name{}
	for _, c := range providers.Codecs() {
		titles := slices.Concat(c.Columns.Scalars, c.Columns.Items, c.Mentions)
		slices.Sort(titles)
		for _, title := range slices.Compact(titles) {
			if other, taken := owner[title]; taken {
				t.Errorf("%s belongs to %s and %s", title, other, c.Name)
			}
			owner[title] = c.Name
		}
	}
}

// A checkout that imports the table gets no HTTP client, no provider's client and no simulator with it.
func TestTheTableIsLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 30 {
		t.Fatalf("only %d dependencies are listed", len(deps))
	}
	allowed := []string{"issuance/providers", "issuance/providers/codecs", "issuance/internal/doccheck",
		"issuance/providers/ecticket/ecticketdoc", "issuance/providers/pass2u/pass2udoc"}
	for _, d := range deps {
		if strings.HasPrefix(d, "issuance/") && !slices.Contains(allowed, d) || d == "net/http" || strings.HasPrefix(d, "net/http/") {
			t.Errorf("it depends on %s", d)
		}
	}
}
