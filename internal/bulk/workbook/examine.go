package workbook

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// sheet is what is known of a sheet before its rows are read.
type sheet struct {
	name   string
	hidden bool
	last   int // number of the last row that holds something; 0 without one
	found  findings
}

const (
	bookPart  = "xl/workbook.xml"
	textsPart = "xl/sharedstrings.xml"
)

// examine reads every part of a workbook to its end.
func examine(z *zip.Reader) ([]*sheet, error) {
	parts := map[string]*zip.File{}
	var all, besides uint64
	for _, f := range z.File {
		name := strings.ToLower(strings.ReplaceAll(f.Name, `\`, "/"))
		parts[name] = f
		if all += f.UncompressedSize64; !strings.HasPrefix(name, "xl/worksheets/sheet") && name != textsPart {
			besides += f.UncompressedSize64
		}
	}
	switch {
	case parts[bookPart] == nil:
		return nil, otherKind(parts)
	case all > MaxUnpacked:
		return nil, errorf("it holds more than %d MiB when it is unpacked", MaxUnpacked>>20)
	case besides > MaxBesides:
		return nil, errorf("it holds more than %d MiB besides its cells; copy the cells alone into a new workbook", MaxBesides>>20)
	}
	sheets, where, err := sheetsOf(parts)
	if err != nil {
		return nil, err
	}
	texts := 0
	if f := parts[textsPart]; f != nil {
		if err := eachElement(f, func(e xml.StartElement) {
			if e.Name.Local == "si" {
				texts++
			}
		}); err != nil {
			return nil, err
		}
	}
	for name, f := range parts {
		if s := where[name]; s != nil {
			err = s.examine(f, texts)
		} else if name != textsPart {
			err = whole(f)
		}
		if err != nil {
			return nil, err
		}
	}
	return sheets, nil
}

// sheetsOf lists the sheets of a workbook in their order, and the part that holds each.
func sheetsOf(parts map[string]*zip.File) (list []*sheet, where map[string]*sheet, err error) {
	var book struct {
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			Rel   string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	var rels struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:",attr"`
			Target string `xml:",attr"`
		}
	}
	if err := errors.Join(decode(parts[bookPart], &book), decode(parts["xl/_rels/workbook.xml.rels"], &rels)); err != nil {
		return nil, nil, damaged(parts[bookPart])
	}
	targets := map[string]string{}
	for _, r := range rels.Relationship {
		if strings.HasSuffix(r.Type, "/worksheet") {
			target := r.Target
			if !strings.HasPrefix(target, "/") {
				target = path.Join("xl", target)
			}
			targets[r.ID] = strings.ToLower(strings.TrimPrefix(target, "/"))
		}
	}
	where = map[string]*sheet{}
	for _, b := range book.Sheets {
		if target := targets[b.Rel]; parts[target] != nil { // a chart has no cells
			s := &sheet{name: b.Name, hidden: b.State != "" && b.State != "visible"}
			list, where[target] = append(list, s), s
		}
	}
	return list, where, nil
}

func decode(f *zip.File, into any) error {
	if f == nil {
		return errors.New("a part is missing")
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return xml.NewDecoder(&shortTexts{r: r}).Decode(into)
}

// damaged says that a part cannot be read. The name is the archive's, and shown only where it is plain.
func damaged(f *zip.File) error {
	if name := f.Name; strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789/._-[]") == "" && len(name) < 80 {
		return errorf("its part %s is damaged; save it again as .xlsx", name)
	}
	return errorf("one of its parts is damaged; save it again as .xlsx")
}

// whole reads a part to its end, where its checksum is compared.
func whole(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return damaged(f)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || uint64(n) != f.UncompressedSize64 {
		return damaged(f)
	}
	return nil
}

// eachElement calls each for every element of a part's XML, which must be well-formed to its end.
func eachElement(f *zip.File, each func(xml.StartElement)) error {
	return eachToken(f, func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok {
			each(e)
		}
		return nil
	})
}

func eachToken(f *zip.File, each func(xml.Token) error) error {
	r, err := f.Open()
	if err != nil {
		return damaged(f)
	}
	defer r.Close()
	d := xml.NewDecoder(&shortTexts{r: r})
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return damaged(f)
		}
		if err := each(t); err != nil {
			return err
		}
	}
}

// shortTexts fails at a text, or a tag, that is longer than MaxText, before anybody gathers it in memory.
type shortTexts struct {
	r io.Reader
	n int // bytes since the last tag began or ended
}

var errLongText = errors.New("a text is too long")

func (s *shortTexts) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for _, c := range p[:n] {
		if c == '<' || c == '>' {
			s.n = 0
		} else if s.n++; s.n > MaxText {
			return 0, errLongText
		}
	}
	return n, err
}
