package pass2udoc_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"issuance/providers/pass2u/pass2udoc"
)

// Every field of an order is in its canonical form, sorted by name, and its shape is
// sorted, too.
func TestTheCanonicalFormHoldsEveryFieldSorted(t *testing.T) {
	full := pass2udoc.Order{}
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("<券>")
		} else {
			f.SetInt(7)
		}
	}
	for _, o := range []pass2udoc.Order{full, {Quantity: 1}} {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			if value == "" {
				delete(fields, name)
			}
		}
		want, err := json.Marshal(fields)
		if err != nil || string(o.Canonical()) != string(want) {
			t.Errorf("canonical form\n%s\nwant\n%s (%v)", o.Canonical(), want, err)
		}
		want, err = json.Marshal(map[string]any{"productSaleId": o.ProductSaleID, "pickupType": o.PickupType, "quantity": o.Quantity})
		if err != nil || string(o.Shape()) != string(want) {
			t.Errorf("shape\n%s\nwant\n%s (%v)", o.Shape(), want, err)
		}
	}
}
