package toyprovider_test

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"issuance/providers"
)

// The guide names every field of a codec, every kind of outcome and every file that it sends a reader to.
func TestTheGuideIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(raw)
	codec := reflect.TypeFor[providers.Codec]()
	rows := regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(guide, -1)
	listed := map[string]bool{}
	for _, row := range rows {
		listed[row[1]] = true
	}
	for i := range codec.NumField() {
		if name := codec.Field(i).Name; !listed[name] {
			t.Errorf("the guide does not explain the codec's %s", name)
		} else {
			delete(listed, name)
		}
	}
	for _, kind := range providers.Kinds() {
		if !strings.Contains(guide, "| `"+string(kind)+"` |") {
			t.Errorf("the guide does not explain the kind %s", kind)
		}
		delete(listed, string(kind))
	}
	for name := range listed {
		t.Errorf("the guide explains %s, which does not exist", name)
	}
	if !strings.Contains(guide, "at most "+strconv.Itoa(providers.MaxStub)+" bytes") {
		t.Error("the guide gives another limit for stubs")
	}
	paths := regexp.MustCompile("`((?:providers|internal|cmd|tasks|docs)/[a-z/.-]+|[A-Z]+\\.md)`").FindAllStringSubmatch(guide, -1)
	for _, path := range paths {
		if _, err := os.Stat("../../" + path[1]); err != nil {
			t.Errorf("the guide names %s: %v", path[1], err)
		}
	}
	if len(paths) < 6 {
		t.Errorf("only %d paths are checked", len(paths))
	}
}

// The powers that the guide names are interfaces of package providers.
func TestTheGuideNamesRealPowers(t *testing.T) {
	raw, err := os.ReadFile("../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, power := range map[string]reflect.Type{
		"TicketRefunder": reflect.TypeFor[providers.TicketRefunder](), "CountRefunder": reflect.TypeFor[providers.CountRefunder](),
		"Identifier": reflect.TypeFor[providers.Identifier](), "ClockTeller": reflect.TypeFor[providers.ClockTeller](),
		"AtOnceIssuer": reflect.TypeFor[providers.AtOnceIssuer](), "BanReporter": reflect.TypeFor[providers.BanReporter](),
		"HealthReporter": reflect.TypeFor[providers.HealthReporter](),
	} {
		if power.Name() != name || !strings.Contains(string(raw), "`"+name+"`") {
			t.Errorf("the guide does not name %s", name)
		}
	}
	traits := reflect.TypeFor[providers.Traits]()
	for i := range traits.NumField() {
		if name := traits.Field(i).Name; !strings.Contains(string(raw), name) {
			t.Errorf("the guide does not ask for %s", name)
		}
	}
}
