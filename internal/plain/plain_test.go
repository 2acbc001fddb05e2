package plain

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The names of packages are left out wherever a text was wrapped; what reads like one is kept.
func TestPackagesAreNotNamed(t *testing.T) {
	for text, want := range map[string]string{
		"tasks: status: ledger: load: dial tcp: refused":  "status: load: dial tcp: refused",
		"tasks: ledger: seal: no key":                     "no key",
		"ecticket: which account? there are: pass2u:main": "ecticket: which account? there are: pass2u:main",
		"it is refused (budget: no such account)":         "it is refused (no such account)",
		"it is in the ledger: yes":                        "it is in the ledger: yes",
		"first\nqueue: second":                            "first\nsecond",
		"":                                                "",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// Every internal package whose errors begin with its name is known here.
func TestEveryPackageIsKnown(t *testing.T) {
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	begins := regexp.MustCompile(`(?:Errorf|errors\.New)\("([a-z]+): `)
	for _, f := range folders {
		files, err := os.ReadDir("../" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
				continue
			}
			text, err := os.ReadFile("../" + f.Name() + "/" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range begins.FindAllStringSubmatch(string(text), -1) {
				if m[1] == f.Name() && Text(m[1]+": x") != "x" && !harness[m[1]] {
					t.Errorf("%s: %q is shown as it is", file.Name(), m[1]+": ")
				}
			}
		}
	}
}

// harness are packages that only tests and the sandbox use.
var harness = map[string]bool{"bench": true, "chaos": true, "fakeprovider": true, "handlertest": true, "sandbox": true, "testredis": true}
