package midas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"midas/internal/datadir"
	"midas/internal/seal"
)

// MasterKeyConfig says where the master key is: in a file, in an environment variable, or printed by a command. Only
// one of them can be set. The key is text, 64 hexadecimal digits, as in the file master.key of a data folder
// and as "openssl rand -hex 32" prints it.
type MasterKeyConfig struct {
	// File contains the key. Only the user of the server should be able to read it.
	File string `yaml:"file"`

	// Env is the name of the environment variable that contains the key.
	Env string `yaml:"env"`

	// Command is a program and its arguments, such as [vault, kv, get, -field=key, secret/midas]. Its standard
	// output is the key. It is started without a shell, and must end within 30 seconds. If it fails, it is started again a
	// few times, because a vault may be down for a moment.
	Command []string `yaml:"command"`
}

// The limits of a command that prints the master key.
const (
	masterCommandTime   = 30 * time.Second
	masterCommandOutput = 4 << 10 // bytes, of each of its outputs
	masterCommandTries  = 4
	masterCommandPause  = time.Second // after the first failure; then twice as long each time
)

// explicit reports whether the configuration names a master key.
func (m MasterKeyConfig) explicit() bool { return m.File != "" || m.Env != "" || len(m.Command) > 0 }

// check returns an error if more than one source is set.
func (m MasterKeyConfig) check() error {
	set := 0
	for _, is := range []bool{m.File != "", m.Env != "", len(m.Command) > 0} {
		if is {
			set++
		}
	}
	if set > 1 {
		return errors.New("masterKey: only one of file, env and command can be set")
	}
	if len(m.Command) > 0 && m.Command[0] == "" {
		return errors.New("masterKey.command: the name of the program is empty")
	}
	return nil
}

// warning is about a file that other users can read; empty if there is nothing to say.
func (m MasterKeyConfig) warning() string {
	info, err := os.Stat(m.File)
	if m.File == "" || err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o007 == 0 {
		return ""
	}
	return fmt.Sprintf("all users of this machine can read the master key %s (mode %04o): remove their access with chmod", m.File, info.Mode().Perm())
}

// name describes the source for errors.
func (m MasterKeyConfig) name() string {
	switch {
	case m.File != "":
		return m.File
	case m.Env != "":
		return "the environment variable " + m.Env
	}
	return "the output of the masterKey.command " + m.Command[0]
}

// read returns the key. Its errors never contain it.
func (m MasterKeyConfig) read(ctx context.Context) (key seal.MasterKey, err error) {
	text, err := m.text(ctx)
	if err != nil {
		return key, fmt.Errorf("read the master key: %w", err)
	}
	key, ok := datadir.ParseMaster(text)
	if !ok {
		return key, fmt.Errorf("%s is no master key: it must be 64 hexadecimal digits, as \"openssl rand -hex 32\" prints them; %s", m.name(), datadir.Restore)
	}
	return key, nil
}

func (m MasterKeyConfig) text(ctx context.Context) ([]byte, error) {
	switch {
	case m.File != "":
		return os.ReadFile(m.File)
	case m.Env != "":
		text, ok := os.LookupEnv(m.Env)
		if !ok {
			return nil, fmt.Errorf("masterKey.env: there is no environment variable %s", m.Env)
		}
		return []byte(text), nil
	}
	return m.run(ctx)
}

// run runs the command, again if it fails. All attempts together have the time of one.
func (m MasterKeyConfig) run(ctx context.Context) (text []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, masterCommandTime)
	defer cancel()
	for try, pause := 1, masterCommandPause; ; try, pause = try+1, 2*pause {
		text, err = m.try(ctx)
		var failed *exec.ExitError
		if !errors.As(err, &failed) || try == masterCommandTries || ctx.Err() != nil {
			return text, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// try runs the command once.
func (m MasterKeyConfig) try(ctx context.Context) ([]byte, error) {
	out, complaint := &limited{left: masterCommandOutput, ends: true}, &limited{left: masterCommandOutput}
	cmd := exec.CommandContext(ctx, m.Command[0], m.Command[1:]...)
	cmd.Stdout, cmd.Stderr = out, complaint
	cmd.WaitDelay = time.Second // for a child of the command that keeps its output open
	err := cmd.Run()
	switch {
	case out.left < 0:
		return nil, fmt.Errorf("masterKey.command: %s prints more than %d bytes", m.Command[0], masterCommandOutput)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("masterKey.command: %s has not ended within %s", m.Command[0], masterCommandTime)
	case err != nil:
		return nil, fmt.Errorf("masterKey.command: %s: %w: %q", m.Command[0], err, bytes.TrimSpace(complaint.kept))
	}
	return out.kept, nil
}

// limited keeps the beginning of what is written to it. left is negative if there was more.
type limited struct {
	kept []byte
	left int
	ends bool // more is an error, so that a program that writes without an end is ended
}

func (l *limited) Write(p []byte) (int, error) {
	if keep := min(len(p), max(l.left, 0)); keep > 0 {
		l.kept = append(l.kept, p[:keep]...)
	}
	l.left -= len(p)
	if l.ends && l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}
