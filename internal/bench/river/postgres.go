package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is a server of our own, in a folder of its own, reached by a socket there. Its settings are the defaults, so that a
// commit is on disk before it is answered, but for more memory and connections.
type postgres struct {
	pool *pgxpool.Pool
	proc *exec.Cmd
	dir  string
}

func startPostgres(ctx context.Context) (*postgres, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "issuance-bench-postgres-")
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir}
	as, err := runAs(dir)
	if err != nil {
		p.close()
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "--auth=trust", "--no-instructions")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		p.close()
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p.proc = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=300", "-c", "shared_buffers=512MB",
		"-c", "max_wal_size=8GB", "-c", "logging_collector=off")
	p.proc.SysProcAttr, p.proc.Dir = as, dir
	if err := p.proc.Start(); err != nil {
		p.close()
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig("host=" + dir + " user=bench dbname=postgres")
	if err != nil {
		p.close()
		return nil, err
	}
	cfg.MaxConns = 100
	if p.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		p.close()
		return nil, err
	}
	for limit := time.Now().Add(20 * time.Second); p.pool.Ping(ctx) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			p.close()
			return nil, errors.New("PostgreSQL did not start")
		}
	}
	return p, nil
}

// binaries is where PostgreSQL's programs are, the newest of several.
func binaries() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", errors.New("this benchmark needs PostgreSQL: install the package postgresql")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// runAs is how the server and what prepares it are started: they end with this process, and do not run as root, which PostgreSQL
// refuses. The folder becomes theirs.
func runAs(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and its own user is missing: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

func (p *postgres) close() {
	if p.pool != nil {
		p.pool.Close()
	}
	if p.proc != nil && p.proc.Process != nil {
		_ = p.proc.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = p.proc.Wait()
	}
	_ = os.RemoveAll(p.dir)
}
