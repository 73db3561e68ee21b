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

// ArcFolder is where clients insist that challenges lie.
const ArcFolder = "/var/opt/azcmagent/tokens"

// Challenges are answered at once or not at all; those of one host are bounded, because anyone may
// ask for one.
const (
	challengeLife = time.Minute
	maxChallenges = 64
)

// arc is the protocol of Azure Arc. The caller proves that it may read a file that was made for this
// one request, and so that it is one of those to whom the folder has been opened.
type arc struct {
	imds
	folder string
	mode   fs.FileMode

	mu   sync.Mutex
	open []challenge // the oldest first
}

type challenge struct {
	file string
	key  secret
	made time.Time
}

// NewArc serves the protocol of Azure Arc. The folder, which must exist, is ArcFolder, unless a test
// has clients of its own. The challenge files are readable by the owner and the group of the folder.
func NewArc(c Config, folder string) *Endpoint {
	return newEndpoint(c, &arc{imds: imds{versions()}, folder: folder, mode: 0o640})
}

func (p *arc) serve(req *request) error {
	if !req.pathIs(pathToken) {
		return p.imds.serve(req) // what Arc tells of its machines has the same form
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
	// Clients believe that the selected identity was understood only if it comes back as they have
	// named it. The client id is in every answer.
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

// challenge makes a file and asks for what is in it. It takes no place among the requests that wait, because
// it asks nobody: tokens that are in memory are to be had while others wait for a silent server.
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

// keep remembers a challenge and forgets those that nobody has answered.
func (p *arc) keep(c challenge, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
	for len(p.open) > maxChallenges || clock.Over(p.open[0].made, challengeLife, now) {
		_ = os.Remove(p.open[0].file) // somebody may have cleaned up
		p.open = p.open[1:]
	}
}

// redeem accepts the content of a challenge file, once.
func (p *arc) redeem(header string, now time.Time) bool {
	scheme, given, found := strings.Cut(header, " ")
	if !found || !arm.SameName(scheme, "Basic") {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.open {
		if c.key.matches([]string{given}) {
			_ = os.Remove(c.file) // as above
			p.open = slices.Delete(p.open, i, i+1)
			return !clock.Over(c.made, challengeLife, now)
		}
	}
	return false
}
