package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const coldRequests = 3000

// cold measures tokens that must be signed, each for another audience, beside Go's signer alone on
// the same cores and, where it is installed, beside openssl.
func (b *bench) cold(t *target) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var ours, theirs, ratios []float64
	for round := range b.rounds {
		a, err := t.run(getConns, coldRequests, "200", func(i int) []byte {
			return t.tokenFor(fmt.Sprintf("https://r%d-%d.example", round, i), t.admin.ClientSecret)
		})
		if err != nil {
			return err
		}
		c, err := signerAlone(key)
		if err != nil {
			return err
		}
		ours, theirs, ratios = append(ours, a.perSecond), append(theirs, c), append(ratios, a.perSecond/c)
	}
	fmt.Printf("| token by secret, cold: a new audience each time | %.0f/s | Go's RS256 signer alone: %.0f/s | %.2f |\n",
		median(ours), median(theirs), median(ratios))
	if rate, found := openssl(); found {
		fmt.Printf("| the same | %.0f/s | openssl speed rsa2048: %.0f/s | %.2f |\n", median(ours), rate, median(ours)/rate)
	}
	return nil
}

// wrong measures refusals of a wrong secret; most are throttled before the secret is checked.
func (b *bench) wrong(t *target) error {
	request := t.tokenFor("https://management.azure.com", "not-the-secret-of-this-application")
	_, err := t.run(1, 1, "401", func(int) []byte { return request })
	if err != nil {
		return err
	}
	refused, err := t.run(getConns, getRequests, "4", func(int) []byte { return request })
	if err != nil {
		return err
	}
	fmt.Printf("| token with a wrong secret, refused or slowed down | %.0f/s | | |\n", refused.perSecond)
	return nil
}

func (t *target) tokenFor(resource, secret string) []byte {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {t.admin.ClientID}, "client_secret": {secret}, "scope": {resource + "/.default"},
	}
	return send("POST", "/"+t.admin.TenantID+"/oauth2/v2.0/token", "", "application/x-www-form-urlencoded", form.Encode())
}

// signerAlone gives how many signatures a second Go makes on all cores.
func signerAlone(key *rsa.PrivateKey) (float64, error) {
	var (
		next atomic.Int64
		wait sync.WaitGroup
		errs = make([]error, runtime.NumCPU())
	)
	digest := sha256.Sum256([]byte("a token"))
	begin := time.Now()
	for w := range errs {
		wait.Go(func() {
			for errs[w] == nil && next.Add(1) <= coldRequests {
				_, errs[w] = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
			}
		})
	}
	wait.Wait()
	return coldRequests / time.Since(begin).Seconds(), errors.Join(errs...)
}

// openssl gives how many signatures a second openssl makes on all cores.
func openssl() (rate float64, found bool) {
	out, err := exec.Command("openssl", "speed", "-seconds", "3", "-multi", strconv.Itoa(runtime.NumCPU()), "rsa2048").Output()
	if err != nil {
		return 0, false
	}
	m := regexp.MustCompile(`rsa\s+2048 bits\s+\S+\s+\S+\s+([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		return 0, false
	}
	rate, err = strconv.ParseFloat(string(m[1]), 64)
	return rate, err == nil
}
