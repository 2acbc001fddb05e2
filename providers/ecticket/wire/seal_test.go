package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSealOfTheWorkedExamples(t *testing.T) {
	rows := []struct{ name, plain, data string }{
		{
			"the documents' worked example", `{"Name":"Test","ID":"A123456789"}`,
			"oxmUqzelA4koGRQ+myZggW5qNqlVdytGJadngOuWA7jd1Fakpay72J/w5IXLIINqCYcmx7gLsaednuH54LjffA==",
		},
		{
			"a look-up", `{"MerchantID":"3085676","MerchantTradeNo":"CX202202221540568521"}`,
			"YRMg3uuqgyQTGt8ZLip/vtwxg8T7lTGKrGIDwyQX318W7HSWqhTeJ88z57fuia5wNiRjLnk2UUs1rv1EQeEViTOzpNj9TOU7wQsB4sCk+RCXr9VdaYojO5z5oRHmplgl",
		},
		{
			"Chinese text", `{"RtnCode":1,"RtnMsg":"成功"}`,
			"TyC/79TVwZi89bgKY5Lvj83G/9FhI3MLlrT13fo+h6+BFL5yCmeqwtrRroTlcQVeY6/OLFvzRqz4MpFwqQcEY9tl9JdtR0WfNjCWUMKpYVc=",
		},
		{
			"success", `{"RtnCode":1,"RtnMsg":"Success"}`,
			"TyC/79TVwZi89bgKY5Lvj83G/9FhI3MLlrT13fo+h69WNy4DZktXJd95aS3v+FNpTw5ppODzTXJaYSu3llTwUA==",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if data, _ := Seal(example, []byte(row.plain)); data != row.data {
				t.Errorf("Data %s, want %s", data, row.data)
			}
			plain, err := Open(example, row.data)
			if err != nil || string(plain) != row.plain {
				t.Errorf("Open: %q, %v; want %q", plain, err, row.plain)
			}
		})
	}
}

func TestOpenReadsEveryVariantAndHexOfAnyCase(t *testing.T) {
	const plain = `{"m":"a b+~c!'()*%20 成功"}`
	for _, v := range Variants() {
		data, _ := SealAs(example, []byte(plain), v)
		if got, err := Open(example, data); err != nil || string(got) != plain {
			t.Errorf("%s: %q, %v", v, got, err)
		}
	}
	lower := encrypt(t, pkcs7([]byte(strings.ToLower(url.QueryEscape(`{"m":"成功"}`)))))
	if got, err := Open(example, lower); err != nil || string(got) != `{"m":"成功"}` {
		t.Errorf("lower-case hex: %q, %v", got, err)
	}
}

// encrypt makes Data of raw blocks, so that tests can break what Seal never would.
func encrypt(t testing.TB, blocks []byte) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(example.HashKey))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(blocks))
	cipher.NewCBCEncrypter(block, []byte(example.HashIV)).CryptBlocks(out, blocks)
	return base64.StdEncoding.EncodeToString(out)
}

func pkcs7(text []byte) []byte {
	pad := aes.BlockSize - len(text)%aes.BlockSize
	return append(text, strings.Repeat(string(rune(pad)), pad)...)
}

func badData(t testing.TB) map[string]struct {
	data string
	want error
} {
	return map[string]struct {
		data string
		want error
	}{
		"empty":                     {"", ErrDecrypt},
		"not base64":                {"§§§§", ErrNotBase64},
		"cut base64":                {"oxmUqzelA4koGRQ+myZggW5qNqlVdytGJadngOuWA7jd1Fakpay7", ErrDecrypt},
		"URL-safe base64":           {"oxmUqzelA4koGRQ-myZggQ==", ErrNotBase64},
		"half a block":              {base64.StdEncoding.EncodeToString([]byte("12345678")), ErrDecrypt},
		"padding of 0":              {encrypt(t, append([]byte("123456789012345"), 0)), ErrDecrypt},
		"padding of 17":             {encrypt(t, append([]byte("123456789012345"), 17)), ErrDecrypt},
		"padding that differs":      {encrypt(t, append([]byte("1234567890123"), 2, 3, 3)), ErrDecrypt},
		"a broken URL escape":       {encrypt(t, pkcs7([]byte("secret%zz"))), ErrEscape},
		"a URL escape cut in half":  {encrypt(t, pkcs7([]byte("secret%4"))), ErrEscape},
		"longer than 4 MiB":         {strings.Repeat("A", MaxData+4), ErrTooLong},
		"another account's message": {otherData(), ErrDecrypt},
	}
}

func otherData() string {
	data, _ := Seal(Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}, []byte(`{"RtnCode":1}`))
	return data
}

func TestOpenRefusesBrokenDataAndQuotesNoneOfIt(t *testing.T) {
	for name, c := range badData(t) {
		t.Run(name, func(t *testing.T) {
			plain, err := Open(example, c.data)
			if !errors.Is(err, c.want) || plain != nil {
				t.Fatalf("got %q, %v; want %v", plain, err, c.want)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zz") {
				t.Errorf("the error quotes the plaintext: %v", err)
			}
		})
	}
}

func TestOpenRefusesKeysOfTheWrongLength(t *testing.T) {
	if _, err := Open(Keys{HashKey: "short", HashIV: example.HashIV}, "AAAA"); err == nil || !strings.Contains(err.Error(), "HashKey") {
		t.Errorf("got %v, want an error that names HashKey", err)
	}
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := []byte(rapid.String().Draw(t, "plain"))
		v := rapid.SampledFrom(Variants()).Draw(t, "variant")
		keys := rapid.StringMatching(`[!-~]{16}`)
		k := Keys{HashKey: keys.Draw(t, "key"), HashIV: keys.Draw(t, "iv")}
		data, mac := SealAs(k, plain, v)
		got, err := Open(k, data)
		if err != nil || string(got) != string(plain) {
			t.Fatalf("Open: %q, %v", got, err)
		}
		if _, ok := VerifyMAC(k, got, mac); !ok {
			t.Fatalf("checksum of %s is refused", v)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, row := range unambiguous {
		f.Add([]byte(row.plain))
	}
	for _, plain := range []string{"", " ", "%", "%zz", "a+b %2B~!'()*", "\x00\xff\xfe", strings.Repeat("0123456789abcdef", 3)} {
		f.Add([]byte(plain))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, v := range Variants() {
			data, mac := SealAs(example, plain, v)
			got, err := Open(example, data)
			if len(data) > MaxData {
				if !errors.Is(err, ErrTooLong) {
					t.Fatalf("over-long Data: %v", err)
				}
				continue
			}
			if err != nil || string(got) != string(plain) {
				t.Fatalf("%s: %q, %v; want %q", v, got, err, plain)
			}
			if _, ok := VerifyMAC(example, got, mac); !ok {
				t.Fatalf("%s: checksum refused", v)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, c := range badData(f) {
		if len(c.data) < 4096 {
			f.Add(c.data)
		}
	}
	good, _ := Seal(example, []byte(`{"RtnCode":1,"RtnMsg":"成功"}`))
	f.Add(good)
	f.Fuzz(func(t *testing.T, data string) {
		plain, err := Open(example, data)
		if err != nil {
			if plain != nil {
				t.Fatal("plaintext beside an error")
			}
			return
		}
		sealed, _ := Seal(example, plain)
		if again, err := Open(example, sealed); err != nil || string(again) != string(plain) {
			t.Fatalf("what was opened cannot be sealed and opened again: %v", err)
		}
	})
}
