package login

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/revocation"
)

// revocationsPath is the path of a tenant's list of revocations.
const revocationsPath = "/discovery/v2.0/revocations"

// revocationHeaders are the headers of a list. Caches may keep it for half the time after which relying parties ask
// again, and its tag and its version can be read by pages of other sites.
var revocationHeaders = httpx.Fixed(
	"Access-Control-Allow-Methods", "GET, OPTIONS",
	"Access-Control-Allow-Origin", "*",
	"Access-Control-Expose-Headers", "ETag",
	"Cache-Control", "public, max-age="+strconv.Itoa(int(revocation.Refresh/time.Second)/2),
	"Content-Type", "application/"+revocation.MediaType,
	"Vary", "Accept-Encoding",
)

// revocations answers with the signed list of the tenant's revocations. A shared name stands for no tenant.
func (h *discovery) revocations(x *request) error {
	if shared(x.pathTenant) {
		return errDiscoveryTenant(x.pathTenant)
	}
	_, tenant, err := h.discovered(x)
	if err != nil {
		return err
	}
	list, err := h.lists.Signed(x.r.Context(), tenant)
	if err != nil {
		return err
	}
	head := x.w.Header()
	revocationHeaders.Set(head)
	body, tag := list.Text, list.Tag
	if acceptsGzip(x.r.Header) {
		body, tag = list.Packed, strings.TrimSuffix(tag, `"`)+`-gzip"`
		head.Set("Content-Encoding", "gzip")
	}
	head.Set("ETag", tag)
	if matchesTag(x.r.Header, tag) {
		head.Del("Content-Type")
		head.Del("Content-Encoding")
		x.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	httpx.WriteBody(x.w, http.StatusOK, body)
	return nil
}

// acceptsGzip reports whether an answer may be compressed with gzip (RFC 9110, 12.5.3).
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for one := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
			if !arm.SameName(strings.TrimSpace(coding), "gzip") {
				continue
			}
			_, value, found := strings.Cut(weight, "=")
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 32)
			return !found || err == nil && q > 0
		}
	}
	return false
}

// matchesTag reports whether If-None-Match has a tag or *. Weak tags match too (RFC 9110, 13.1.2).
func matchesTag(h http.Header, tag string) bool {
	for _, line := range h["If-None-Match"] {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
