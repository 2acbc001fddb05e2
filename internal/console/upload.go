package console

import (
	"crypto/rand"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"issuance/internal/bulk"
	"issuance/providers"
)

const (
	bulkPath   = Path + "bulk"
	uploadPath = bulkPath // what is posted there is the only form with a file
)

// Limits of an upload.
const (
	mostUpload  = 64 << 20 // bytes
	uploadPause = 30 * time.Second
	mostName    = 100 // characters of the file's name
)

// uploadForm reads the fields of an upload, which stand before its file, and leaves the file to be read.
func (v *visit) uploadForm() error {
	v.r.Body = http.MaxBytesReader(v.w, &pacedUpload{v.r.Body, http.NewResponseController(v.w)}, mostUpload+mostForm)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return crossOrigin // no form of the console
	}
	v.r.PostForm = url.Values{}
	for left := int64(mostForm); ; {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
		if p.FormName() == "file" {
			v.file = p
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(p, left+1))
		if err != nil {
			return broken(err)
		}
		if left -= int64(len(text)); left < 0 {
			return fail(http.StatusRequestEntityTooLarge, "fail.too_large")
		}
		v.r.PostForm.Add(p.FormName(), string(text))
	}
}

// broken is the failure of an upload that could not be read to its end.
func broken(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return fail(http.StatusRequestEntityTooLarge, "fail.file_large", mostUpload>>20)
	}
	return fail(http.StatusBadRequest, "fail.upload")
}

// pacedUpload gives up a browser that sends nothing for a while.
type pacedUpload struct {
	io.ReadCloser
	control *http.ResponseController
}

func (p *pacedUpload) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(uploadPause)) // a connection without deadlines is a test's
	return p.ReadCloser.Read(b)
}

// upload takes a file: it is kept by this front door alone, without a name where the system allows that, and checked.
func (v *visit) upload() error {
	defer func() { _ = http.NewResponseController(v.w).SetReadDeadline(time.Time{}) }()
	if v.file == nil || v.file.FileName() == "" {
		return fail(http.StatusUnprocessableEntity, "fail.no_file")
	}
	account := providers.Account{}
	if text := v.r.PostForm.Get("account"); text != "" {
		a, err := providers.ParseAccount(text)
		if err != nil || !v.who.Sees(a) {
			return badFilter
		}
		account = a
	}
	instead, err := v.files.place(v.r.Context(), v.who.Mark(), v.step(fileChecked, fileStopping, didStop, ""))
	switch {
	case errors.Is(err, errNoPlace):
		return v.full()
	case err != nil:
		return err
	}
	h, err := v.take(account)
	if err == nil && instead != nil {
		h.Instead = instead.Name
	}
	if err == nil {
		err = v.files.make(v.r.Context(), h.file)
	}
	if err == nil {
		select {
		case v.files.arrived <- h:
			return v.redirect(bulkPath+"/"+h.ID, "")
		case <-v.Door.Drained():
			err = fail(http.StatusServiceUnavailable, "fail.door_stops")
		case <-v.r.Context().Done():
			err = v.r.Context().Err()
		}
	}
	if h != nil {
		h.drop()
	}
	<-v.files.slots
	return err
}

// take writes the file to where only this program reads it.
func (v *visit) take(account providers.Account) (*held, error) {
	raw, err := os.CreateTemp("", "issuance-upload-*") // readable by its owner alone
	if err != nil {
		return nil, err
	}
	_ = os.Remove(raw.Name()) // nothing of it is left behind, however this program ends
	h := &held{raw: raw, account: account, token: v.who, lang: v.lang}
	size, err := io.Copy(raw, v.file)
	if err != nil {
		return h, broken(err)
	}
	h.file = &file{ID: rand.Text(), Name: fileName(v.file), Sheet: strings.TrimSpace(v.r.PostForm.Get("sheet")), Size: size, State: fileChecking,
		Mark: v.who.Mark(), By: v.who.Name, Address: v.Door.Address(v.r), Created: v.Now()}
	return h, nil
}

// fileName is what an upload is called on the pages.
func fileName(p *multipart.Part) string {
	name := []rune(printable(filepath.Base(p.FileName())))
	return string(name[:min(len(name), mostName)])
}

// template is a file to start from.
func (v *visit) template() error {
	for _, t := range bulk.Templates() {
		if t.Name == v.r.PathValue("name") {
			v.attach("text/csv; charset=utf-8", t.Name+".csv")
			_, _ = io.WriteString(v.w, "\ufeff"+t.CSV(v.Now(), v.Door.Rules.Escrow)) // Excel takes it for UTF-8 by the mark
			return nil
		}
	}
	return notFound
}

// attach begins an answer that is a file.
func (v *visit) attach(kind, name string) {
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.w.WriteHeader(http.StatusOK)
}
