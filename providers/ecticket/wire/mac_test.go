package wire

import (
	"strings"
	"testing"
)

// example is the public test account of ECTicket's documents.
var example = Keys{HashKey: "7b53896b742849d3", HashIV: "37a0ad3c6ffa428b"}

// One MAC per row: whatever URL encoding is used, the text has only one checksum.
var unambiguous = []struct{ name, plain, mac string }{
	{
		"the documents' worked example", `{"MerchantID":"3085676","MerchantTradeNo":"CX202202221540568521"}`,
		"CE67BBD259EE38BA1C7FB7CC88C3BD91D3F082B46EAEBD4E4E5F2184CB23349A",
	},
	{
		"Chinese text", `{"RtnCode":1,"RtnMsg":"成功"}`,
		"67CC111F19E5A1A76A4F58D7910922B39342B84545EFE249A3A47072CBB16606",
	},
	{
		"success", `{"RtnCode":1,"RtnMsg":"Success"}`,
		"96528822216E285CD5B606B12011A6D3434279F3B379BABAB134CD245C1FC481",
	},
	{
		"ambiguous characters written as escapes", `{"ItemName":"A\u0020\u0021\u0027\u0028\u0029\u002A\u007EB"}`,
		"964E2AC529F95098911E3CD62D6D010FAB69EAE065B5C0C62E7481534B6DC82B",
	},
	{
		"an Issue", `{"MerchantID":"3085676","MerchantTradeNo":"CX202202221540568521","IssueType":"4","Operator":"AngelaChan","TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":4}]}`,
		"EE1EAE17A1A73A0FCBD396059871A4BFA278E17C4CD5E6ADE9E4A49AA9539BAE",
	},
}

func TestChecksumOfTheWorkedExamples(t *testing.T) {
	for _, row := range unambiguous {
		t.Run(row.name, func(t *testing.T) {
			for _, v := range Variants() {
				if _, mac := SealAs(example, []byte(row.plain), v); mac != row.mac {
					t.Errorf("variant %s: CheckMacValue %s, want %s", v, mac, row.mac)
				}
			}
			if _, ok := VerifyMAC(example, []byte(row.plain), row.mac); !ok {
				t.Error("VerifyMAC refuses the worked example")
			}
		})
	}
}

func TestChecksumOfEveryVariant(t *testing.T) {
	rows := []struct {
		plain, mac string
		variant    Variant
	}{
		{`{"RtnCode":1,"RtnMsg":"Success","WriteOffDate":"20220305 16:30"}`, "6C9B5A5729301B78A11CBADCD6A4791A953AD1857FE62885BB84FCD3EEB40966", Variant{}},
		{`{"RtnCode":1,"RtnMsg":"Success","WriteOffDate":"20220305 16:30"}`, "D09198F413D8EC162C9B5DB48EDC0B18CBA219AC6ADD0DC8941038A462BE4D6C", Variant{PercentSpace: true}},
		{`{"m":"a b~c"}`, "D1E37AA0FC3105FCF068DC0B6541043CB37CCF6D6B8992AB7B9A82BF6BBC68D0", Variant{}},
		{`{"m":"a b~c"}`, "7B7E76B487C588F184A1B00A094974B60BAA0544C00733CEB5D9E0DF85BE5C9A", Variant{LiteralTilde: true}},
		{`{"m":"a b~c"}`, "2CB448A2E2057D5615C4BFFCF380BCF4A3D77EADB45BEF092935C332BB7D8106", Variant{PercentSpace: true}},
		{`{"m":"a b~c"}`, "CEBF172099393046E1EF615ADF441FD6C80321CC152FDA2217B1990E99F72571", Variant{PercentSpace: true, LiteralTilde: true}},
	}
	for _, row := range rows {
		if _, mac := SealAs(example, []byte(row.plain), row.variant); mac != row.mac {
			t.Errorf("%s under %s: CheckMacValue %s, want %s", row.plain, row.variant, mac, row.mac)
		}
		name, ok := VerifyMAC(example, []byte(row.plain), row.mac)
		if !ok || name != row.variant.String() {
			t.Errorf("%s: VerifyMAC reported variant %q, %t; want %q", row.plain, name, ok, row.variant)
		}
	}
}

func TestVerifyDistinguishesEightVariants(t *testing.T) {
	plain := []byte(`{"m":"a b~c!'()*"}`)
	seen := map[string]Variant{}
	for _, v := range Variants() {
		_, mac := SealAs(example, plain, v)
		if other, twice := seen[mac]; twice {
			t.Errorf("%s and %s have the same checksum", v, other)
		}
		seen[mac] = v
		if name, ok := VerifyMAC(example, plain, mac); !ok || name != v.String() {
			t.Errorf("checksum of %s verified as %q, %t", v, name, ok)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d variants, want 8", len(seen))
	}
}

// Whichever of the ambiguous characters a text holds, the first variant that has its checksum is named.
func TestVerifyNamesTheFirstVariantThatFits(t *testing.T) {
	for _, plain := range []string{`{}`, `{"m":"a b"}`, `{"m":"a~b"}`, `{"m":"(a)"}`, `{"m":"a b~"}`, `{"m":"a b!"}`, `{"m":"~*"}`, `{"m":"' ~"}`, `{"m":"+%20%7E%21"}`} {
		for _, v := range Variants() {
			_, mac := SealAs(example, []byte(plain), v)
			want := ""
			for _, first := range Variants() {
				if _, m := SealAs(example, []byte(plain), first); m == mac {
					want = first.String()
					break
				}
			}
			if got, ok := VerifyMAC(example, []byte(plain), mac); !ok || got != want {
				t.Errorf("%s by %s: %q, %t, want %q", plain, v, got, ok, want)
			}
		}
	}
	odd := Keys{HashKey: "keys-may-have--~", HashIV: "any-of-these:-!*"}
	for _, v := range Variants() {
		_, mac := SealAs(odd, []byte(`{"m":" "}`), v)
		if got, ok := VerifyMAC(odd, []byte(`{"m":" "}`), mac); !ok || got != v.String() {
			t.Errorf("%s: %q, %t", v, got, ok)
		}
	}
}

func TestVerifyTakesHexOfAnyCase(t *testing.T) {
	row := unambiguous[0]
	for _, mac := range []string{row.mac, strings.ToLower(row.mac), row.mac[:32] + strings.ToLower(row.mac[32:])} {
		if _, ok := VerifyMAC(example, []byte(row.plain), mac); !ok {
			t.Errorf("VerifyMAC refuses %s", mac)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	row := unambiguous[0]
	other := Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}
	cases := []struct {
		name  string
		keys  Keys
		plain string
		mac   string
	}{
		{"an empty checksum", example, row.plain, ""},
		{"a short checksum", example, row.plain, row.mac[:62]},
		{"a long checksum", example, row.plain, row.mac + "00"},
		{"a checksum that is not hex", example, row.plain, "Z" + row.mac[1:]},
		{"one changed digit", example, row.plain, "0" + row.mac[1:]},
		{"one changed byte of text", example, strings.Replace(row.plain, "8521", "8522", 1), row.mac},
		{"another account's keys", other, row.plain, row.mac},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if variant, ok := VerifyMAC(c.keys, []byte(c.plain), c.mac); ok || variant != "" {
				t.Errorf("accepted as %q", variant)
			}
		})
	}
}
