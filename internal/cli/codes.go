package cli

import "slices"

// Exit codes. Scripts may rely on them, and on the codes of problem.
const (
	Fine        = 0
	CouldNot    = 1 // the input is right, but it could not be done
	Wrong       = 2 // the input or the command line is wrong; nothing was done, but for the right lines of a bulk
	Conflict    = 3 // another document has the number
	Unknown     = 4 // there is no such order or refund
	Unreachable = 5 // Redis does not answer, or takes no writes; repeating the command is safe
)

// Code is what went wrong, for programs.
type Code struct {
	Name    string
	Exit    int
	Meaning string
}

// The codes of problem.
const (
	codeUsage     = "usage"
	codeInvalid   = "invalid"
	codeAccount   = "unknown_account"
	codeConflict  = "conflict"
	codeUnknown   = "unknown"
	codeAway      = "unreachable"
	codeNoWrites  = "no_writes"
	codeSettings  = "settings"
	codeKeys      = "wrong_keys"
	codeSent      = "not_cancellable"
	codeNeeded    = "not_erasable"
	codeNoReview  = "not_in_review"
	codeHeld      = "held"
	codeRejected  = "rejected"
	codeNoAnswer  = "no_answer"
	codeNoItem    = "no_item"
	codeOtherwise = "ended_otherwise"
	codeTimeout   = "timeout"
	codeInterrupt = "interrupted"
	codeFailed    = "failed"
)

// Codes lists the codes of errors with --json, by exit code. docs/enqueueing.md has them, too.
func Codes() []Code {
	return []Code{
		{codeUsage, Wrong, "the command line is wrong, or names a file that cannot be read"},
		{codeInvalid, Wrong, "what was read is wrong; violations says what"},
		{codeAccount, Wrong, "which account is meant is not clear, or no worker has it"},
		{codeConflict, Conflict, "another document has the number"},
		{codeUnknown, Unknown, "there is no such order or refund"},
		{codeAway, Unreachable, "Redis does not answer"},
		{codeNoWrites, Unreachable, "Redis answers and takes no writes: it is full, read-only, or short of replicas"},
		{codeSettings, CouldNot, "a setting is missing or wrong, such as Redis's password"},
		{codeKeys, CouldNot, "the seal keys are not the workers'"},
		{codeSent, CouldNot, "it may have been sent, or has ended"},
		{codeNeeded, CouldNot, "the customer's data is still needed"},
		{codeNoReview, CouldNot, "it is not in review"},
		{codeHeld, CouldNot, "no call to the provider may leave now"},
		{codeRejected, CouldNot, "the provider rejects the query"},
		{codeNoAnswer, CouldNot, "the provider gave no usable answer"},
		{codeNoItem, CouldNot, "the catalogue has no such item"},
		{codeOtherwise, CouldNot, "waited for, and not all of it ended issued or refunded"},
		{codeTimeout, CouldNot, "not final in time; the workers go on"},
		{codeInterrupt, CouldNot, "interrupted"},
		{codeFailed, CouldNot, "anything else"},
	}
}

// exit is the exit code of a command that ends with the problem.
func (p problem) exit() int {
	codes := Codes()
	return codes[slices.IndexFunc(codes, func(c Code) bool { return c.Name == p.Code })].Exit
}
