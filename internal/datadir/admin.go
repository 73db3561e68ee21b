package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"midas/internal/atomicfile"
)

// Secret is a client secret in clear. It shows itself only when converted on purpose, and in
// admin.json.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Admin is what admin.json holds: where the server is and who its administrator is.
type Admin struct {
	Endpoint       string `json:"endpoint"` // https://localhost:8443
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   Secret `json:"clientSecret"`

	// The administrator as a person, who signs in with a password. A folder from before there
	// were users has neither until the next start.
	UserName     string `json:"userName,omitempty"`
	UserPassword Secret `json:"userPassword,omitempty"`
}

// ReadAdmin reads the admin.json of a folder. Where there is none the error is fs.ErrNotExist.
func ReadAdmin(dir string) (Admin, error) {
	name := filepath.Join(dir, AdminFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return Admin{}, fmt.Errorf("read credentials: %w", err)
	}
	var a Admin
	if err := json.Unmarshal(data, &a); err != nil {
		return Admin{}, fmt.Errorf("%s is damaged; remove it, and the next start gives the administrator a new secret: %w", name, err)
	}
	for field, v := range map[string]string{
		"tenantId": a.TenantID, "subscriptionId": a.SubscriptionID, "clientId": a.ClientID, "clientSecret": string(a.ClientSecret),
	} {
		if v == "" {
			return Admin{}, fmt.Errorf("%s lacks %s; remove the file, and the next start gives the administrator a new secret", name, field)
		}
	}
	return a, nil
}

// Admin reads admin.json; false says that there is none.
func (d *Dir) Admin() (Admin, bool, error) {
	a, err := ReadAdmin(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Admin{}, false, nil
	}
	return a, err == nil, err
}

// WriteAdmin replaces admin.json.
func (d *Dir) WriteAdmin(a Admin) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("encode credentials: %w", err)
	}
	return atomicfile.Write(d.Path(AdminFile), append(data, '\n'), 0o600)
}
