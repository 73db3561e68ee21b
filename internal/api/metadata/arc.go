package metadata

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/host"
)

// ArcFolder is the only folder in which clients accept challenge files.
const ArcFolder = "/var/opt/azcmagent/tokens"

// Bounds of challenges. Clients answer a challenge at once or never. The number of open challenges is bounded
// because every program on the host can request them.
const (
	challengeLife = time.Minute
	maxChallenges = 64
)

// arc is the protocol of Azure Arc. The caller sends the content of a file that was made for its request. This
// proves that the caller may read the folder.
type arc struct {
	imds
	folder string
	mode   fs.FileMode

	mu   sync.Mutex
	open []challenge // the oldest first
}

type challenge struct {
	file string
	key  secret    // the content of the file
	made time.Time // when the file was made
}

// NewArc serves the protocol of Azure Arc. The folder of the challenge files must exist; it is ArcFolder except
// in tests. Its owner and its group can read the files.
func NewArc(c Config, folder string) *Endpoint {
	return newEndpoint(c, &arc{imds: imds{versions()}, folder: folder, mode: 0o640})
}

func (p *arc) serve(req *request) error {
	if !req.pathIs(pathToken) {
		return p.imds.serve(req) // Arc describes its machines in the same form
	}
	serverName.Set(req.w.Header())
	req.ev.Operation = "arc/token"
	if err := req.method(http.MethodGet); err != nil {
		return err
	}
	if err := req.admit(); err != nil {
		return err
	}
	if err := req.requireMetadataHeader(); err != nil {
		return err
	}
	q, err := req.query()
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"2019-08-15", "2019-11-01", "2020-06-01"}, q.get("api-version")) {
		return errVersion("2020-06-01", "2019-11-01", "2019-08-15")
	}
	if proofs := req.r.Header["Authorization"]; len(proofs) != 1 || !p.redeem(proofs[0], req.Now()) {
		return p.challenge(req)
	}
	t, err := req.token(q, imdsSelectors())
	if err != nil {
		return err
	}
	answer := req.tokenOfStrings(t)
	// Clients accept the token of a selected identity only if the answer repeats the selector. The client id
	// is in every answer.
	for _, name := range []string{"object_id", "principal_id", "msi_res_id", "mi_res_id"} {
		if value := q.get(name); value != "" && printable(value) {
			answer = answer.text(name, value)
		}
	}
	return req.send(answer)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// challenge makes a file and requests its content as a proof. It does not count as a waiting request (AtOnce),
// because it does not call the server: programs must get cached tokens even while other requests wait for a
// server that does not answer.
func (p *arc) challenge(req *request) error {
	if !req.limiter.pass(req.Now()) {
		return errLimit()
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return fmt.Errorf("make a challenge: %w", err)
	}
	key := base64.RawURLEncoding.EncodeToString(random)
	c := challenge{
		file: filepath.Join(p.folder, req.NewID()+".key"), key: newSecret(host.Secret(key)),
		made: req.Now(),
	}
	file, err := os.OpenFile(c.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, p.mode)
	if err != nil {
		return fmt.Errorf("make a challenge: %w", err)
	}
	_, err = file.WriteString(key)
	if err = errors.Join(err, file.Chmod(p.mode), file.Close()); err != nil {
		return fmt.Errorf("make a challenge: %w", errors.Join(err, os.Remove(c.file)))
	}
	p.keep(c, req.Now())
	f := errSecret(http.StatusUnauthorized)
	f.header = http.Header{"Www-Authenticate": {"Basic realm=" + c.file}}
	return f
}

// keep stores a challenge and removes the expired ones, and the oldest ones above maxChallenges.
func (p *arc) keep(c challenge, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
	for len(p.open) > maxChallenges || clock.Over(p.open[0].made, challengeLife, now) {
		_ = os.Remove(p.open[0].file) // the file may have been removed already
		p.open = p.open[1:]
	}
}

// redeem reports whether an Authorization header has the content of a challenge file. Each challenge is accepted
// once.
func (p *arc) redeem(header string, now time.Time) bool {
	scheme, given, found := strings.Cut(header, " ")
	if !found || !arm.SameName(scheme, "Basic") {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.open {
		if c.key.matches([]string{given}) {
			_ = os.Remove(c.file) // the file may have been removed already
			p.open = slices.Delete(p.open, i, i+1)
			return !clock.Over(c.made, challengeLife, now)
		}
	}
	return false
}
