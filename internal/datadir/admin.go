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

// Secret is a client secret or a password in clear. It redacts itself except in admin.json and after an
// explicit conversion.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Admin is the content of admin.json: the server's address and the administrator's credentials.
type Admin struct {
	Endpoint       string `json:"endpoint"` // https://localhost:8443
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   Secret `json:"clientSecret"`

	// The administrator's user. Both are empty in a folder of an earlier version until the next start.
	UserName     string `json:"userName,omitempty"`
	UserPassword Secret `json:"userPassword,omitempty"`
}

// ReadAdmin reads the admin.json of a folder. The error is fs.ErrNotExist if there is none.
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

// Admin reads admin.json, and reports whether it exists.
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
