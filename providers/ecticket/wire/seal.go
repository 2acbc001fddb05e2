package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"net/url"
)

// MaxData is the longest Data, in bytes of base64, that Open reads: 4 MiB.
const MaxData = 4 << 20

// What can be wrong with Data. The texts never hold any of it.
var (
	ErrTooLong   = errors.New("wire: Data is longer than 4 MiB; it is not an answer of ECTicket")
	ErrNotBase64 = errors.New("wire: Data is not base64; the body was damaged or is not an ECTicket envelope")
	ErrDecrypt   = errors.New("wire: Data cannot be decrypted; check that HashKey and HashIV belong to this account (with a PlatformID: the platform's)")
	ErrEscape    = errors.New("wire: the decrypted Data is not URL-encoded text; check that HashKey and HashIV belong to this account")
)

// Seal returns Data and CheckMacValue of plaintext, the JSON text of Data: URL-encoded,
// AES-128-CBC with PKCS #7 padding, base64; and the upper-case checksum. A plaintext made by
// Marshal has only one checksum; for others the first variant of Variants is used.
// Seal panics when k is not valid.
func Seal(k Keys, plaintext []byte) (data, mac string) {
	return SealAs(k, plaintext, Variants()[0])
}

// SealAs is Seal with a chosen URL encoding. It serves simulators and tests: the documents leave
// open which one ECTicket uses in its answers.
func SealAs(k Keys, plaintext []byte, v Variant) (data, mac string) {
	block := mustCipher(k)
	text := []byte(v.encode(plaintext))
	pad := aes.BlockSize - len(text)%aes.BlockSize
	for range pad {
		text = append(text, byte(pad))
	}
	cipher.NewCBCEncrypter(block, []byte(k.HashIV)).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text), v.mac(k, plaintext)
}

// Open reverses Seal for every variant of URL encoding and returns the plaintext, which is
// authentic only once VerifyMAC has accepted it. Errors are ErrTooLong, ErrNotBase64, ErrDecrypt,
// ErrEscape, or that of k.Validate.
func Open(k Keys, data string) ([]byte, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if len(data) > MaxData {
		return nil, ErrTooLong
	}
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, ErrNotBase64
	}
	if len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, ErrDecrypt
	}
	cipher.NewCBCDecrypter(mustCipher(k), []byte(k.HashIV)).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, ErrDecrypt
	}
	for _, c := range text[len(text)-pad:] {
		if int(c) != pad {
			return nil, ErrDecrypt
		}
	}
	plain, err := url.QueryUnescape(string(text[:len(text)-pad]))
	if err != nil {
		return nil, ErrEscape // url's error would quote the plaintext
	}
	return []byte(plain), nil
}

func mustCipher(k Keys) cipher.Block {
	if err := k.Validate(); err != nil {
		panic(err)
	}
	block, err := aes.NewCipher([]byte(k.HashKey))
	if err != nil {
		panic("wire: " + err.Error()) // not reached: Validate checked the length
	}
	return block
}
