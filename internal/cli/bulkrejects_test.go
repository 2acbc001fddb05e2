package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xuri/excelize/v2"

	"issuance/internal/testredis"
	"issuance/providers"
)

const wrongRow = "B 1,S1,1,voucher\n" // a number must not hold a space

type brokenInput struct{}

func (brokenInput) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// fileNames are those of the files in a folder.
func fileNames(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The file that is read is never the one that is written, whatever it is called.
func TestRejectsNeverOverwriteTheirInput(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	name := wholeFile(t, 3)
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	want := content(t, name)
	for _, args := range [][]string{{"-", "--rejects", name}, {"-", "--rejects", link}, {name, "--rejects", link}, {link, "--rejects", name}} {
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		code, out, text := d.run(t.Context(), in, append([]string{"bulk"}, args...)...)
		_ = in.Close()
		if code != Wrong || !strings.Contains(text, "is the file that is read; give another name") || d.queued() != 0 {
			t.Errorf("%v: exit code %d, %d enqueued\n%s%s", args, code, d.queued(), out, text)
		}
		if got := content(t, name); got != want {
			t.Errorf("%v: the input has become %q", args, got)
		}
	}
}

// Until the rejects are whole, an old file of them stays; nothing else is left lying about.
func TestAnOldRejectsFileSurvivesAnEarlyFailure(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	d.serves(t, providers.Account{Provider: providers.Pass2U, Merchant: "main"}, 4)
	name := filepath.Join(t.TempDir(), "rejects.csv")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(wantCode int, in io.Reader) (text string) {
		t.Helper()
		code, out, text := d.run(t.Context(), in, "bulk", "--rejects", name, "-")
		if code != wantCode {
			t.Fatalf("exit code %d\n%s%s", code, out, text)
		}
		return text
	}
	run(CouldNot, io.MultiReader(strings.NewReader(bulkHeader+bulkRow(1)), brokenInput{}))
	if got := content(t, name); got != "old" {
		t.Errorf("after an early failure: %q", got)
	}
	// Wrong lines that were seen before it are kept.
	run(CouldNot, io.MultiReader(strings.NewReader(bulkHeader+wrongRow), brokenInput{}))
	if got := content(t, name); !strings.Contains(got, "\nB 1,S1,1,voucher,") {
		t.Errorf("after a failure behind a wrong line: %q", got)
	}
	run(Wrong, strings.NewReader(bulkHeader+"C 2,S1,1,voucher\n"))
	if got := content(t, name); strings.Contains(got, "B 1") || !strings.Contains(got, "\nC 2,") || fileNames(t, filepath.Dir(name)) != "rejects.csv" {
		t.Errorf("an old file is not replaced: %q, beside it %s", got, fileNames(t, filepath.Dir(name)))
	}
	if text := run(Fine, strings.NewReader(bulkHeader+bulkRow(1))); text != "" || fileNames(t, filepath.Dir(name)) != "" {
		t.Errorf("with nothing wrong there is %q\n%s", fileNames(t, filepath.Dir(name)), text)
	}
}

// What is no regular file is written into and never taken away, a link to it included.
func TestRejectsTakeNoDeviceOrPipeAway(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	folder := t.TempDir()
	pipe, link := filepath.Join(folder, "pipe"), filepath.Join(folder, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, link, "/dev/null"} {
		for _, wrong := range []string{"", wrongRow} {
			read := make(chan string, 1)
			if name != "/dev/null" {
				go func() {
					text, _ := os.ReadFile(pipe)
					read <- string(text)
				}()
			}
			code, out, text := d.run(t.Context(), strings.NewReader(bulkHeader+bulkRow(1)+wrong), "bulk", "--rejects", name, "-")
			if said := strings.Contains(text, "wrong lines are in "+name); (code == Wrong) != (wrong != "") || said != (wrong != "") {
				t.Errorf("%s: exit code %d\n%s%s", name, code, out, text)
			}
			if _, err := os.Lstat(name); err != nil {
				t.Fatalf("it was taken away: %v", err)
			}
			if name != "/dev/null" {
				if got := <-read; strings.Contains(got, "B 1") != (wrong != "") || strings.Contains(got, "old") {
					t.Errorf("%s holds %q", name, got)
				}
			}
		}
	}
	if stat, err := os.Lstat(link); err != nil || stat.Mode()&os.ModeSymlink == 0 || fileNames(t, folder) != "link pipe" {
		t.Errorf("the folder holds %s, %v", fileNames(t, folder), err)
	}
}

// Wrong lines hold customers' data: they are not written through a link into a file, which may be one that
// others read or that means something else, nor into a pipe that others can read.
func TestRejectsAreNotWrittenThroughALinkNorForOthersToRead(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	folder := t.TempDir()
	name := func(s string) string { return filepath.Join(folder, s) }
	if err := errors.Join(os.WriteFile(name("target"), []byte("old"), 0o644), os.Symlink(name("target"), name("link")), os.Symlink(name("new"), name("dangling")),
		syscall.Mkfifo(name("pipe"), 0o600), os.Chmod(name("pipe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	go func() { // the other end of the pipe
		if f, err := os.Open(name("pipe")); err == nil {
			_ = f.Close()
		}
	}()
	for file, says := range map[string]string{"link": "is a symbolic link", "dangling": "is a symbolic link", "pipe": "can be read by others"} {
		code, out, text := d.run(t.Context(), strings.NewReader(bulkHeader+bulkRow(1)+wrongRow), "bulk", "--rejects", name(file), "-")
		if code != Wrong || !strings.Contains(text, says) || d.queued() != 0 {
			t.Errorf("%s: exit code %d, %d enqueued\n%s%s", file, code, d.queued(), out, text)
		}
	}
	if content(t, name("target")) != "old" || fileNames(t, folder) != "dangling link pipe target" {
		t.Errorf("the target holds %q, the folder %s", content(t, name("target")), fileNames(t, folder))
	}
	// A file that others can read is replaced by one that they cannot.
	code, _, text := d.run(t.Context(), strings.NewReader(bulkHeader+wrongRow), "bulk", "--rejects", name("target"), "-")
	if stat, err := os.Lstat(name("target")); code != Wrong || err != nil || stat.Mode() != 0o600 {
		t.Errorf("exit code %d, %v, %v\n%s", code, stat, err, text)
	}
}

// A spreadsheet would run what begins like a formula; the file of rejects says so and is read again as it is.
func TestRejectsThatASpreadsheetWouldRunAreWarnedAbout(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	name := filepath.Join(t.TempDir(), "rejects.csv")
	rows := bulkHeader + "=1+1,S1,1,voucher\nA 1,\"@SUM(A1,A2)\",1,voucher\nB 1,S1,-1,voucher\nC 1,S1,1,voucher\n"
	code, _, text := d.run(t.Context(), strings.NewReader(rows), "bulk", "--rejects", name, "-")
	if code != Wrong || !strings.Contains(text, "enqueue: in 2 lines a cell begins with =, +, - or @, which a spreadsheet would run as a formula") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	again := filepath.Join(t.TempDir(), "again.csv")
	if code, _, text := d.run(t.Context(), nil, "bulk", name, "--rejects", again); code != Wrong || content(t, again) != content(t, name) {
		t.Errorf("exit code %d\n%s%s", code, text, content(t, again))
	}
	if _, _, text := d.run(t.Context(), strings.NewReader(bulkHeader+wrongRow), "bulk", "--rejects", name, "-"); strings.Contains(text, "formula") {
		t.Errorf("without any: %s", text)
	}
}

// Wrong lines that could not be written are not said to be kept.
func TestRejectsThatWereNotWrittenAreNotPromised(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this machine has no /dev/full")
	}
	d := deskAt(t, testredis.Mini(t))
	code, out, text := d.run(t.Context(), strings.NewReader(bulkHeader+wrongRow), "bulk", "--rejects", "/dev/full", "-")
	if code != CouldNot || strings.Contains(text, "wrong lines are in") || !strings.Contains(text, "--rejects: ") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Error(err)
	}
}

// Rejects that are named .xlsx are a workbook, whose cells Excel leaves as they are, and are taken again once they are corrected;
// its owner alone may read it.
func TestRejectsAreAWorkbookWhereTheyAreNamedSo(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	t.Setenv("TMPDIR", t.TempDir())
	name := filepath.Join(t.TempDir(), "rejects.xlsx")
	code, _, text := d.run(t.Context(), strings.NewReader(bulkHeader+bulkRow(1)+"007,S1,1,voucher\nB 1,=1+1,1,voucher\n"), "bulk", "--rejects", name, "-")
	if code != Wrong || !strings.Contains(text, "wrong lines are in "+name+"; correct them") || strings.Contains(text, "formula") {
		t.Fatalf("exit code %d: %s", code, text)
	}
	if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", stat, err)
	}
	f, err := excelize.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.GetRows("Orders")
	if err != nil || len(rows) != 2 || rows[1][0] != "B 1" || rows[1][1] != "=1+1" || !strings.HasPrefix(rows[1][4], "rejected: channelOrderId: must") {
		t.Fatalf("%q %v", rows, err)
	}
	if err := errors.Join(f.SetCellStr("Orders", "A2", "0B1"), f.SetCellStr("Orders", "B2", "S1"), f.Save(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if code, out, text := d.run(t.Context(), nil, "bulk", name); code != Fine || !strings.HasPrefix(out, "1 enqueued") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if code, _, text := d.run(t.Context(), strings.NewReader(bulkHeader+bulkRow(1)), "bulk", "--rejects", name, "-"); code != Fine || fileNames(t, filepath.Dir(name)) != "" {
		t.Errorf("exit code %d, left: %s: %s", code, fileNames(t, filepath.Dir(name)), text)
	}
}
