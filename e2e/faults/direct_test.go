//go:build e2e && cluster

package faults

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// requestDirectly requests tokens at the replicas themselves, as a client without an agent does, until the workload
// ends. A client that gets no token tries once more at another replica: the one that it has asked may be dead, and
// whoever asks the same one twice learns nothing about the others.
func (x *trial) requestDirectly() {
	x.workers.Go(func() {
		for x.ctx.Err() == nil {
			begun, i := time.Now(), x.random.n(len(x.replicas))
			first := x.grant(x.replicas[i])
			second := first
			if first.status != http.StatusOK {
				time.Sleep(retryAfter(first))
				second = x.grant(x.replicas[(i+1)%len(x.replicas)])
			}
			x.history.now(func(p *phase) {
				ok := second.status == http.StatusOK
				p.direct.add(time.Since(begun), ok)
				if !ok && slices.Contains(othersAnswer(), p.fault) {
					x.Errorf("%s: no token from two replicas: %d %v, then %d %v %s", p.fault, first.status, first.err, second.status, second.err, second.body)
				}
			})
			time.Sleep(25 * time.Millisecond)
		}
	})
}

// othersAnswer are the phases in which at most one replica does not issue tokens.
func othersAnswer() []string {
	return []string{"none", replicaKilled, replicaCut}
}

// retryAfter is how long an answer asks its client to wait.
func retryAfter(a answer) time.Duration {
	if a.err != nil {
		return 0
	}
	n, _ := strconv.Atoi(a.header.Get("Retry-After")) // without one the client does not wait
	return min(time.Duration(n)*time.Second, 2*time.Second)
}

// grant is the client credentials grant at one replica.
func (x *trial) grant(r *replica) answer {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {x.admin.ClientID}, "client_secret": {string(x.admin.ClientSecret)},
		"scope": {"https://management.azure.com/.default"},
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, origin+"/"+x.admin.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(r.http, req)
}
