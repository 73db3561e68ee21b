package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"midas/internal/atomicfile"
)

// Secrets are what a server shows only once: generated secrets of applications, generated passwords of users, and
// tokens with which machines are enrolled. It is safe for concurrent use.
type Secrets struct {
	mu   sync.Mutex
	file string // empty: only in memory
	kept secretsFile
	now  func() time.Time
}

// secretsFile is the content of a file of secrets.
type secretsFile struct {
	Applications map[string]map[string]string `json:"applications,omitempty"` // by displayName of application and secret
	Users        map[string]string            `json:"users,omitempty"`        // by userPrincipalName
	Hosts        map[string]HostToken         `json:"hosts,omitempty"`        // by the id of the resource
}

// HostToken is a token with which one machine can be enrolled.
type HostToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// NewSecrets returns secrets that are kept in memory.
func NewSecrets() *Secrets {
	return &Secrets{now: time.Now, kept: secretsFile{Applications: map[string]map[string]string{}, Users: map[string]string{}, Hosts: map[string]HostToken{}}}
}

// OpenSecrets reads a file of secrets, which need not exist yet.
func OpenSecrets(file string) (*Secrets, error) {
	s := NewSecrets()
	s.file = file
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.kept)
	}
	if err != nil {
		return nil, fmt.Errorf("read the secrets in %s: %w", file, err)
	}
	for _, m := range []func(){
		func() { s.kept.Applications = orEmpty(s.kept.Applications) },
		func() { s.kept.Users = orEmpty(s.kept.Users) },
		func() { s.kept.Hosts = orEmpty(s.kept.Hosts) },
	} {
		m()
	}
	return s, nil
}

func orEmpty[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// Application returns the generated secret of an application, or nothing.
func (s *Secrets) Application(application, secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Applications[application][secret]
}

// User returns the generated password of a user, or nothing.
func (s *Secrets) User(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Users[name]
}

// Host returns the enrollment token for a resource, or nothing.
func (s *Secrets) Host(resource string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Hosts[resource].Token
}

// hasHost reports whether there is a token for a resource that has not expired, so that no other one is needed.
func (s *Secrets) hasHost(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, has := s.kept.Hosts[key]
	return has && s.now().Before(token.Expires)
}

// keep changes the secrets and writes them, readable by their owner only.
func (s *Secrets) keep(change func(*secretsFile)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.kept)
	if s.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(s.kept, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	return nil
}
