package federation

import (
	"crypto/x509"
	"errors"
)

type (
	rootsFile = watchedFile[*x509.CertPool]
	keysFile  = watchedFile[*keySet]
)

// parseRoots reads certificate authorities in PEM.
func parseRoots(data []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("it has no certificate in PEM")
	}
	return pool, nil
}

// parseKeysFile reads a key set of the operator. One without a key that can be used is a mistake.
func parseKeysFile(data []byte) (*keySet, error) {
	set, err := parseKeys(data)
	if err != nil {
		return nil, err
	}
	if len(set.keys) == 0 {
		if len(set.skipped) > 0 {
			return nil, errors.New("no key of the set can be used: of the first one " + set.skipped[0].Reason)
		}
		return nil, errors.New("the key set is empty")
	}
	return set, nil
}
