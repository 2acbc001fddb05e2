package frontdoor

// Code says what a problem is, for programs.
type Code string

// Codes of problems.
const (
	codeInvalid      Code = "invalid"
	codeConflict     Code = "conflict"
	codeUnknown      Code = "unknown"
	codeUnreachable  Code = "unreachable"
	codeUnauthorized Code = "unauthorized"
	codeForbidden    Code = "forbidden"
	codeTooMany      Code = "too_many_requests"
	codeFailed       Code = "failed"
	codeNotFound     Code = "not_found"
	codeMethod       Code = "method_not_allowed"
	codeTooLarge     Code = "too_large"
	codeMediaType    Code = "unsupported_media_type"
	codeWrongKeys    Code = "wrong_keys"
	codeAccount      Code = "unknown_account"
	codeCancel       Code = "not_cancellable"
	codeDraining     Code = "draining"
	codeTimeout      Code = "timeout"
	codeChecksum     Code = "bad_checksum"
)

// Codes lists the code of every problem.
func Codes() []Code {
	return []Code{codeInvalid, codeConflict, codeUnknown, codeUnreachable, codeUnauthorized, codeForbidden, codeTooMany, codeFailed, codeNotFound,
		codeMethod, codeTooLarge, codeMediaType, codeWrongKeys, codeAccount, codeCancel, codeDraining, codeTimeout, codeChecksum}
}
