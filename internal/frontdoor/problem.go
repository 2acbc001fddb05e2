package frontdoor

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/doccheck"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// Problem is every error's body, RFC 9457. It holds no value of a request.
type Problem struct {
	Type       string             `json:"type" example:"about:blank" doc:"always about:blank; the code says what it is"`
	Title      string             `json:"title" example:"Conflict" doc:"the HTTP status in words"`
	Status     int                `json:"status" example:"409" doc:"the HTTP status"`
	Code       Code               `json:"code" example:"conflict" doc:"what it is, for programs"`
	Detail     string             `json:"detail" doc:"what it is and what to do, for people"`
	Account    string             `json:"account,omitempty" doc:"whose order it is about"`
	OrderID    string             `json:"order_id,omitempty" doc:"which order it is about"`
	RefundID   string             `json:"refund_id,omitempty" doc:"which refund it is about"`
	State      tasks.State        `json:"state,omitempty" doc:"where the order or refund stands"`
	EnqueuedAt *time.Time         `json:"enqueued_at,omitempty" doc:"conflict: when the document that was first was recorded"`
	Violations []ProblemViolation `json:"violations,omitempty" doc:"every rule that the request breaks"`
	RequestID  string             `json:"request_id,omitempty" doc:"names the request in the front door's log"`

	retryAfter time.Duration
	cause      error // for the log alone
}

// ProblemViolation is one rule that a request breaks.
type ProblemViolation struct {
	Where   string `json:"where" example:"body" doc:"body, or a parameter: query since, header Last-Event-ID, path account"`
	Pointer string `json:"pointer,omitempty" example:"/TicketInfo/0/TicketAmount" doc:"JSON pointer (RFC 6901) into the body; absent for the whole body, and for parameters"`
	Rule    string `json:"rule" doc:"what the field must be"`
	Shape   string `json:"shape,omitempty" example:"string of 11 characters" doc:"what is there instead, without its value"`

	huma bool // the rule is in huma's words
}

func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	return h
}

func problem(status int, code Code, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func (p *Problem) about(r tasks.Ref) *Problem {
	p.Account, p.OrderID, p.RefundID = r.Account.String(), r.OrderID, r.RefundID
	return p
}

// ofAccount has the code say that the account is wrong, where that is among what is wrong with path or query.
func (p *Problem) ofAccount() *Problem {
	for _, v := range p.Violations {
		if p.Code == codeInvalid && v.Rule != doccheck.OtherMerchant && (v.Where == accountInPath || v.Where == accountInQuery) {
			p.Code = codeAccount
		}
	}
	return p
}

// because keeps what the log says of it.
func (p *Problem) because(err error) *Problem {
	p.cause = err
	return p
}

// retry says how long to wait before repeating the request.
func (p *Problem) retry(after time.Duration) *Problem {
	p.retryAfter = after
	return p
}

// humaProblem replaces huma's own errors, which hold the values that they complain of.
func humaProblem(status int, message string, errs ...error) *Problem {
	if status == http.StatusInternalServerError && message == "cannot read request body" { // or it is no chunk of one
		return problem(http.StatusBadRequest, codeInvalid, "the body broke off before its end, or its chunks cannot be read")
	}
	p := problem(status, codeFailed, "%s", message)
	switch status {
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		p.Code, p.Detail = codeInvalid, "the request breaks the rules that are listed"
		if message == "request body is required" {
			p.Detail = "the body is empty; nothing was enqueued"
			p.Violations = []ProblemViolation{{Where: inBody, Rule: "must be a JSON object, sent as the request's body", Shape: "empty"}}
		}
	case http.StatusNotFound:
		p.Code = codeNotFound
	case http.StatusRequestEntityTooLarge:
		p.Code, p.Detail = codeTooLarge, "the body is larger than this request may have"
	case http.StatusUnsupportedMediaType:
		p.Code = codeMediaType
	case http.StatusRequestTimeout:
		p.Code, p.Detail = codeTimeout, "the body did not come in time"
	}
	for _, err := range errs {
		switch e := err.(type) {
		case ProblemViolation:
			p.Violations = append(p.Violations, e)
		case huma.ErrorDetailer:
			p.Violations = append(p.Violations, ProblemViolation{Where: strings.Replace(e.ErrorDetail().Location, ".", " ", 1), Rule: e.ErrorDetail().Message, huma: true})
		}
	}
	return p
}

// unknownAfter is when to repeat a request of which nothing is known.
const unknownAfter = 2 * time.Second

// Where a request says whose order it is about. A body of which the path names the account is a document's request; any
// other is the document.
const (
	accountInPath  = "path account"
	accountInQuery = "query account"
	accountInBody  = inBody
)

// explain is the one place where errors of the client become problems. account is where the request says whose order it
// is about.
func explain(err error, account string) *Problem {
	var (
		own      *Problem
		invalid  *providers.InvalidError
		conflict *tasks.ConflictError
		unknown  *tasks.UnknownAccountError
		sent     *tasks.NotCancellableError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &invalid):
		p := problem(http.StatusUnprocessableEntity, codeInvalid, "the document breaks the rules that are listed; nothing was enqueued")
		p.Violations = violations(invalid.Violations, account)
		return p.ofAccount()
	case errors.As(err, &conflict):
		p := problem(http.StatusConflict, codeConflict, "another document has this number; nothing was changed, and a new order or refund needs a number of its own").about(conflict.Ref)
		p.State, p.EnqueuedAt = conflict.State, &conflict.EnqueuedAt
		return p
	case errors.Is(err, tasks.ErrUnknownOrder), errors.Is(err, ledger.ErrNotFound):
		return problem(http.StatusNotFound, codeUnknown, "no such order, or its record was removed some time after its end")
	case errors.As(err, &unknown):
		p := problem(http.StatusUnprocessableEntity, codeAccount, "%s", unknown)
		rule := "must be an account that a worker serves"
		if unknown.Own {
			rule = "must be an account that is configured here"
		}
		p.Violations = []ProblemViolation{placedAt("account", account, rule, "")}
		return p
	case errors.As(err, &sent):
		p := problem(http.StatusConflict, codeCancel, "it may have been sent already, or it has ended").about(sent.Ref)
		p.State = sent.State
		return p
	case errors.Is(err, tasks.ErrWrongKeys):
		return problem(http.StatusServiceUnavailable, codeWrongKeys, "this front door's seal keys are not the workers'; nothing was enqueued").retry(time.Minute)
	}
	return problem(http.StatusServiceUnavailable, codeUnreachable, "the queue does not answer as it should, so nothing is known of this request's effect; repeat it, which is always safe").
		because(err).retry(unknownAfter)
}

// inBody says that a violation is one of the body.
const inBody = "body"

// violations writes those of a document, which says at account whose order it is.
func violations(list []providers.Violation, account string) []ProblemViolation {
	var out []ProblemViolation
	for _, v := range list {
		for path := range strings.SplitSeq(v.Path, ", ") {
			out = append(out, placedAt(path, account, v.Rule, v.Shape))
		}
	}
	return out
}

// placedAt is a violation of a document's path. Of a document whose account is in the request's path, the body is the
// request alone.
func placedAt(path, account, rule, shape string) ProblemViolation {
	v := ProblemViolation{Where: inBody, Rule: rule, Shape: shape}
	switch {
	case account == accountInBody:
		v.Pointer = pointer(path, "")
	case path == "account", path == "provider":
		v.Where = account
	case path == "refund_id":
		v.Where = "path refund_id"
	default:
		v.Pointer = pointer(path, "request")
	}
	return v
}

var (
	pathStep  = regexp.MustCompile(`\[(\d+)\]`)
	escapeRFC = strings.NewReplacer("~", "~0", "/", "~1")
)

// pointer makes a JSON pointer of a path such as request.TicketInfo[0].TicketAmount.
func pointer(path, prefix string) string {
	if path == prefix || path == "document" {
		return ""
	}
	path = strings.TrimPrefix(path, prefix+".")
	path = pathStep.ReplaceAllString(path, ".$1")
	var b strings.Builder
	for step := range strings.SplitSeq(path, ".") {
		if step != "" {
			b.WriteString("/" + escapeRFC.Replace(step))
		}
	}
	return b.String()
}
