package frontdoor

import (
	"context"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"issuance/tasks"
)

type bulkIn struct {
	DryRun  bool   `query:"dry_run" doc:"check every line and enqueue nothing"`
	Sheet   string `query:"sheet" maxLength:"31" doc:"which sheet of a workbook; without it, the only one that holds something"`
	Account string `query:"account" doc:"whose requests they are, where lines do not name a provider or a merchant"`
	Kind    string `header:"Content-Type" doc:"what the file is; its content decides"`
	Coding  string `header:"Content-Encoding" doc:"none is taken"`
}

// Resolve implements huma.Resolver.
func (in *bulkIn) Resolve(c huma.Context) []error { return remember(c, in.read) }

// read is the account of a file's lines, if one is named, or the problem of what is wrong with the request. The file itself
// is read while it is answered.
func (in *bulkIn) read(ctx context.Context, s *Server) (a tasks.Account, err error) {
	if _, err := caller(ctx, Orders, nil); err != nil {
		return a, err
	}
	if p := bulkKind(in); p != nil {
		return a, noted(ctx, p)
	}
	if in.Account == "" {
		return a, nil
	}
	if a, err = s.resolve(ctx, Orders, in.Account, accountInQuery); err != nil {
		return a, err
	}
	if p := s.unserved(ctx, a, accountInQuery); p != nil {
		return a, noted(ctx, p)
	}
	return a, nil
}

// bulkKind is nil for a body that is the file itself.
func bulkKind(in *bulkIn) *Problem {
	kind, _, _ := mime.ParseMediaType(in.Kind)
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		return problem(http.StatusUnsupportedMediaType, codeMediaType, "send the file as the body itself, not as a form; with curl: --data-binary @FILE")
	case encoded(in.Coding), strings.HasSuffix(kind, "gzip"):
		return problem(http.StatusUnsupportedMediaType, codeMediaType, "send the file uncompressed")
	}
	return nil
}
