package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestKeysNeverShow(t *testing.T) {
	holder := struct{ Keys Keys }{example}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10v"} {
		for _, v := range []any{example, &example, holder, []Keys{example}, map[string]Keys{"k": example}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h)
		log.Info("keys", "keys", example, "pointer", &example, "holder", holder)
	}
	for _, v := range []any{example, &example, holder, map[string]any{"k": example}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	out.WriteString(example.String())
	for _, secret := range []string{example.HashKey, example.HashIV} {
		for _, shape := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret)} {
			if strings.Contains(out.String(), shape) {
				t.Errorf("a key shows in:\n%s", out.String())
				return
			}
		}
	}
	if !strings.Contains(out.String(), "REDACTED") {
		t.Error("nothing says that the keys were left out")
	}
}

func TestValidateNamesWhatIsWrongWithoutTellingIt(t *testing.T) {
	if err := example.Validate(); err != nil {
		t.Errorf("the documents' keys are refused: %v", err)
	}
	for _, k := range []Keys{
		{},
		{HashKey: "7b53896b742849d", HashIV: "37a0ad3c6ffa428b1"},
		{HashKey: "7b53896b742849d ", HashIV: "37a0ad3c6ffa428\n"},
		{HashKey: "密鑰密鑰密a", HashIV: "密鑰密鑰密a"},
	} {
		err := k.Validate()
		if err == nil {
			t.Errorf("keys of %d and %d bytes are accepted", len(k.HashKey), len(k.HashIV))
			continue
		}
		for _, name := range []string{"HashKey", "HashIV"} {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("error does not name %s: %v", name, err)
			}
		}
		if k.HashKey != "" && strings.Contains(err.Error(), k.HashKey) || k.HashIV != "" && strings.Contains(err.Error(), k.HashIV) {
			t.Errorf("the error holds a key: %v", err)
		}
	}
}

func TestSealPanicsOnKeysThatCannotBeUsed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Seal(Keys{}, []byte("{}"))
}
